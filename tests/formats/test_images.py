"""Images as stacks: what goes out comes back, and what would not is refused."""

import os
import struct
import subprocess
import sys
import textwrap
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from image_files import Result, exif, grey, png, png_chunk, read, refused, same, saved, tiff, write
from PIL import Image
from strategies import examples

import onebyone_cli
from onebyone_cli.commit import targets
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import (
    DataError,
    InputMissingError,
    OneByOneError,
    OutputRefusedError,
    ReadWriteError,
    ShapeMismatchError,
    UsageError,
)
from onebyone_cli.formats import load
from onebyone_cli.formats.contracts.reader import Source
from onebyone_cli.formats.contracts.writer import Target
from onebyone_cli.formats.folders.naming import numbered
from onebyone_cli.formats.images import FORMAT
from onebyone_cli.formats.images.kinds import KINDS
from onebyone_cli.spec import StackSpec

FORCE = Publication(force=True)

quick = settings(
    deadline=None,
    max_examples=examples(25),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def run(script, folder, *arguments):
    """Run a script in a process of its own; it must not say anything on standard error."""
    home = str(Path(onebyone_cli.__file__).parents[1])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


# Round trips

PAIRS = [(kind.name, dtype) for kind in KINDS.values() for dtype in kind.dtypes]
EXACT = [pair for pair in PAIRS if pair[0] != "jpeg"]


@st.composite
def stacks(draw, dtype, channels=0):
    count = draw(st.just(channels) if channels else st.integers(1, 12))
    shape = (count, draw(st.integers(1, 5)), draw(st.integers(1, 19)))
    # Drawn by their bits: numbers of 16 bits are drawn too slowly, most being thrown away.
    bits = draw(npst.arrays("uint16", shape)) if dtype == "float16" else None
    return draw(npst.arrays(dtype, shape)) if bits is None else bits.view("float16")


@pytest.mark.parametrize(("kind", "dtype"), EXACT)
@quick
@given(data=st.data())
def test_a_folder_comes_back_as_it_was_written(tmp_path_factory, kind, dtype, data):
    array = data.draw(stacks(dtype))
    folder = tmp_path_factory.mktemp("round") / "out"
    write(f"{folder}/", array, kind=kind)
    same(read(folder), array)
    suffix = KINDS[kind].suffixes[0]
    assert sorted(os.listdir(folder)) == numbered(len(array), suffix)


@pytest.mark.parametrize(("kind", "dtype"), EXACT)
@quick
@given(data=st.data())
def test_a_single_channel_comes_back_from_one_image(tmp_path_factory, kind, dtype, data):
    array = data.draw(stacks(dtype, channels=1))
    file = tmp_path_factory.mktemp("round") / f"out{KINDS[kind].suffixes[-1]}"
    write(file, array)
    same(read(file), array)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".ppm", ".pnm", ".TIFF"])
@quick
@given(data=st.data())
def test_three_channels_come_back_from_one_rgb_image(tmp_path_factory, suffix, data):
    array = data.draw(stacks("uint8", channels=3))
    file = tmp_path_factory.mktemp("round") / f"out{suffix}"
    write(file, array)
    same(read(file), array)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_loses_little(tmp_path, channels):
    y, x = np.mgrid[:40, :60]
    array = np.stack([y + x + 50 * k for k in range(channels)]).astype("uint8")
    write(tmp_path / "out.jpg", array)
    found = read(tmp_path / "out.jpg")
    assert found.shape == array.shape
    assert np.abs(found.astype(int) - array).max() <= 6


def test_images_larger_than_a_piece_come_back(tmp_path):
    rng = np.random.default_rng(1)
    wide = rng.integers(0, 256, (3, 700, 1900), np.uint8)
    write(tmp_path / "out.png", wide)
    same(read(tmp_path / "out.png"), wide)
    deep = rng.random((2, 900, 700)).astype("float32")
    write(f"{tmp_path}/out/", deep)
    same(read(tmp_path / "out"), deep)
    write(tmp_path / "one.pgm", rng.integers(0, 65536, (1, 900, 700)).astype("uint16"))
    assert read(tmp_path / "one.pgm").shape == (1, 900, 700)


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write(f"{tmp_path}/{name}/", grey(30, 40, "uint16")[None], kind="png")
    assert (tmp_path / "a/0.png").read_bytes() == (tmp_path / "b/0.png").read_bytes()


