"""Make the sample files beside this script, the same bytes every time.

    python sample_data/make_sample_data.py                 make all files and SHA256SUMS
    python sample_data/make_sample_data.py --check         compare the files with SHA256SUMS
    python sample_data/make_sample_data.py --large FOLDER  make the large job, kept out of git

The photograph and the handwritten digits come out of scikit-learn's wheel; without scikit-learn
these two folders are left as they are. Everything else needs NumPy alone.

Bytes that depend on a library's version make checksums useless, so nothing here does where it
can be helped: random numbers are taken raw from the bit generator, arithmetic is exact, and PNG
and NPZ files hold their data uncompressed. Only `flower.h5` goes through a compressor.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import math
import os
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

HERE = Path(__file__).resolve().parent
SUMS = "SHA256SUMS"

INCEPTION_SEED = 1409_4842
LARGE_SEED = 1312_4400
LARGE_CHANNELS = 50
LARGE_FILTERS = 20
LARGE_SIDE = 600
# Random floats made and written at a time: 4 MiB, so that memory stays small for any --side.
LARGE_BLOCK = 2**20

# The photograph's centre is cut out and every 3×3 pixels become one: 480×360 to 160×120.
CROP_HEIGHT, CROP_WIDTH, SHRINK = 360, 480, 3
PHOTO_CREDIT = (
    "Photograph by vultilion, https://www.flickr.com/photos/vultilion/6056698931/, "
    "CC BY 2.0, https://creativecommons.org/licenses/by/2.0/; "
    "cropped and reduced to 160x120 pixels"
)
IMAGES_PER_DIGIT = 8

# The three feature maps of the worked example, as its author printed them.
MATH_MAPS = (
    (
        (1, 2, 3, 2, 2, 3),
        (4, 5, 6, 2, 2, 3),
        (2, 1, 7, 2, 1, 3),
        (3, 2, 4, 2, 2, 3),
        (3, 2, 4, 2, 2, 3),
        (3, 2, 4, 2, 2, 3),
    ),
    (
        (3, 2, 4, 3, 2, 2),
        (3, 2, 4, 3, 2, 2),
        (1, 2, 3, 3, 2, 2),
        (4, 5, 6, 3, 2, 2),
        (3, 2, 4, 3, 2, 2),
        (2, 1, 7, 2, 1, 3),
    ),
    (
        (1, 2, 3, 3, 2, 2),
        (3, 2, 4, 3, 2, 2),
        (3, 2, 4, 3, 2, 2),
        (4, 5, 6, 3, 2, 2),
        (3, 2, 4, 3, 2, 2),
        (2, 1, 7, 2, 1, 3),
    ),
)


# ---------------------------------------------------------------------------------- file formats


def save_npy(path: Path, array: Array) -> None:
    """Write `array` as a version 1.0 .npy file in C order."""
    with path.open("wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0))


def save_npz(path: Path, **arrays: Array) -> None:
    """Write an uncompressed .npz whose members all carry the same fixed date."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), version=(1, 0))
            archive.writestr(member, content.getvalue())


def save_png(path: Path, image: Array) -> None:
    """Write a 2-D uint8 array as a greyscale PNG.

    The pixels are stored without compression: two builds of zlib may compress the same data to
    different bytes, but there is only one way to leave them as they are.
    """
    height, width = image.shape
    no_filter = b"\x00"
    rows = b"".join(no_filter + row.tobytes() for row in np.ascontiguousarray(image, np.uint8))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib_stored(rows)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks))


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """Return one PNG chunk: length, kind, content, CRC."""
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def zlib_stored(data: bytes) -> bytes:
    """Return `data` as a zlib stream of stored (uncompressed) blocks."""
    longest = 0xFFFF
    starts = range(0, len(data), longest)
    blocks = []
    for start in starts:
        block = data[start : start + longest]
        is_last = start == starts[-1]
        blocks.append(struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF) + block)
    return b"\x78\x01" + b"".join(blocks) + struct.pack(">I", zlib.adler32(data))


def save_text(path: Path, text: str) -> None:
    """Write `text` with Unix line ends."""
    path.write_text(text, encoding="utf-8", newline="\n")


# ------------------------------------------------------------------------------- the two digits


