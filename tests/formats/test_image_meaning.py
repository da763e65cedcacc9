"""What images say besides their numbers: orientation, palettes, alpha, and names of files."""

import json
import os
import struct

import numpy as np
import pytest
from command import onebyone
from image_files import exif, grey, png, png_chunk, read, refused, same, saved, write
from PIL import Image, ImageOps

from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.formats.contracts.reader import Source
from onebyone_cli.formats.images import FORMAT


def about(path, **options):
    with FORMAT.read(Source(str(path), **options)) as reader:
        return reader.about


def described(path):
    return about(path).metadata


# Orientation


def orientation_at_the_end(content):
    """Move the EXIF of a PNG behind its pixels."""
    at = content.index(b"eXIf") - 4
    size = 12 + struct.unpack_from(">I", content, at)[0]
    rest = content[:at] + content[at + size :]
    return rest[:-12] + content[at : at + size] + rest[-12:]


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "PNG at its end"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pictures_are_read_as_viewers_show_them(tmp_path, orientation, kind, mode):
    stored = np.random.default_rng(orientation).integers(0, 256, (30, 44, 3)).astype("u1")
    image = Image.fromarray(stored if mode == "RGB" else stored[..., 0])
    content = saved(image, kind[:4].strip(), exif=exif(orientation))
    if kind.endswith("end"):
        content = orientation_at_the_end(content)
    path = tmp_path / ("a.jpg" if kind == "JPEG" else "a.png")
    path.write_bytes(content)
    with Image.open(path) as opened:
        shown = np.atleast_3d(np.asarray(ImageOps.exif_transpose(opened)))
    same(read(path), np.ascontiguousarray(shown.transpose(2, 0, 1)))
    told = about(path).notes
    assert bool(told) == (2 <= orientation <= 8)
    assert all(f"orientation {orientation}: " in note for note in told)


def test_turned_pictures_larger_than_a_piece_are_read(tmp_path):
    stored = np.random.default_rng(1).integers(0, 65536, (700, 1100)).astype("u2")
    for orientation, shown in (
        (6, np.rot90(stored, -1)),
        (8, np.rot90(stored)),
        (3, stored[::-1, ::-1]),
    ):
        Image.fromarray(stored).save(tmp_path / "a.png", exif=exif(orientation))
        same(read(tmp_path / "a.png"), np.ascontiguousarray(shown)[None])


def test_one_turned_image_of_a_folder(tmp_path):
    for kind in ("png", "jpg"):
        (tmp_path / kind).mkdir()
        for name, number in (("0", 1), ("1", 6)):
            image = Image.fromarray(np.repeat([200, 0], [3, 5]).astype("u1")[:, None].repeat(8, 1))
            image.save(tmp_path / kind / f"{name}.{kind}", exif=exif(number))
        found = read(tmp_path / kind).astype(int)
        assert np.abs(found[1] - np.rot90(found[0], -1)).max() < 9
        note = f"orientation 6: turned by 90 degrees clockwise: 1.{kind}"
        assert about(tmp_path / kind).notes == (note,)
        shown = onebyone("info", kind, cwd=tmp_path)
        assert note in " ".join(shown.stdout.decode().split())


def test_sizes_that_differ_by_the_orientation_say_so(tmp_path):
    Image.new("L", (20, 10)).save(tmp_path / "0.png")
    Image.new("L", (20, 10)).save(tmp_path / "1.png", exif=exif(5))
    refused(ShapeMismatchError, tmp_path, "1.png is mirrored, and turned", "20×10", "10×20")


@pytest.mark.parametrize("content", [b"", b"II", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"\xff" * 40])
def test_malformed_exif_turns_nothing(tmp_path, content):
    chunk = png_chunk(b"eXIf", content)
    (tmp_path / "a.png").write_bytes(png(4, 3, 8, 0, [b"abcd"] * 3, chunk))
    assert read(tmp_path / "a.png").shape == (1, 3, 4)


# Images that are no channels of one stack


@pytest.mark.parametrize("odd", [0, 2, 3])
def test_a_colour_image_among_grey_ones_is_refused_by_name(tmp_path, odd):
    for number in range(4):
        plane = grey(start=number)
        Image.fromarray(np.dstack([plane] * 3) if number == odd else plane).save(
            tmp_path / f"{number}.png"
        )
    refused(
        DataError,
        tmp_path,
        f"{odd}.png: has 3 channels of uint8, and 3 others have 1 channel of uint8",
        "name the images as inputs",
    )