@pytest.mark.parametrize(
    ("dtype", "suffix"),
    [
        ("bool", ".png"),
        ("uint8", ".png"),
        ("uint16", ".png"),
        ("int32", ".tif"),
        ("float32", ".tif"),
    ],
)
def test_a_folder_without_a_kind_gets_one_that_holds_it(tmp_path, dtype, suffix):
    write(f"{tmp_path}/out/", np.ones((2, 3, 4), dtype))
    assert sorted(os.listdir(tmp_path / "out")) == [f"0{suffix}", f"1{suffix}"]


# What is in a folder


def test_a_folder_is_read_in_natural_order(tmp_path):
    names = ["img.png", "img1.png", "IMG2.png", "img10.png", "Z1.png"]
    for value, name in enumerate(names):
        Image.new("L", (2, 1), value).save(tmp_path / name)
    assert read(tmp_path)[:, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_leftovers_of_desktops_and_hidden_files_are_passed_over(tmp_path):
    Image.new("L", (2, 1), 7).save(tmp_path / "a.png")
    for name in (".DS_Store", ".hidden.png", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_text("no image")
    with FORMAT.read(Source(str(tmp_path))) as reader:
        assert reader.spec == StackSpec(1, 1, 2, "uint8")
        assert reader.about.files == (str(tmp_path), f"{tmp_path}/a.png")
        reader.close()


def test_what_is_no_image_is_refused(tmp_path):
    Image.new("L", (2, 1)).save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("hello")
    refused(DataError, tmp_path, "notes.txt", "move it away")


def test_a_folder_in_a_folder_is_refused(tmp_path):
    Image.new("L", (2, 1)).save(tmp_path / "a.png")
    (tmp_path / "more.png").mkdir()
    refused(DataError, tmp_path, "more.png", "folder")


def test_an_empty_folder_is_refused(tmp_path):
    refused(DataError, tmp_path, "without images")


def test_a_pipe_does_not_make_us_wait(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    refused(DataError, tmp_path, "a.png", "not a regular file")


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    refused(InputMissingError, tmp_path / "a.png", "no such file")
    (tmp_path / "b.png").symlink_to("nowhere.png")
    refused(InputMissingError, tmp_path, "b.png")


def test_links_to_files_are_followed(tmp_path):
    (tmp_path / "maps").mkdir()
    Image.new("L", (2, 1), 9).save(tmp_path / "real.png")
    (tmp_path / "maps/link.png").symlink_to("../real.png")
    assert read(tmp_path / "maps").tolist() == [[[9, 9]]]


def test_a_name_without_a_suffix_of_images_is_refused(tmp_path):
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    refused(DataError, tmp_path / "a.gif", "suffix")


def test_sizes_are_compared_before_anything_is_decoded(tmp_path, monkeypatch):
    maps = tmp_path / "maps"
    maps.mkdir()
    for number, size in enumerate([(600, 600), (600, 600), (600, 599), (3, 3)]):
        Image.new("L", size).save(maps / f"img{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(ShapeMismatchError) as caught:
        FORMAT.read(Source("maps"))
    assert str(caught.value) == (
        "maps/img2.png: has 599×600 pixels (height×width) and maps/img0.png has 600×600; "
        "all channels must have the same height and width"
    )


# PNG, BMP, JPEG


def test_sixteen_bit_rgb_png_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(png(2, 1, 16, 2, [bytes(range(12))]))
    refused(DataError, tmp_path / "a.png", "16 bits per colour", "greyscale")


@pytest.mark.parametrize("depth", [2, 4])
def test_png_of_few_bits_is_refused(tmp_path, depth):
    (tmp_path / "a.png").write_bytes(png(2, 1, depth, 0, [b"\x9f"]))
    refused(DataError, tmp_path / "a.png", "2 or 4 bits")


@pytest.mark.parametrize(
    ("mode", "suffix", "word"),
    [
        ("P", ".png", "palette"),
        ("P", ".bmp", "palette"),
        ("P", ".tif", "palette"),
        ("CMYK", ".jpg", "CMYK"),
        ("CMYK", ".tif", "CMYK"),
        ("YCbCr", ".tif", "YCbCr"),
        ("LAB", ".tif", "Lab"),
    ],
)
def test_modes_that_are_no_plain_channels_are_refused(tmp_path, mode, suffix, word):
    image = Image.new("RGB", (4, 3), (200, 30, 10)).convert("HSV" if mode == "HSV" else "RGB")
    image = Image.new("LAB", (4, 3)) if mode == "LAB" else image.convert(mode)
    image.save(tmp_path / f"a{suffix}")
    refused(DataError, tmp_path / f"a{suffix}", word)


def test_an_animated_png_is_refused(tmp_path):
    frames = [Image.new("L", (4, 3), value) for value in (1, 2)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    refused(DataError, tmp_path / "a.png", "animation of 2 frames")


def test_bmp_of_other_depths(tmp_path):
    def bmp(bits, palette, row, colours=0):
        header = struct.pack("<IiiHHIIiiII", 40, 4, 1, 1, bits, 0, 0, 0, 0, colours, 0)
        start = 54 + len(palette)
        head = b"BM" + struct.pack("<IHHI", start + len(row), 0, 0, start)
        (tmp_path / "a.bmp").write_bytes(head + header + palette + row)

    ramp = b"".join(bytes([value] * 3 + [0]) for value in range(256))
    bmp(8, ramp, b"\1\2\3\4")
    same(read(tmp_path / "a.bmp"), np.array([[[1, 2, 3, 4]]], "u1"))
    bmp(32, b"", bytes(range(16)))
    same(read(tmp_path / "a.bmp")[:, 0, 0], np.array([2, 1, 0], "u1"))
    for bits, palette, colours in ((4, ramp[:64], 16), (8, ramp[:4] + ramp[-4:], 2), (16, b"", 0)):
        bmp(bits, palette, bytes(8), colours)
        refused(DataError, tmp_path / "a.bmp", f"{bits} bits")


def test_a_greyscale_jpeg_gives_one_channel(tmp_path):
    Image.new("L", (20, 10), 77).save(tmp_path / "a.jpeg", progressive=True)
    assert read(tmp_path / "a.jpeg").tolist() == [[[77] * 20] * 10]


# PGM, PPM, PFM


@pytest.mark.parametrize("largest", [1, 100, 255, 256, 4095, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_binary_pgm_and_ppm_are_read_as_stored(tmp_path, largest, channels):
    dtype = np.dtype("u1" if largest < 256 else ">u2")
    pixels = np.linspace(0, largest, 12 * channels).astype(dtype).reshape(3, 4, channels)
    head = b"P%d\n# made by hand\n4 3\n%d\n" % (5 if channels == 1 else 6, largest)
    (tmp_path / "a.pnm").write_bytes(head + pixels.tobytes())
    same(read(tmp_path / "a.pnm"), pixels.transpose(2, 0, 1).astype(dtype.newbyteorder("<")))


@pytest.mark.parametrize(
    ("text", "values", "dtype"),
    [
        (b"P2 4 1 255\n0 1 128 255\n", [0, 1, 128, 255], "u1"),
        (b"P2 4 1 65535\n0 1 128 65535\n", [0, 1, 128, 65535], "u2"),
        (b"P1 4 1\n0 1 1 0\n", [1, 0, 0, 1], "?"),
    ],
)
def test_ascii_images_of_full_range_are_read(tmp_path, text, values, dtype):
    (tmp_path / "a.pgm").write_bytes(text)
    same(read(tmp_path / "a.pgm"), np.array([[values]], dtype))


def test_every_value_of_ascii_images_is_exact(tmp_path):
    for largest in (255, 65535):
        values = b" ".join(b"%d" % value for value in range(largest + 1))
        (tmp_path / "a.pgm").write_bytes(b"P2 %d 1 %d\n" % (largest + 1, largest) + values)
        assert read(tmp_path / "a.pgm").ravel().tolist() == list(range(largest + 1))


def test_pgm_of_another_length_is_refused(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 4 3 255\n" + bytes(11))
    refused(DataError, tmp_path / "a.pgm", "truncated")
    (tmp_path / "a.pgm").write_bytes(b"P5 4 3 255\n" + bytes(13))
    refused(DataError, tmp_path / "a.pgm", "has something else after image 0")


@pytest.mark.parametrize("order", ["<", ">"])
def test_pfm_is_read_from_the_bottom_up_in_either_byte_order(tmp_path, order):
    rows = np.array([[1.5, -2], [3, 4]], "f4")
    scale = b"-1.0" if order == "<" else b"1.0"
    data = rows[::-1].astype(order + "f4").tobytes()
    (tmp_path / "a.pfm").write_bytes(b"Pf\n2 2\n" + scale + b"\n" + data)
    same(read(tmp_path / "a.pfm"), rows[None])


# Hostile and damaged files


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        ("a.png", b"hello, world\n", "not a PNG file"),
        ("a.png", b"", "not a PNG file"),
        ("a.png", saved(Image.new("L", (4, 3)), "JPEG"), "JPEG"),
        ("a.jpg", saved(Image.new("L", (4, 3)), "PNG"), "PNG"),
        ("a.jpg", saved(Image.new("L", (4, 3)), "GIF"), "GIF"),
        ("a.bmp", b"P5 1 1 255\n\0", "PPM"),
    ],
)
def test_content_that_is_not_what_the_name_says_is_refused(tmp_path, name, content, word):
    (tmp_path / name).write_bytes(content)
    refused(DataError, tmp_path / name, word, "PNG" if word.startswith("not") else "the suffix of")


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", saved(NOISE, "PNG")),
        ("a.tif", saved(NOISE, "TIFF")),
        ("a.jpg", saved(NOISE, "JPEG")),
        ("a.bmp", saved(NOISE, "BMP")),
        ("a.pgm", saved(NOISE, "PPM")),
        ("a.pfm", saved(NOISE.convert("F"), "PPM")),
    ],
)
def test_truncated_images_are_refused(tmp_path, name, content):
    for size in (len(content) // 2, len(content) - 300, 20, 11):
        (tmp_path / name).write_bytes(content[:size])
        refused(DataError, tmp_path / name, name)


def test_a_damaged_png_is_refused_although_pillow_would_read_it(tmp_path):
    content = bytearray(png(4, 3, 8, 0, [b"abcd"] * 3))
    content[-17] ^= 1
    (tmp_path / "a.png").write_bytes(content)
    refused(DataError, tmp_path / "a.png", "checksum")


def test_a_png_without_pixels_is_refused(tmp_path):
    header = struct.pack(">IIBBBBB", 4, 3, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    (tmp_path / "a.png").write_bytes(start + png_chunk(b"IEND"))
    refused(DataError, tmp_path / "a.png")


def test_images_that_do_not_fit_in_memory_are_refused_from_their_header(tmp_path):
    (tmp_path / "a.png").write_bytes(png(100_000, 100_000, 8, 0, [b"ab"]))
    refused(UsageError, tmp_path / "a.png", "100000×100000", "memory=", "GiB")
    Image.new("RGB", (300, 200)).save(tmp_path / "a.png")
    refused(UsageError, tmp_path / "a.png", "memory=", memory=4 * 300 * 200)


def test_pillows_own_limit_neither_warns_nor_refuses(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for suffix in (".png", ".tif", ".bmp"):
        write(tmp_path / f"a{suffix}", grey(50, 60)[None])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            same(read(tmp_path / f"a{suffix}"), grey(50, 60)[None])
    assert Image.MAX_IMAGE_PIXELS == 10


def test_buffer_bytes_are_enough(tmp_path):
    array = np.zeros((1, 1500, 4000), "uint8")
    write(tmp_path / "a.png", array)
    script = f"""
        import resource
        import numpy, PIL.PngImagePlugin
        from onebyone_cli.formats.contracts.reader import Source
        from onebyone_cli.formats.images import FORMAT
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        reader = FORMAT.read(Source({str(tmp_path / "a.png")!r}))
        before = peak()
        reader.drain(lambda data: None)
        print(peak() - before, reader.buffer_bytes)
    """
    taken, promised = map(int, run(script, tmp_path).split())
    assert taken <= promised + (2 << 20)
    assert promised < 3 * array.nbytes


@pytest.mark.parametrize("change", ["touched", "gone", "resized"])
def test_files_that_change_after_their_header_was_read_are_noticed(tmp_path, change):
    for name in ("a.png", "b.png"):
        Image.new("L", (20, 10), 5).save(tmp_path / name)
    reader = FORMAT.read(Source(str(tmp_path)))
    path = tmp_path / "b.png"
    if change == "touched":
        os.utime(path, ns=(1, 1))
    else:
        path.unlink()
        if change == "resized":
            Image.new("L", (30, 10)).save(path)
    with pytest.raises(ReadWriteError, match=r"b\.png"):
        reader.drain(lambda data: None)


def test_errors_of_the_receiver_are_left_alone(tmp_path):
    Image.new("L", (20, 10), 5).save(tmp_path / "a.png")

    def full(data):
        raise ReadWriteError("disk full", "spool")

    with pytest.raises(ReadWriteError, match="spool: disk full"):
        FORMAT.read(Source(str(tmp_path / "a.png"))).drain(full)


SMALL = {
    "a.png": saved(NOISE.crop((0, 0, 9, 7)), "PNG"),
    "b.png": png(3, 2, 16, 0, [bytes(6)] * 2, png_chunk(b"tEXt", b"a\0b")),
    "c.png": saved(Image.new("RGBA", (5, 3), (1, 2, 3, 255)), "PNG", exif=exif(6)),
    "a.tif": saved(NOISE.crop((0, 0, 9, 7)), "TIFF"),
    "b.tif": saved(NOISE.crop((0, 0, 9, 7)).convert("F"), "TIFF", compression="tiff_lzw"),
    "c.tif": tiff(grey(), grey(dtype="uint16"), order="MM"),
    "a.bmp": saved(NOISE.crop((0, 0, 9, 7)), "BMP"),
    "b.bmp": saved(Image.new("RGB", (5, 3), (1, 2, 3)), "BMP"),
    "a.jpg": saved(NOISE.crop((0, 0, 9, 7)), "JPEG"),
    "a.pgm": saved(NOISE.crop((0, 0, 9, 7)), "PPM"),
    "b.pgm": b"P2 4 1 255\n0 1 128 255\n",
    "a.pfm": saved(NOISE.crop((0, 0, 9, 7)).convert("F"), "PPM"),
}


@pytest.mark.parametrize("name", SMALL)
@settings(deadline=None, max_examples=examples(120), suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_mutated_images_are_read_or_refused(tmp_path_factory, name, data):
    content = bytearray(SMALL[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        how = data.draw(st.sampled_from(["set", "cut", "insert"]))
        value = data.draw(st.integers(0, 255) | st.sampled_from([0, 1, 127, 128, 255]))
        if how == "set":
            content[at] = value
        elif how == "insert":
            content[at:at] = bytes([value]) * data.draw(st.integers(1, 8))
        elif at:
            del content[at:]
    if name.endswith(".png"):
        content = mended(bytes(content))
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(content)
    with suppress(OneByOneError):
        read(path, memory=1 << 24)


def mended(content):
    """Make the check sums of a PNG right, so that mutations get past them."""
    out, at = content[:8], 8
    while at + 12 <= len(content):
        (size,) = struct.unpack_from(">I", content, at)
        if at + 12 + size > len(content):
            break
        out += png_chunk(content[at + 4 : at + 8], content[at + 8 : at + 8 + size])
        at += 12 + size
    return out + content[at:]


# What can't be written


@pytest.mark.parametrize(
    ("path", "kind", "dtype", "channels", "words"),
    [
        ("o/", "png", "float32", 2, "png can't hold float32; use dtype=uint8 or uint16 with "
         "scale=auto, or format=tiff"),
        ("o/", "jpeg", "uint16", 2, "dtype=uint8 with scale=auto, or format=png"),
        ("o/", "pfm", "uint8", 2, "dtype=float32, or format=png"),
        ("o/", "ppm", "uint8", 3, "format=pgm"),
        ("o.png", "", "float32", 1, "scale=auto, or name it .tif"),
        ("o.png", "", "uint8", 2, "end the name with /"),
        ("o.png", "", "uint16", 3, "1 channel, or 3 of uint8, the result has 3 of uint16"),
        ("o.pgm", "", "uint8", 3, "one pgm image holds 1 channel"),
        ("o.ppm", "", "uint8", 1, "name it .pgm"),
        ("o.png", "tiff", "uint8", 1, "change one of them"),
        ("o", "", "uint8", 1, "no suffix"),
        ("-", "png", "uint8", 1, "stream"),
        ("/dev/null", "png", "uint8", 1, "stream"),
    ],
)  # fmt: skip
def test_what_images_cannot_hold_is_refused(
    tmp_path, monkeypatch, path, kind, dtype, channels, words
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        Target(path, FORMAT.write, kind=kind).make_writer(StackSpec(channels, 3, 4, dtype))
    assert words in str(caught.value)
    assert os.listdir() == []


def test_a_batch_is_a_folder_with_an_image_for_each_stack(tmp_path):
    batch = np.random.default_rng(0).integers(0, 256, (11, 3, 4, 5), np.uint8)
    write(f"{tmp_path}/colour/", batch)
    assert sorted(os.listdir(tmp_path / "colour")) == [f"{at:02}.png" for at in range(11)]
    for at in range(11):
        with Image.open(tmp_path / f"colour/{at:02}.png") as image:
            np.testing.assert_array_equal(np.asarray(image).transpose(2, 0, 1), batch[at])
    grey = batch[:4, :1].reshape(2, 2, 1, 4, 5)
    write(f"{tmp_path}/grey/", grey, kind="bmp")
    assert sorted(os.listdir(tmp_path / "grey")) == ["0.bmp", "1.bmp", "2.bmp", "3.bmp"]
    np.testing.assert_array_equal(read(f"{tmp_path}/grey/"), batch[:4, 0])
    write(f"{tmp_path}/grey/", grey, kind="bmp", publication=FORCE)


@pytest.mark.parametrize(
    ("path", "channels", "dtype", "words"),
    [
        ("o.png", 3, "uint8", "end the name with /"),
        ("o/", 2, "uint8", "1 channel, or 3 of uint8, the result has 2 of uint8"),
        ("o/", 3, "uint16", "dtype=uint8"),
    ],
)
def test_images_that_cannot_hold_a_stack_of_a_batch_are_refused(
    tmp_path, monkeypatch, path, channels, dtype, words
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        Target(path, FORMAT.write).make_writer(StackSpec(channels, 3, 4, dtype, (2,)))
    assert os.listdir() == []


@pytest.mark.parametrize("count", [1, 2])
def test_a_batch_of_one_is_written_like_others(tmp_path, count):
    batch = np.random.default_rng(0).integers(0, 256, (count, 3, 4, 5), np.uint8)
    write(f"{tmp_path}/o/", batch)
    assert sorted(os.listdir(tmp_path / "o")) == [f"{at}.png" for at in range(count)]
    with Image.open(tmp_path / "o/0.png") as image:
        np.testing.assert_array_equal(np.asarray(image).transpose(2, 0, 1), batch[0])


def test_a_batch_of_one_that_an_image_cannot_hold_is_one_stack(tmp_path):
    batch = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 5), np.uint8)
    write(f"{tmp_path}/o/", batch)
    same(read(f"{tmp_path}/o/"), batch[0])
    assert len(os.listdir(tmp_path / "o")) == 4


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_stack_of_a_batch_becomes_a_tiff_of_any_channels(tmp_path, channels):
    batch = np.random.default_rng(channels).normal(size=(3, channels, 4, 5))
    write(f"{tmp_path}/o/", batch, kind="tiff")
    assert sorted(os.listdir(tmp_path / "o")) == ["0.tif", "1.tif", "2.tif"]
    for item, stack in enumerate(batch):
        np.testing.assert_array_equal(read(f"{tmp_path}/o/{item}.tif"), stack)


def test_vast_images_are_refused(tmp_path):
    out = f"{tmp_path}/o/"
    with pytest.raises(UsageError, match="more than a jpeg"):
        Target(out, FORMAT.write, kind="jpeg").make_writer(StackSpec(1, 3, 65501, "uint8"))
    with pytest.raises(UsageError, match="more than a pfm"):
        Target(out, FORMAT.write, kind="pfm").make_writer(StackSpec(1, 40000, 40000, "float32"))


def test_a_disk_without_room_is_noticed_beforehand(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(targets, "check_space", lambda path, needed: asked.append((path, needed)))
    Target(f"{tmp_path}/o/", FORMAT.write).make_writer(StackSpec(5, 100, 10, "float32"))
    assert asked[-1] == (f"{tmp_path}/o", 5 * (4000 + 1024))


# What must not be replaced


def test_a_folder_of_ours_is_replaced_with_force_only(tmp_path):
    out = f"{tmp_path}/o/"
    write(out, grey()[None].repeat(12, 0), kind="tiff")
    with pytest.raises(OutputRefusedError, match="force="):
        Target(out, FORMAT.write).make_writer(StackSpec(1, 3, 4, "uint8"))
    write(out, grey()[None], publication=FORCE)
    assert os.listdir(tmp_path) == ["o"]
    assert os.listdir(out) == ["0.png"]


@pytest.mark.parametrize("force", [False, True])
def test_an_empty_folder_is_filled(tmp_path, force):
    (tmp_path / "o").mkdir()
    write(f"{tmp_path}/o/", grey()[None], publication=Publication(force=force))
    assert os.listdir(tmp_path / "o") == ["0.png"]


@pytest.mark.parametrize(
    ("names", "stranger"),
    [
        (["0.png", "1.png", "notes.txt"], "notes.txt"),
        (["0.png", ".hidden"], ".hidden"),
        (["1.png", "2.png"], "2.png"),
        (["0.png", "1.tif"], "1.tif"),
        (["0.png", "01.png"], "01.png"),
        (["holiday.png"], "holiday.png"),
        (["0"], "0"),
        (["0.tiff"], "0.tiff"),
        (["0.png", "1.png/"], "1.png"),
        ([*numbered(11, ".png"), "0.png"], "0.png"),
    ],
)
def test_strangers_in_a_folder_are_not_lost(tmp_path, names, stranger):
    folder = tmp_path / "o"
    folder.mkdir()
    for name in names:
        (folder / name).mkdir() if name.endswith("/") else (folder / name).touch()
    with pytest.raises(OutputRefusedError, match=f"holds {stranger},"):
        Target(f"{folder}/", FORMAT.write, publication=FORCE).make_writer(
            StackSpec(2, 3, 4, "uint8")
        )
    assert len(os.listdir(folder)) == len(names)


def test_a_link_among_our_names_is_a_stranger(tmp_path):
    (tmp_path / "o").mkdir()
    (tmp_path / "o/0.png").symlink_to("../elsewhere.png")
    with pytest.raises(OutputRefusedError, match=r"holds 0\.png"):
        Target(f"{tmp_path}/o/", FORMAT.write, publication=FORCE).make_writer(
            StackSpec(1, 3, 4, "uint8")
        )


def test_what_appears_in_the_folder_meanwhile_is_not_lost(tmp_path):
    out = f"{tmp_path}/o/"
    write(out, grey()[None])
    result = Result(grey()[None])
    with Target(out, FORMAT.write, publication=FORCE).make_writer(result.spec) as writer:
        writer.fill(result, lambda done: None)
        Path(out, "thesis.txt").write_text("years of work")
        with pytest.raises(OutputRefusedError, match=r"thesis\.txt"):
            writer.commit()
    assert sorted(os.listdir(out)) == ["0.png", "thesis.txt"]
    assert os.listdir(tmp_path) == ["o"]


def test_a_file_in_place_of_the_folder_is_kept(tmp_path):
    (tmp_path / "o").write_text("mine")
    with pytest.raises(OutputRefusedError, match="is a file"):
        Target(f"{tmp_path}/o/", FORMAT.write, publication=FORCE).make_writer(
            StackSpec(1, 3, 4, "uint8")
        )


@pytest.mark.parametrize("path", ["o/", "o.png"])
def test_without_commit_nothing_is_left(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    result = Result(grey()[None])
    writer = Target(path, FORMAT.write).make_writer(result.spec)
    assert os.listdir() == []
    writer.discard()
    with writer:
        writer.fill(result, lambda done: None)
        assert len(os.listdir()) == 1
    assert os.listdir() == []


@pytest.mark.parametrize("path", ["o/", "o.png", "o.jpg", "o.bmp"])
def test_a_full_disk_is_told_and_nothing_is_left(tmp_path, path):
    script = """
        import resource, sys
        import numpy as np
        from onebyone_cli.errors import ReadWriteError
        from onebyone_cli.formats.contracts.writer import Target
        from onebyone_cli.formats.images import FORMAT
        from onebyone_cli.spec import StackSpec
        noise = np.random.default_rng(0).integers(0, 256, (600, 600), np.uint8)
        class Result:
            def rows(self, item, channel, start, stop):
                return noise[start:stop]
        resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, 70_000))
        SPEC = StackSpec(1, 600, 600, "uint8")
        try:
            with FORMAT.write(Target(sys.argv[1], FORMAT.write), SPEC) as writer:
                writer.fill(Result(), lambda done: None)
                writer.commit()
        except ReadWriteError as error:
            print(error)
    """
    assert "writing failed: File too large" in run(script, tmp_path, path)
    assert os.listdir(tmp_path) == []


def test_the_registry_has_images():
    assert load("images") is FORMAT
    assert set(FORMAT.suffixes) == {".png", ".jpg", ".jpeg", ".bmp"}
    assert FORMAT.kinds == ("png", "jpeg", "bmp")
    assert tuple(dict(FORMAT.folder_kinds)) == ("png", "tiff", "jpeg", "bmp", "pgm", "ppm", "pfm")