def make_digits(folder: Path) -> None:
    """Write two 5×3 feature maps of a 2 and of a 3 and what the kernel `1 1` makes of them."""
    a, b = 1, 2
    strokes = [[a, a, a], [0, 0, 0], [a, a, a], [0, 0, 0], [a, a, a]]
    sides = {
        2: [[0, 0, 0], [0, 0, b], [0, 0, 0], [b, 0, 0], [0, 0, 0]],
        3: [[0, 0, 0], [0, 0, b], [0, 0, 0], [0, 0, b], [0, 0, 0]],
    }
    outputs = {
        2: [[a, a, a], [0, 0, b], [a, a, a], [b, 0, 0], [a, a, a]],
        3: [[a, a, a], [0, 0, b], [a, a, a], [0, 0, b], [a, a, a]],
    }
    for digit in (2, 3):
        save_npy(folder / f"digit{digit}_map1.npy", np.array(strokes, np.float32))
        save_npy(folder / f"digit{digit}_map2.npy", np.array(sides[digit], np.float32))
        save_npy(folder / f"digit{digit}_output.npy", np.array([outputs[digit]], np.float32))
    save_text(folder / "sum.txt", "1 1\n")


# ---------------------------------------------------------------------------- the worked example


def make_math(folder: Path) -> None:
    """Write the three 6×6 maps, their kernel, and the exact result."""
    maps = np.array(MATH_MAPS, np.int64)
    save_npy(folder / "maps.npy", maps.astype(np.float32))
    (folder / "maps_png").mkdir(exist_ok=True)
    for index, feature_map in enumerate(maps):
        save_png(folder / "maps_png" / f"{index}.png", feature_map.astype(np.uint8))
    save_text(folder / "kernel.csv", "0.1,0.2,0.4\n")
    # In whole tenths the sum is exact; one division then rounds it once.
    tenths = np.einsum("kc,chw->khw", np.array([[1, 2, 4]]), maps)
    save_npy(folder / "expected.npy", tenths / 10.0)


# ------------------------------------------------------------------- ten feature maps into four


def make_inception(folder: Path) -> None:
    """Write ten smooth 32×32 maps, 4×10 weights, a bias, and the correctly rounded result."""
    bits = np.random.PCG64(INCEPTION_SEED)
    maps = smooth_maps(bits, channels=10)
    weights = small_weights(bits, (4, 10))
    bias = np.array([0.25, -0.5, 0.125, 0.0])
    save_npy(folder / "maps.npy", maps)
    save_npy(folder / "weights.npy", weights)
    save_text(folder / "bias.csv", ",".join(str(value) for value in bias.tolist()) + "\n")
    save_npy(folder / "expected.npy", exact_conv1x1(maps, weights, bias))


def smooth_maps(bits: np.random.PCG64, channels: int) -> Array:
    """Return 32×32 maps of soft blobs on zero, as a ReLU layer leaves them.

    Random whole numbers on a coarse lattice are joined by straight lines. All steps are in whole
    numbers of at most 18 bits, so the float32 values are exact.
    """
    step, cells = 8, 4
    lattice = raw_integers(bits, (channels, cells + 1, cells + 1), width=12) - 1024
    position = np.arange(step * cells)
    hat = np.maximum(0, step - np.abs(position[:, None] - step * np.arange(cells + 1)))
    heights = np.einsum("yi,xj,cij->cyx", hat, hat, lattice)
    return np.asarray(np.maximum(heights, 0) / 65536, np.float32)


def small_weights(bits: np.random.PCG64, shape: tuple[int, ...]) -> Array:
    """Return float32 values from -0.5 up to 0.5 that use all their 24 bits."""
    return np.asarray((raw_integers(bits, shape, width=24) - 2**23) / 2**24, np.float32)


def raw_integers(bits: np.random.PCG64, shape: tuple[int, ...], width: int) -> Array:
    """Return whole numbers of `width` bits straight from the generator.

    NumPy promises that this stream stays the same for good; it does not for its distributions.
    """
    raw = np.asarray(bits.random_raw(math.prod(shape)), np.uint64)
    return (raw >> np.uint64(64 - width)).astype(np.int64).reshape(shape)


def exact_conv1x1(maps: Array, weights: Array, bias: Array) -> Array:
    """Return the 1×1 convolution of float32 arrays in float64, each value rounded only once.

    A product of two float32 numbers is exact in float64, and `math.fsum` loses nothing.
    """
    channels, height, width = maps.shape
    pixels = maps.reshape(channels, -1).T.astype(np.float64)
    rows = [
        [math.fsum([offset, *(row * pixel).tolist()]) for pixel in pixels]
        for row, offset in zip(weights.astype(np.float64), bias.tolist(), strict=True)
    ]
    return np.array(rows).reshape(-1, height, width)


# ------------------------------------------------------------------------------- the photograph


def make_flower(folder: Path) -> None:
    """Write the reduced photograph as .npy, .h5 and PNG channels, with two colour transforms."""
    photo = reduce_photo(read_photo())
    save_npy(folder / "flower.npy", photo)
    save_photo_h5(folder / "flower.h5", photo)
    (folder / "channels").mkdir(exist_ok=True)
    for name, channel in zip(("0_red", "1_green", "2_blue"), photo, strict=True):
        save_png(folder / "channels" / f"{name}.png", channel)
    save_text(folder / "grey_rec709.csv", "0.2126,0.7152,0.0722\n")
    save_npy(folder / "expected_grey.npy", grey_rec709(photo))
    save_npz(folder / "rgb_to_ycbcr.npz", **rgb_to_ycbcr())