@pytest.mark.parametrize(
    ("usual", "other"),
    [("uint8", "bool"), ("uint8", "uint16"), ("uint16", "uint8"), ("bool", "uint8")],
)
def test_an_image_of_another_depth_is_refused_by_name(tmp_path, usual, other):
    for number in range(3):
        plane = np.ones((3, 4), other if number == 1 else usual)
        write(tmp_path / f"{number}.png", plane[None])
    refused(
        DataError,
        tmp_path,
        f"1.png: has 1 channel of {other}",
        f"2 others have 1 channel of {usual}",
    )


def test_of_two_that_differ_both_are_named(tmp_path):
    write(tmp_path / "a.png", np.ones((1, 3, 4), "u1"))
    write(tmp_path / "b.pfm", np.ones((1, 3, 4), "f4"))
    refused(DataError, tmp_path, "b.pfm: has 1 channel of float32, and ", "a.png has 1 channel of")


def test_colour_images_alone_give_three_channels_each(tmp_path):
    stacks = [np.stack([grey(start=10 * k + n) for k in range(3)]) for n in range(2)]
    for number, stack in enumerate(stacks):
        write(tmp_path / f"{number}.png", stack)
    same(read(tmp_path), np.concatenate(stacks))
    assert described(tmp_path).channels == ()


def test_different_images_named_as_inputs_are_stacked(tmp_path):
    write(tmp_path / "a.png", np.full((1, 3, 4), 200, "u1"))
    write(tmp_path / "b.png", np.full((1, 3, 4), 60000, "u2"))
    job = ["apply", "a.png", "b.png", "--kernel", "1 1", "-o", "sum.npy"]
    assert onebyone(*job, cwd=tmp_path).returncode == 0
    assert (np.load(tmp_path / "sum.npy") == 60200).all()


# Palettes


def with_palette(values, bits=8):
    image = Image.frombytes("P", values.shape[::-1], values.tobytes())
    image.putpalette([(i * step) % 256 for i in range(2**bits) for step in (37, 91, 13)])
    return image


@pytest.mark.parametrize(
    ("suffix", "bits"), [("png", 1), ("png", 2), ("png", 4), ("png", 8), ("bmp", 8)]
)
def test_indices_of_a_palette_are_values_where_they_are_asked_for(tmp_path, suffix, bits):
    values = (np.arange(7 * 9) % 2**bits).astype("u1").reshape(7, 9)
    path = tmp_path / f"a.{suffix}"
    with_palette(values, bits).save(path, **({"bits": bits} if suffix == "png" else {}))
    same(read(path, indices=True), values[None])
    refused(DataError, path, "palette", "labels=", "mask=", "as RGB")


def test_labels_and_masks_with_a_palette(tmp_path):
    rng = np.random.default_rng(2)
    labels = np.zeros((24, 20), "u1")
    labels[4:12, 3:10], labels[14:20, 8:18], labels[3, 3:10] = 7, 15, 255
    stack = rng.normal(size=(5, 24, 20)).astype("f4")
    np.save(tmp_path / "x.npy", stack)
    np.save(tmp_path / "labels.npy", labels)
    with_palette(labels).save(tmp_path / "labels.png")
    made = []
    for name in ("labels.npy", "labels.png"):
        fit = ["fit", "x.npy", "--method", "lda", "--labels", name, "-k", "1"]
        assert onebyone(*fit, "-o", f"{name}.npz", cwd=tmp_path).returncode == 0
        shown = onebyone("stats", "x.npy", "--mask", name, cwd=tmp_path)
        assert shown.returncode == 0
        with np.load(tmp_path / f"{name}.npz") as model:
            made.append((model["weight"].tobytes(), shown.stdout))
    assert made[0] == made[1]


# Alpha


@pytest.mark.parametrize("name", ["a.png", "a.bmp"])
def test_alpha_that_is_opaque_everywhere_is_left_out(tmp_path, name):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 10, 4)).astype("u1")
    pixels[..., 3] = 255
    save_with_alpha(tmp_path / name, pixels)
    same(read(tmp_path / name), np.ascontiguousarray(pixels[..., :3].transpose(2, 0, 1)))
    assert about(tmp_path / name).notes == (
        f"alpha left out, which must be opaque everywhere: {name}",
    )


