"""Make the inputs of all command lines in one folder, always the same from a fixed seed.

Most stacks have 5 channels of 67×131 pixels: more than two tiles of 4096 pixels, and not a multiple
of one.
"""

import json
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Stack = NDArray[np.generic]

SEED = 20250
CHANNELS, HEIGHT, WIDTH = 5, 67, 131
NODATA = -9999

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS = ("float16", "float32", "float64")
DTYPES = ("bool", *INTEGERS, *FLOATS)
BIG_ENDIAN = (">i2", ">u2", ">i4", ">u8", ">f2", ">f4", ">f8")

#: From CHW to each layout; axes before the last three are a batch.
LAYOUTS = {"CHW": (-3, -2, -1), "HWC": (-2, -1, -3), "HCW": (-2, -3, -1)}


def make_inputs(folder: Path) -> None:
    """Write all inputs into an empty folder."""
    rng = np.random.default_rng(SEED)
    base = make_stack(rng, CHANNELS, HEIGHT, WIDTH)
    save_types(folder, base)
    save_layouts(folder, rng, base)
    save_invalid(folder, base)
    save_for_learning(folder, rng, base)
    save_hdf5(folder, rng, base)
    save_images(folder, base)
    save_raw(folder, base)
    save_weights(folder, rng)


def make_stack(rng: np.random.Generator, channels: int, height: int, width: int) -> Stack:
    """Return correlated channels, float64 of shape (channels, height, width), about -100 to 100."""
    rows, columns = np.mgrid[:height, :width]
    shapes = [np.sin(rows / 9), np.cos(columns / 13), np.sin((rows + columns) / 21)]
    mixing = rng.normal(size=(channels, len(shapes)))
    smooth = np.tensordot(mixing, np.stack(shapes), axes=1)
    return 20 * smooth + 3 * rng.normal(size=(channels, height, width))