def read_photo() -> Array:
    """Return scikit-learn's `flower.jpg` as an H×W×3 uint8 array."""
    from importlib.resources import files

    from PIL import Image

    content = files("sklearn.datasets.images").joinpath("flower.jpg").read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def reduce_photo(photo: Array) -> Array:
    """Return the photograph's centre as a 3×120×160 stack of 3×3 means."""
    top = (photo.shape[0] - CROP_HEIGHT) // 2
    left = (photo.shape[1] - CROP_WIDTH) // 2
    centre = photo[top : top + CROP_HEIGHT, left : left + CROP_WIDTH].astype(np.int64)
    blocks = centre.reshape(CROP_HEIGHT // SHRINK, SHRINK, CROP_WIDTH // SHRINK, SHRINK, 3)
    sums = blocks.sum(axis=(1, 3))
    # A ninth of a whole number is never halfway, so this is the nearest value.
    return np.asarray((sums + SHRINK**2 // 2) // SHRINK**2, np.uint8).transpose(2, 0, 1)


def save_photo_h5(path: Path, photo: Array) -> None:
    """Write the stack as one compressed, chunked dataset with attributes and without dates."""
    import h5py

    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "photo",
            data=photo,
            chunks=(1, 60, 80),
            compression="gzip",
            compression_opts=6,
            shuffle=True,
            track_times=False,
        )
        dataset.attrs["units"] = "8-bit sRGB"
        dataset.attrs["credit"] = PHOTO_CREDIT


def grey_rec709(photo: Array) -> Array:
    """Return the 1×H×W grey image, computed in whole ten-thousandths and rounded half to even."""
    total = np.einsum("c,chw->hw", np.array([2126, 7152, 722]), photo.astype(np.int64))
    grey, rest = np.divmod(total, 10_000)
    round_up = (rest > 5000) | ((rest == 5000) & (grey % 2 == 1))
    return np.asarray(grey + round_up, np.uint8)[None]


def rgb_to_ycbcr() -> dict[str, Array]:
    """Return the colour transform of JPEG files: Rec. 601 luma, all of them from 0 to 255."""
    red, green, blue = 0.299, 0.587, 0.114
    to_cb, to_cr = 2 * (1 - blue), 2 * (1 - red)
    weight = [
        [red, green, blue],
        [-red / to_cb, -green / to_cb, 0.5],
        [0.5, -green / to_cr, -blue / to_cr],
    ]
    return {"weight": np.array(weight), "bias": np.array([0.0, 128.0, 128.0])}


# ----------------------------------------------------------------------- the handwritten digits


def make_handwritten(folder: Path) -> None:
    """Write eighty real 8×8 digits as channels and the weights that average each digit's eight."""
    digits = read_handwritten()
    means = digits.reshape(10, IMAGES_PER_DIGIT, 8, 8).mean(axis=1, dtype=np.float64)
    weights = np.kron(np.eye(10), np.full(IMAGES_PER_DIGIT, 1 / IMAGES_PER_DIGIT))
    rows = [",".join(f"{value:g}" for value in row) for row in weights.tolist()]
    save_npy(folder / "digits.npy", digits)
    save_text(folder / "mean_of_each_digit.csv", "\n".join(rows) + "\n")
    save_npy(folder / "expected.npy", means)


def read_handwritten() -> Array:
    """Return the first eight images of each digit, all zeros first, as 80×8×8 uint8."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]

    data = load_digits()
    chosen = [np.flatnonzero(data.target == digit)[:IMAGES_PER_DIGIT] for digit in range(10)]
    return np.asarray(data.images[np.concatenate(chosen)], np.uint8)


# ------------------------------------------------------------------------------------- all parts


class Part(NamedTuple):
    """One folder of samples: how it is made and what must be in it afterwards.

    None in place of a function: the files are stored as they came, and only checked.
    """

    make: Callable[[Path], None] | None
    files: tuple[str, ...]
    needs_sklearn: bool = False


PARTS = {
    "digits": Part(
        make_digits,
        (
            "digit2_map1.npy",
            "digit2_map2.npy",
            "digit2_output.npy",
            "digit3_map1.npy",
            "digit3_map2.npy",
            "digit3_output.npy",
            "sum.txt",
        ),
    ),
    "math": Part(
        make_math,
        (
            "expected.npy",
            "kernel.csv",
            "maps.npy",
            "maps_png/0.png",
            "maps_png/1.png",
            "maps_png/2.png",
        ),
    ),
    "inception": Part(make_inception, ("bias.csv", "expected.npy", "maps.npy", "weights.npy")),
    "flower": Part(
        make_flower,
        (
            "channels/0_red.png",
            "channels/1_green.png",
            "channels/2_blue.png",
            "expected_grey.npy",
            "flower.h5",
            "flower.npy",
            "grey_rec709.csv",
            "rgb_to_ycbcr.npz",
        ),
        needs_sklearn=True,
    ),
    "handwritten": Part(
        make_handwritten,
        ("digits.npy", "expected.npy", "mean_of_each_digit.csv"),
        needs_sklearn=True,
    ),
    "landsat": Part(None, ("landsat7.tif",)),
}


def sample_files() -> list[str]:
    """Return the path of every sample file below its folder, in order."""
    return sorted(f"{name}/{file}" for name, part in PARTS.items() for file in part.files)


def make_samples(folder: Path) -> list[str]:
    """Make all parts below `folder` and return the names of those left out."""
    has_sklearn = importlib.util.find_spec("sklearn") is not None
    left_out = []
    for name, part in PARTS.items():
        if part.make is None:
            continue
        if part.needs_sklearn and not has_sklearn:
            left_out.append(name)
            continue
        (folder / name).mkdir(parents=True, exist_ok=True)
        part.make(folder / name)
    return left_out


# ------------------------------------------------------------------------------------- checksums


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: Path) -> None:
    """Write the checksums of all sample files that are there, as `sha256sum` does."""
    present = [name for name in sample_files() if (folder / name).is_file()]
    save_text(folder / SUMS, "".join(f"{checksum(folder / name)}  {name}\n" for name in present))


def read_sums(folder: Path) -> dict[str, str]:
    """Return file name to checksum."""
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def differences(folder: Path) -> Iterator[str]:
    """Yield one sentence for each file that is not what the checksums say."""
    if not (folder / SUMS).is_file():
        yield f"{SUMS}: missing"
        return
    sums = read_sums(folder)
    for name in sorted({*sums, *sample_files()}):
        if name not in sums:
            yield f"{name}: not listed in {SUMS}"
        elif not (folder / name).is_file():
            yield f"{name}: missing"
        elif checksum(folder / name) != sums[name]:
            yield f"{name}: changed"


# --------------------------------------------------------------------------------- the large job


def make_large(folder: Path, side: int) -> None:
    """Write a 50×side×side float32 stack and 20×50 weights in a few MiB of memory."""
    folder.mkdir(parents=True, exist_ok=True)
    stack = folder / f"large_{LARGE_CHANNELS}x{side}x{side}.npy"
    partial = stack.with_name(f".{stack.name}.partial")
    try:
        with partial.open("wb") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (LARGE_CHANNELS, side, side)}
            np.lib.format.write_array_header_1_0(file, header)
            for block in random_blocks(LARGE_CHANNELS * side * side):
                file.write(block.data)
        os.replace(partial, stack)
    finally:
        partial.unlink(missing_ok=True)
    weights = small_weights(np.random.PCG64(LARGE_SEED + 1), (LARGE_FILTERS, LARGE_CHANNELS))
    save_npy(folder / f"large_weights_{LARGE_FILTERS}x{LARGE_CHANNELS}.npy", weights)
    print(f"wrote {stack} and large_weights_{LARGE_FILTERS}x{LARGE_CHANNELS}.npy beside it")


def random_blocks(count: int) -> Iterator[Array]:
    """Yield `count` float32 numbers from 0 to 1 in blocks that share one buffer."""
    random = np.random.Generator(np.random.PCG64(LARGE_SEED))
    buffer = np.empty(min(count, LARGE_BLOCK), np.float32)
    for start in range(0, count, LARGE_BLOCK):
        block = buffer[: min(LARGE_BLOCK, count - start)]
        random.random(out=block, dtype=np.float32)
        yield block


# ---------------------------------------------------------------------------------- command line


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description="Make or check the sample files of onebyone.")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the samples are or go")
    task = parser.add_mutually_exclusive_group()
    task.add_argument("--check", action="store_true", help=f"only compare with {SUMS}")
    task.add_argument("--large", type=Path, metavar="FOLDER", help="only make the large job there")
    parser.add_argument(
        "--side", type=positive, default=LARGE_SIDE, help="with --large: height and width (600)"
    )
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    """Return `text` as a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = parse_arguments(arguments)
    if options.large:
        make_large(options.large, options.side)
        return 0
    if options.check:
        found = list(differences(options.folder))
        print("\n".join(found) or f"all {len(sample_files())} sample files are as {SUMS} says")
        return 1 if found else 0
    for name in make_samples(options.folder):
        print(f"{name}: left as it was, scikit-learn is not installed", file=sys.stderr)
    write_sums(options.folder)
    print(f"wrote the sample files and {SUMS} in {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