@pytest.mark.parametrize("name", ["a.png", "a.bmp"])
def test_alpha_that_is_not_opaque_is_refused_with_its_extent(tmp_path, name):
    pixels = np.full((8, 10, 4), 255, "u1")
    pixels[2, 3:6, 3] = 0, 254, 128
    save_with_alpha(tmp_path / name, pixels)
    refused(DataError, tmp_path / name, "alpha channel", "not opaque in 3 of 80 pixels")


def save_with_alpha(path, pixels):
    if path.suffix == ".png":
        Image.fromarray(pixels).save(path)
        return
    # 32 bits with a mask of alpha: what Pillow itself would not write.
    height, width = pixels.shape[:2]
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 56, width, -height, 1, 32, 3, pixels.size, 0, 0, 0, 0)
    body = pixels[..., [2, 1, 0, 3]].tobytes()
    path.write_bytes(b"BM" + struct.pack("<IHHI", 70 + len(body), 0, 0, 70) + header + masks + body)


def test_grey_with_opaque_alpha_is_a_channel_among_grey_images(tmp_path):
    Image.fromarray(grey()).save(tmp_path / "0.png")
    Image.fromarray(grey(start=50)).convert("LA").save(tmp_path / "1.png", exif=exif(3))
    same(read(tmp_path), np.stack([grey(), grey(start=50)[::-1, ::-1]]))


def test_sixteen_bits_with_alpha_are_refused_from_the_header(tmp_path):
    for colour, item, word in ((4, 4, "and an alpha"), (6, 8, "per colour")):
        (tmp_path / "a.png").write_bytes(png(2, 1, 16, colour, [b"\xff" * 2 * item]))
        with pytest.raises(DataError, match=word):
            about(tmp_path / "a.png")


# Names


def test_names_and_wavelengths_come_from_file_names(tmp_path):
    for name in ("450nm", "450.25nm", "450.5nm"):
        Image.fromarray(grey()).save(tmp_path / f"{name}.png")
    found = described(tmp_path)
    assert found.channels == ("450nm", "450.25nm", "450.5nm")
    assert found.wavelengths == (450, 450.25, 450.5)
    assert found.wavelength_unit == "nm"
    assert described(tmp_path / "450nm.png").wavelengths == (450,)
    job = ["apply", "450.5nm.png", "450nm.png", "--kernel", "1 0; 0 1", "-o", "out.h5"]
    assert onebyone(*job, cwd=tmp_path).returncode == 0
    (told,) = json.loads(onebyone("info", "--json", "out.h5", cwd=tmp_path).stdout)["paths"]
    assert told["channel_names"] == ["450.5nm", "450nm"]
    assert told["metadata"]["wavelengths"] == [450.5, 450]


def test_an_output_folder_has_the_names_of_its_channels(tmp_path):
    stack = np.stack([grey(start=10 * k) for k in range(3)])
    write(f"{tmp_path}/a/", stack, names=("GFP", "DAPI", "TxRed"))
    assert sorted(os.listdir(tmp_path / "a")) == ["0_GFP.png", "1_DAPI.png", "2_TxRed.png"]
    same(read(tmp_path / "a"), stack)
    assert described(tmp_path / "a").channels == ("GFP", "DAPI", "TxRed")
    select = ["--kernel", "0 1 0; 1 0 0", "--dtype", "uint8"]
    assert onebyone("apply", "a", *select, "-o", "b/", cwd=tmp_path).returncode == 0
    assert sorted(os.listdir(tmp_path / "b")) == ["DAPI.png", "GFP.png"]
    same(read(tmp_path / "b"), stack[[1, 0]])
    assert onebyone("apply", "a", *select, "-o", "b/", cwd=tmp_path).returncode == 73
    assert onebyone("apply", "a", *select, "-o", "b/", "-f", cwd=tmp_path).returncode == 0


def test_an_output_without_names_has_numbers(tmp_path):
    write(f"{tmp_path}/a/", np.stack([grey()] * 2))
    select = ["--kernel", "0 1; 1 0", "--dtype", "uint8"]
    assert onebyone("apply", "a", *select, "-o", "b/", cwd=tmp_path).returncode == 0
    assert sorted(os.listdir(tmp_path / "b")) == ["0.png", "1.png"]