def as_type(base: Stack, dtype: str) -> Stack:
    """Return the numbers of a stack in another type, within its range."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return base > 0
    if kind.kind == "f":
        return base.astype(kind)
    largest = min(np.iinfo(kind).max, 2**40)
    low = 0 if kind.kind == "u" else -largest
    scaled = (base - base.min()) / np.ptp(base) * (largest - low) + low
    return np.clip(np.rint(scaled), low, largest).astype(kind)


def save_npy(path: Path, array: Stack, version: tuple[int, int] = (1, 0)) -> None:
    """Write a .npy file of any header version."""
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version=version)


def save_types(folder: Path, base: Stack) -> None:
    """Write the stack in every type, byte order and header version."""
    for dtype in DTYPES:
        save_npy(folder / f"{dtype}.npy", as_type(base, dtype))
    for dtype in BIG_ENDIAN:
        save_npy(folder / f"big_{dtype[1:]}.npy", as_type(base, dtype))
    for version in (2, 3):
        save_npy(folder / f"version{version}.npy", base.astype("float32"), (version, 0))
    tall = np.concatenate([base, base[:, ::-1] * 0.7], axis=1)
    save_npy(folder / "large.npy", np.concatenate([tall] * 3, axis=2).astype("float32"))
    save_npy(folder / "map.npy", base[0].astype("float32"))
    save_npy(folder / "pixel.npy", base[:, :1, :1].astype("float32"))
    save_npy(folder / "row.npy", base[:, :1].astype("int16"))
    save_npy(folder / "one.npy", base[:2].astype("float32"))
    save_npy(folder / "two.npy", as_type(base[2:], "uint8"))


def save_layouts(folder: Path, rng: np.random.Generator, base: Stack) -> None:
    """Write the stack and batches of stacks in every layout, in C and Fortran order."""
    batch = np.stack([make_stack(rng, CHANNELS, 37, 41) for _ in range(6)])
    stacks = {"": base, "_batch": batch, "_batch2": batch.reshape(2, 3, *batch.shape[1:])}
    for layout, axes in LAYOUTS.items():
        for name, stack in stacks.items():
            ahead = tuple(range(stack.ndim - 3))
            moved = stack.transpose(*ahead, *axes)
            for dtype in ("float32", "uint8"):
                numbers = as_type(moved, dtype)
                plain, fortran = np.ascontiguousarray(numbers), np.asfortranarray(numbers)
                save_npy(folder / f"{layout}{name}_{dtype}.npy", plain)
                save_npy(folder / f"{layout}{name}_{dtype}_fortran.npy", fortran)


def save_invalid(folder: Path, base: Stack) -> None:
    """Write stacks with NaN, infinities and nodata."""
    holes = base.astype("float32")
    holes[1, ::7, ::5] = np.nan
    save_npy(folder / "nan.npy", holes)
    holes[3, 5::11, 3::17] = np.inf
    holes[4, 6::13, 4::19] = -np.inf
    save_npy(folder / "infinite.npy", holes)
    numbers = base.astype("float32")
    numbers[2, ::9, ::4] = NODATA
    save_npy(folder / "nodata.npy", numbers)
    save_npy(folder / "nodata_int16.npy", numbers.astype("int16"))
    save_npy(folder / "zeros.npy", np.where(base > 30, base, 0).clip(0, 255).astype("uint8"))


def save_for_learning(folder: Path, rng: np.random.Generator, base: Stack) -> None:
    """Write masks, labels, endmembers, dark frames, and more scenes."""
    save_npy(folder / "mask.npy", (base[0] > 0).astype("uint8"))
    labels = np.digitize(base[0], [-15, 0, 15]).astype("int16")
    save_npy(folder / "labels.npy", labels)
    save_npy(folder / "dark.npy", rng.normal(size=base.shape).astype("float32"))
    save_npy(folder / "endmembers.npy", np.abs(rng.normal(size=(CHANNELS, 3))) + 0.1)
    constant = base.astype("float32")
    constant[2] = 7
    save_npy(folder / "constant.npy", constant)
    for number in range(3):
        scene = make_stack(rng, CHANNELS, 40 + number, 71)
        save_npy(folder / f"scene{number}.npy", scene.astype("float32"))
        save_npy(folder / f"scene{number}_labels.npy", (scene[1] > 0).astype("uint8") + 1)
    (folder / "names.txt").write_text("in/scene0.npy\nin/scene1.npy\nin/scene2.npy\n")
    (folder / "names0.txt").write_bytes(b"in/scene0.npy\0in/scene1.npy\0")


def save_hdf5(folder: Path, rng: np.random.Generator, base: Stack) -> None:
    """Write HDF5 files: contiguous, chunked with all filters, and of several datasets."""
    floats = base.astype("float32")
    storages: dict[str, dict[str, object]] = {
        "contiguous": {},
        "chunked": {"chunks": (1, 16, 50)},
        "chunks_of_pixels": {"chunks": (5, 8, 9)},
        "chunks_of_rows": {"chunks": (5, 1, WIDTH)},
        "gzip": {"chunks": (2, 30, 40), "compression": "gzip", "compression_opts": 6},
        "gzip_shuffle": {"chunks": (1, 20, 131), "compression": "gzip", "shuffle": True},
        "lzf": {"chunks": (3, 33, 33), "compression": "lzf"},
        "fletcher32": {"chunks": (1, 67, 20), "fletcher32": True},
        "everything": {
            "chunks": (2, 17, 64), "compression": "lzf", "shuffle": True, "fletcher32": True,
        },
    }  # fmt: skip
    for name, storage in storages.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.create_dataset("cube", data=floats, **storage)
    for dtype in ("bool", "int8", "uint16", "int64", "float16", "float64", ">f4", ">i2"):
        with h5py.File(folder / f"type_{dtype.replace('>', 'big_')}.h5", "w") as file:
            file.create_dataset("cube", data=as_type(base, dtype), chunks=(2, 40, 70))
    batch = np.stack([make_stack(rng, CHANNELS, 29, 47) for _ in range(4)]).astype("float32")
    with h5py.File(folder / "several.h5", "w") as file:
        file.attrs["title"] = "several"
        near = file.create_dataset("bands/near", data=floats, chunks=(1, 30, 30))
        near.attrs["units"] = "W"
        file.create_dataset("bands/far", data=np.moveaxis(floats, 0, -1), chunks=(30, 30, 5))
        file.create_dataset("batch", data=batch, chunks=(1, 5, 10, 47), compression="gzip")
        file.create_dataset("lines", data=np.moveaxis(floats, 0, 1))
        file.create_dataset("mask", data=(base[0] > 0).astype("uint8"))


def save_images(folder: Path, base: Stack) -> None:
    """Write folders of images, one for each channel, and single images."""
    kinds = {
        "png": "uint8", "png16": "uint16", "tif": "float32", "tif8": "uint8", "tif16": "uint16",
        "jpg": "uint8", "bmp": "uint8", "pgm": "uint8", "pgm16": "uint16", "pfm": "float32",
    }  # fmt: skip
    for kind, dtype in kinds.items():
        (folder / f"bands_{kind}").mkdir()
        for number, plane in enumerate(as_type(base, dtype)):
            name = f"band{number * 3}.{kind.rstrip('0123456789')}"
            Image.fromarray(plane).save(folder / f"bands_{kind}" / name)
    (folder / "bands_mode1").mkdir()
    for number, plane in enumerate(base[:5] > 0):
        Image.fromarray(plane).save(folder / "bands_mode1" / f"{number}.png")
    colour = np.ascontiguousarray(np.moveaxis(as_type(base[:3], "uint8"), 0, -1))
    for suffix in ("png", "tif", "jpg", "bmp", "ppm"):
        Image.fromarray(colour).save(folder / f"colour.{suffix}")
    for suffix in ("png", "jpg", "bmp", "pgm"):
        Image.fromarray(as_type(base[0], "uint8")).save(folder / f"grey.{suffix}")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        Image.fromarray(as_type(base[0], "uint16")).save(
            folder / f"{compression}.tif", compression=compression
        )


def save_raw(folder: Path, base: Stack) -> None:
    """Write numbers without a header."""
    for name, layout, dtype in (
        ("chw_f4", "CHW", "<f4"),
        ("hwc_u1", "HWC", "u1"),
        ("hcw_i2", "HCW", "<i2"),
        ("chw_big_u2", "CHW", ">u2"),
        ("hwc_big_f8", "HWC", ">f8"),
    ):
        numbers = np.ascontiguousarray(as_type(base, dtype).transpose(LAYOUTS[layout]))
        (folder / f"{name}.raw").write_bytes(numbers.tobytes())
    frames = np.stack([as_type(base[:, :30, :50], "u1") + np.uint8(n) for n in range(4)])
    (folder / "frames.raw").write_bytes(np.moveaxis(frames, 1, -1).tobytes())


def save_weights(folder: Path, rng: np.random.Generator) -> None:
    """Write weights of every kind: 3 of 5 channels, a second layer, one for 3 and one for 10."""
    weight, bias = rng.normal(size=(3, CHANNELS)), rng.normal(size=3)
    np.save(folder / "w.npy", weight)
    np.save(folder / "w4.npy", weight[:, :, None, None].astype("float32"))
    np.save(folder / "w_int.npy", rng.integers(-9, 9, (4, CHANNELS)))
    np.save(folder / "w_fortran.npy", np.asfortranarray(weight.astype(">f4")))
    np.save(folder / "many.npy", rng.normal(size=(23, CHANNELS)))
    np.save(folder / "second.npy", rng.normal(size=(2, 3)))
    np.save(folder / "rgb.npy", rng.normal(size=(2, 3)))
    np.save(folder / "both.npy", rng.normal(size=(2, 2 * CHANNELS)))
    np.save(folder / "two_of_two.npy", rng.normal(size=(3, 2)))
    np.save(folder / "b.npy", bias)
    np.savez(folder / "w.npz", weight=weight, bias=bias)
    np.savez_compressed(folder / "w_bare.npz", weight=weight.astype("float32"))
    for suffix, delimiter in (("csv", ","), ("tsv", "\t"), ("txt", " ")):
        text = "# weights\n" + "\n".join(delimiter.join(map(repr, row)) for row in weight.tolist())
        (folder / f"w.{suffix}").write_text(text + "\n")
    (folder / "b.csv").write_text("\n".join(map(repr, bias.tolist())) + "\n")
    (folder / "b.txt").write_text(" ".join(map(repr, bias.tolist())) + "\n")
    (folder / "w.json").write_text(json.dumps({"weight": weight.tolist(), "bias": bias.tolist()}))
    (folder / "rows.json").write_text(json.dumps(weight.tolist()))
    np.savez(folder / "nonfinite.npz", weight=np.where(weight > 1, np.inf, weight))
