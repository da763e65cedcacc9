"""TIFF files of others as stacks, and ours as others read them."""

import contextlib
import io
import json
import struct

import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from image_files import format_of, grey, read, refused, same, saved, tiff
from PIL import Image
from strategies import new_folder, numbers_of, seeds

from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import (
    DataError,
    DependencyMissingError,
    OneByOneError,
    ShapeMismatchError,
    UsageError,
)
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.metadata import Attribute, Georeference, Metadata
from onebyone_cli.formats.contracts.reader import Reader, Source
from onebyone_cli.formats.contracts.writer import Storage, Writer
from onebyone_cli.formats.tiff import FORMAT, codecs, writers
from onebyone_cli.formats.tiff import file as tiff_file
from onebyone_cli.plan.tiles import iter_slabs
from onebyone_cli.spec import ITEM_BYTES, Slab, StackSpec
from onebyone_cli.stack.spool import Spool

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

#: rasterio's, of any file without a georeference.
pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

#: Types, by what tifffile calls them.
TYPES = [dtype for dtype in ITEM_BYTES if dtype != "bool"]

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), "u1"))


def about(path, **options):
    with FORMAT.read(Source(str(path), **options)) as reader:
        return reader.about


def save(path, stack, metadata=None, **options):
    """Write a stack with metadata; options are those of `make_target`."""
    *batch, c, h, w = stack.shape
    spec = StackSpec(c, h, w, stack.dtype.name, tuple(batch))
    target = opening.make_target(str(path), **options)
    with target.make_writer(spec, lambda: metadata or Metadata()) as writer:
        items = np.ascontiguousarray(stack).reshape(spec.items, c, -1)
        with Spool(spec.data_bytes, in_memory=True) as spool:
            laid = writer if isinstance(writer, Writer) else spool.writer(spec)
            for slab in iter_slabs(spec, 1, spec.pixels):
                part = items[slab.item : slab.item + slab.items, :, slab.start : slab.stop]
                laid.write(slab, np.ascontiguousarray(part))
            if not isinstance(writer, Writer):
                writer.fill(spool.planes(spec), lambda done: None)
        writer.commit()


def equal(found, expected):
    """The same numbers, whatever the order of bytes."""
    same(found, expected.astype(expected.dtype.newbyteorder("=")))


# Files of others


@st.composite
def written(draw):
    """Pixels, and how tifffile is to store them."""
    sides = st.integers(1, 40)
    shape = (draw(st.integers(2, 5)), draw(sides), draw(sides))
    dtype = draw(st.sampled_from(TYPES))
    compression = draw(st.sampled_from([None, "deflate", "lzw", "zstd", "packbits", "lzma"]))
    how = {"compression": compression, "photometric": "minisblack", "metadata": None}
    if compression in ("deflate", "lzw", "zstd"):
        how["predictor"] = draw(st.sampled_from([1, 3 if dtype.startswith("f") else 2]))
    if draw(st.booleans()):
        how["tile"] = (16 * draw(st.integers(1, 3)), 16 * draw(st.integers(1, 3)))
    else:
        how["rowsperstrip"] = draw(st.integers(1, shape[1]))
    file = {"byteorder": draw(st.sampled_from("<>")), "bigtiff": draw(st.booleans())}
    stack = numbers_of(draw(seeds), StackSpec(*shape, dtype))
    return stack, draw(st.sampled_from(["pages", "contig", "separate"])), file, how


@given(written())
def test_files_of_tifffile_have_the_same_pixels(case):
    stack, order, file, how = case
    with new_folder() as folder:
        path = folder / "a.tif"
        with tifffile.TiffWriter(path, **file) as writer:
            if order == "pages":
                for page in stack:
                    writer.write(page, contiguous=False, **how)
            elif order == "contig":
                writer.write(
                    np.ascontiguousarray(np.moveaxis(stack, 0, -1)), planarconfig=order, **how
                )
            else:
                writer.write(stack, planarconfig=order, **how)
        same(read(path), stack)


@given(
    st.data(),
    seeds,
    st.sampled_from(["NONE", "DEFLATE", "LZW", "ZSTD", "PACKBITS", "LZMA", "LERC", "LERC_ZSTD"]),
)
def test_files_of_gdal_have_the_same_pixels(data, seed, compress):
    rasterio = pytest.importorskip("rasterio")
    dtype = data.draw(st.sampled_from(["uint8", "int16", "uint16", "int32", "float32", "float64"]))
    spec = StackSpec(data.draw(st.integers(1, 4)), data.draw(st.integers(2, 40)), 37, dtype)
    stack = np.random.default_rng(seed).integers(0, 100, spec.shape).astype(dtype)
    profile = {"compress": compress, "interleave": data.draw(st.sampled_from(["pixel", "band"]))}
    if data.draw(st.booleans()):
        profile |= {"tiled": True, "blockxsize": 32, "blockysize": 16}
    if data.draw(st.booleans()):
        profile["endianness"] = "BIG"
    if compress == "DEFLATE" and dtype in ("uint8", "uint16") and data.draw(st.booleans()):
        profile["nbits"] = data.draw(st.integers(7, 8 if dtype == "uint8" else 16))
    with new_folder() as folder:
        path = folder / "a.tif"
        shape = {"count": spec.channels, "height": spec.height, "width": spec.width}
        with rasterio.open(path, "w", driver="GTiff", dtype=dtype, **shape, **profile) as file:
            file.write(stack)
        same(read(path), stack)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "packbits", "jpeg", "group3", "group4"])
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16", "F"])
def test_files_of_pillow_have_the_same_pixels(tmp_path, mode, compression, monkeypatch):
    image = NOISE.convert("L" if mode == "I;16" else mode).convert(mode)
    try:
        content = saved(image, "TIFF", compression=compression)
    except (OSError, RuntimeError, ValueError):
        pytest.skip("Pillow does not write it")
    (tmp_path / "a.tif").write_bytes(content)
    pixels = np.asarray(Image.open(io.BytesIO(content)))
    if mode == "1":  # Pillow's bools have bytes of 255
        pixels = pixels != 0
    expected = np.moveaxis(pixels, -1, 0) if mode == "RGB" else pixels[None]
    same(read(tmp_path / "a.tif"), expected)
    monkeypatch.setattr(codecs, "has_codec", lambda name: False)
    if compression in ("raw", "packbits"):
        same(read(tmp_path / "a.tif"), expected)
    else:
        refused(DependencyMissingError, tmp_path / "a.tif", "pip install 'onebyone-cli[tiff]'")


@pytest.mark.parametrize("bits", [2, 4, 6, 10, 12, 14])
def test_numbers_of_odd_sizes(tmp_path, bits):
    rows = np.random.default_rng(0).integers(0, 1 << bits, (5, 7))
    packed = np.unpackbits(rows.astype(">u2").view("u1").reshape(5, 7, 2), axis=-1)[..., -bits:]
    content = bytearray(tiff(np.packbits(packed.reshape(5, -1), axis=1), _256=7, _258=bits))
    (tmp_path / "a.tif").write_bytes(content)
    same(read(tmp_path / "a.tif")[0], rows.astype("u1" if bits <= 8 else "u2"))
    assert about(tmp_path / "a.tif").notes[0].startswith(f"numbers of {bits} bits")


@pytest.mark.parametrize(
    ("dtype", "nodata", "number"),
    [
        *(("u1", "", 0), ("u1", "5", 5), ("u1", "-9999", 0), ("u1", "300", 0), ("u1", "nan", 0)),
        *(("u2", "5.5", 0), ("i2", "-9999", -9999), ("u8", str(2**64 - 1), 2**64 - 1)),
        *(("f4", "-9999", -9999), ("f4", "nan", np.nan), ("f8", "0.1", 0.1), ("f8", "inf", np.inf)),
    ],
)
def test_what_was_never_written_is_nodata_or_0(tmp_path, dtype, nodata, number):
    said = [(42113, "s", 0, nodata, True)] if nodata else []
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((16, 16), dtype), tile=(16, 16), metadata=None, extratags=said)
    with tifffile.TiffFile(path, mode="r+") as file:
        for tag in (324, 325):
            file.pages[0].tags[tag].overwrite(0)
    same(read(path), np.full((1, 16, 16), number, dtype))
    rasterio = pytest.importorskip("rasterio")
    with rasterio.open(path) as file:
        if file.nodata == number or not nodata:
            same(file.read(), np.full((1, 16, 16), number, dtype))


#: What turns a picture of each orientation upright.
UPRIGHT = dict(
    enumerate(
        (
            *(Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180),
            *(Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.TRANSPOSE),
            *(Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90),
        ),
        2,
    )
)


@pytest.mark.parametrize("number", UPRIGHT)
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_pages_are_read_upright(tmp_path, number, compression):
    image = NOISE.convert("L").crop((0, 0, 9, 5))
    image.save(tmp_path / "a.tif", tiffinfo={274: number}, compression=compression)
    same(read(tmp_path / "a.tif")[0], np.asarray(image.transpose(UPRIGHT[number])))
    assert about(tmp_path / "a.tif").notes[0].startswith(f"orientation {number}: ")


def test_palettes_are_values_in_maps_only(tmp_path):
    labels = grey(6, 7)
    image = Image.fromarray(labels).convert("P")
    image.save(tmp_path / "a.tif")
    refused(DataError, tmp_path / "a.tif", "palette", "labels")
    with Image.open(tmp_path / "a.tif") as opened:
        same(read(tmp_path / "a.tif", indices=True)[0], np.asarray(opened))


# Kinds of samples and pages


def test_samples_of_all_arrangements_are_channels(tmp_path):
    five = np.random.default_rng(0).integers(0, 900, (5, 32, 40)).astype("u2")
    last = {"photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(five, 0, -1), planarconfig="contig", **last)
    tifffile.imwrite(tmp_path / "b.tif", five, planarconfig="separate", **last)
    tifffile.imwrite(tmp_path / "c.tif", five[:2], planarconfig="separate", **last)
    rgbn = np.moveaxis(five[:4], 0, -1).astype("u1")
    tifffile.imwrite(tmp_path / "d.tif", rgbn, photometric="rgb", extrasamples=["unspecified"])
    tifffile.imwrite(tmp_path / "e.tif", rgbn, photometric="rgb", extrasamples=["unassalpha"])
    same(read(tmp_path / "a.tif"), five)
    same(read(tmp_path / "b.tif"), five)
    same(read(tmp_path / "c.tif"), five[:2])
    same(read(tmp_path / "d.tif"), five[:4].astype("u1"))
    # GDAL marks any fourth band of uint8 as alpha.
    same(read(tmp_path / "e.tif"), five[:4].astype("u1"))
    assert about(tmp_path / "e.tif").notes == (
        "the last of 4 samples is marked as alpha; it is a channel",
    )


def masked_file(path, image, mask):
    """Write a file with an overview and an internal mask, as GDAL does."""
    with tifffile.TiffWriter(path) as writer:
        writer.write(image, photometric="minisblack")
        writer.write(image[::2, ::2], photometric="minisblack", subfiletype=1)
        writer.write(mask, photometric="minisblack", subfiletype=2, compression="deflate")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[2].tags[254].overwrite(4)
        file.pages[2].tags[262].overwrite(4)


def test_overviews_and_masks_are_no_channels(tmp_path):
    image = np.arange(64 * 80, dtype="u2").reshape(64, 80)
    mask = np.full(image.shape, 255, "u1")
    mask[:, :10] = 0
    path = tmp_path / "a.tif"
    masked_file(path, image, mask)
    same(read(path), image[None])
    (opens,) = about(path).masks
    with opens() as reader:
        found = np.empty((1, 1, image.size), "u1")
        reader.read(Slab(0, 1, 0, image.size), found, np.empty(reader.scratch_bytes, "u1"))
    same(found.reshape(image.shape), mask)


def test_masks_of_files_are_used(tmp_path):
    rng = np.random.default_rng(1)
    images = rng.integers(1, 900, (2, 300, 400)).astype("u2")
    masks = (rng.random((3, 300, 400)) < 0.9).astype("u1") * 255
    (tmp_path / "f").mkdir()
    for at, image in enumerate(images):
        masked_file(tmp_path / "f" / f"B{at}.tif", image, masks[at])
    np.save(tmp_path / "m.npy", masks[2])
    for option, used in (((), masks[:2]), (("--mask", "m.npy"), masks)):
        valid = (used != 0).all(axis=0)
        job = ["apply", "f", "--kernel", "1 1", "-o", "o.npy", "--force", *option]
        assert onebyone(*job, cwd=tmp_path).returncode == 0
        expected = np.where(valid, images.sum(axis=0), np.nan)
        assert np.array_equal(np.load(tmp_path / "o.npy")[0], expected, equal_nan=True)
        told = json.loads(onebyone("stats", "f", "--json", *option, cwd=tmp_path).stdout)
        assert {channel["valid"] for channel in told["channels"]} == {valid.sum()}
    job = ["apply", "f", "--kernel", "1 1", "--nodata", "none", "-o", "all.npy"]
    assert onebyone(*job, cwd=tmp_path).returncode == 0
    assert np.array_equal(np.load(tmp_path / "all.npy")[0], images.sum(axis=0))


def test_each_stack_that_is_compared_has_its_own_mask(tmp_path):
    image = np.arange(64 * 80, dtype="u2").reshape(64, 80)
    masks = [np.full(image.shape, 255, "u1") for _ in range(2)]
    masks[0][:, :10] = 0
    masks[1][:5] = 0
    for name, mask in zip("ab", masks, strict=True):
        masked_file(tmp_path / f"{name}.tif", image, mask)
    np.save(tmp_path / "m.npy", np.arange(64)[:, np.newaxis] * np.ones((1, 80)) < 60)
    for option, left in (((), 64), (("--mask", "m.npy"), 60)):
        done = onebyone("compare", "a.tif", "b.tif", "--json", *option, cwd=tmp_path)
        out = 80 * (64 - left)
        told = json.loads(done.stdout)["invalid_pixels"]
        assert told == {"a": 10 * left + out, "b": 5 * 80 + out}
        assert done.returncode == 1
    same = onebyone("compare", "a.tif", "a.tif", "--json", cwd=tmp_path)
    assert same.returncode == 0


def test_view_shows_what_masks_of_files_leave_out(tmp_path):
    mask = np.full((64, 80), 255, "u1")
    mask[:, :10] = 0
    masked_file(tmp_path / "own.tif", np.arange(64 * 80, dtype="u2").reshape(64, 80), mask)
    job = ["view", "own.tif", "--channel", "0", "-o", "own.png", "--size", "80"]
    assert onebyone(*job, cwd=tmp_path).returncode == 0
    with Image.open(tmp_path / "own.png") as picture:
        colours = np.asarray(picture.convert("RGB"), int)
    grey_levels = (colours == colours[..., :1]).all(axis=-1)
    assert not grey_levels[:, :10].any()
    assert grey_levels[:, 10:].all()


def test_pages_are_channels(tmp_path):
    pages = [grey(start=20 * k, dtype="uint16") for k in range(5)]
    (tmp_path / "a.tif").write_bytes(tiff(*pages))
    same(read(tmp_path / "a.tif"), np.stack(pages))
    frames = [Image.fromarray(np.stack([page] * 3, -1).astype("u1")) for page in pages]
    frames[0].save(
        tmp_path / "b.tif", save_all=True, append_images=frames[1:], compression="tiff_lzw"
    )
    same(read(tmp_path / "b.tif"), np.repeat(np.stack(pages).astype("u1"), 3, axis=0))


def test_pages_with_the_same_numbers(tmp_path):
    """Their planes are at the same offset."""
    content = bytearray(tiff(grey(), grey(start=50)))
    (first,) = struct.unpack_from("<I", content, 4)
    offsets = [
        at for at in range(first, len(content) - 12) if content[at : at + 4] == b"\x11\1\4\0"
    ]
    content[offsets[1] + 8 : offsets[1] + 12] = content[offsets[0] + 8 : offsets[0] + 12]
    (tmp_path / "a.tif").write_bytes(content)
    same(read(tmp_path / "a.tif"), np.stack([grey(), grey()]))


# Axes


ZC = np.random.default_rng(0).integers(0, 900, (4, 2, 12, 20)).astype("u2")


@pytest.mark.parametrize(
    ("how", "axes"),
    [
        ({"imagej": True, "metadata": {"axes": "ZCYX"}}, "ZCHW"),
        ({"ome": True, "metadata": {"axes": "ZCYX"}}, "ZCHW"),
        ({"metadata": {"axes": "ZCYX"}}, "ZCHW"),
        ({}, "NCHW"),
        ({"ome": True, "metadata": {"axes": "ZCYX"}, "compression": "lzw"}, "ZCHW"),
    ],
)
def test_axes_that_files_label_are_believed(tmp_path, how, axes):
    tifffile.imwrite(tmp_path / "a.tif", ZC, photometric="minisblack", **how)
    same(read(tmp_path / "a.tif"), ZC)
    assert about(tmp_path / "a.tif").axes == axes
    # The user has the last word.
    same(read(tmp_path / "a.tif", layout="CHW"), ZC.reshape(8, 12, 20))
    same(read(tmp_path / "a.tif", layout="NHW"), ZC.reshape(8, 1, 12, 20))
    same(read(tmp_path / "a.tif", layout="CZHW"), np.swapaxes(ZC, 0, 1))


def test_names_of_channels_in_ome(tmp_path):
    names = {"axes": "ZCYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(tmp_path / "a.tif", ZC, photometric="minisblack", ome=True, metadata=names)
    assert about(tmp_path / "a.tif").metadata.channels == ("DAPI", "GFP")


def test_frames_are_a_batch_if_the_user_says_so(tmp_path):
    for at in range(2):
        path = tmp_path / f"ch{at}.tif"
        tifffile.imwrite(path, ZC[:, at], photometric="minisblack", metadata=None)
    job = ["apply", "ch0.tif", "ch1.tif", "--kernel", "1 0; 0 1", "-o", "o.npy"]
    assert onebyone(*job, "--layout", "NHW", cwd=tmp_path).returncode == 0
    assert np.array_equal(np.load(tmp_path / "o.npy"), ZC)


def test_a_layout_that_does_not_fit_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", ZC[:, 0], photometric="minisblack", metadata=None)
    refused(DataError, tmp_path / "a.tif", "3 axes", "layout=NTHW", layout="NTHW")
    refused(DataError, tmp_path / "a.tif", "ends in another order", layout="HWN")


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><OME>&b;</OME>',
        "<OME><Image><Pixels DimensionOrder='XYZCT' SizeZ='9' SizeC='1' SizeT='1'/></Image></OME>",
        "<OME><Image><Pixels SizeZ='2'/></Image></OME>",
        "<OME",
        "ImageJ=1.5\nimages=99\nslices=99\n",
        '{"shape": [99, 3, 4]}',
        '{"shape": "a"}',
        "{" * 100,
    ],
)
def test_descriptions_that_do_not_fit_are_ignored(tmp_path, text):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in (grey(), grey(start=3)):
            writer.write(page, photometric="minisblack", description=text, metadata=None)
    same(read(tmp_path / "a.tif"), np.stack([grey(), grey(start=3)]))


def test_planes_without_pages_of_their_own(tmp_path):
    plane = grey(5, 7, "u2")
    content = tiff(np.concatenate([plane, plane + 100, plane + 200]), _257=5, _278=5, _279=70)
    text = b"ImageJ=1.53t\nimages=3\nchannels=3\nhyperstack=true\n\0"
    # ImageDescription comes before the other tags of the page.
    (start,) = struct.unpack("<I", content[4:8])
    number = struct.unpack("<H", content[start : start + 2])[0]
    table = content[start + 2 : start + 2 + 12 * number]
    entry = struct.pack("<HHII", 270, 2, len(text), start + 2 + 12 * (number + 1) + 4)
    content = content[:start] + struct.pack("<H", number + 1) + table + entry + bytes(4) + text
    (tmp_path / "a.tif").write_bytes(content)
    same(read(tmp_path / "a.tif"), np.stack([plane, plane + 100, plane + 200]))
    (tmp_path / "a.tif").write_bytes(content.replace(b"=3\n", b"=9\n"))
    refused(DataError, tmp_path / "a.tif", "the last of its 9 planes would lie beyond its end")


# What is refused


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"_262": 0}, "inverted"),
        ({"_258": 24, "_339": 3}, "floats of 24 bits"),
        ({"_258": 16, "_339": 6}, "complex"),
        ({"_278": 1}, "lacks some of its strips: has 1 of 3"),
        ({"_262": 8}, "Lab"),
        ({"_262": 5}, "CMYK"),
        ({"_259": 34892}, "lossy JPEG of DNG"),
        ({"_259": 50002}, "JPEGXL, which can't be read here"),
        ({"_259": 999}, "compression 999, which can't be read here"),
        ({"_259": 6}, "old-style JPEG"),
        ({"_277": 1 << 30}, "samples"),
        ({"_256": 0}, "0 pixels"),
        ({"_257": 1 << 30, "_278": 1 << 30}, "strip or tile 0 has 12 bytes"),
        ({"_273": 1 << 31}, "truncated"),
        ({"_279": 11}, "its numbers take 12"),
        ({"_259": 32946}, "strip 0 can't be decoded as Deflate"),
        ({"_259": 5}, "strip 0 can't be decoded as LZW"),
        ({"_254": 1, "_330": 8}, "reduced size"),
    ],
)
def test_what_is_refused(tmp_path, tags, words, capfd):
    (tmp_path / "a.tif").write_bytes(tiff(grey(), **tags))
    refused(DataError, tmp_path / "a.tif", words)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("number", "name"), [(34887, "LERC"), (50001, "WebP"), (50000, "Zst")])
def test_a_missing_decoder_is_named(tmp_path, number, name, monkeypatch):
    (tmp_path / "a.tif").write_bytes(tiff(grey(), _259=number))
    refused(DataError, tmp_path / "a.tif", f"can't be decoded as {name}")
    monkeypatch.setattr(codecs, "has_codec", lambda name: False)
    refused(DependencyMissingError, tmp_path / "a.tif", name, "pip install 'onebyone-cli[tiff]'")


def test_an_old_style_jpeg_without_a_number_of_samples(tmp_path):
    jpeg = saved(Image.new("RGB", (16, 16), (200, 100, 30)), "JPEG", quality=95, subsampling=0)
    plain = np.frombuffer(jpeg, "u1")[None]
    tags = {"_256": 16, "_257": 16, "_259": 6, "_262": 6, "_278": 16}
    (tmp_path / "a.tif").write_bytes(tiff(plain, **tags))
    refused(DataError, tmp_path / "a.tif", "old-style JPEG")


def test_a_jpeg_of_other_samples_than_the_tags_say(tmp_path):
    jpeg = saved(Image.new("RGB", (16, 16), (200, 100, 30)), "JPEG")
    plain = np.frombuffer(jpeg, "u1")[None]
    tags = {"_256": 16, "_257": 16, "_259": 7, "_278": 16}
    (tmp_path / "a.tif").write_bytes(tiff(plain, **tags))
    refused(DataError, tmp_path / "a.tif", "can't be decoded as JPEG")


def test_a_jpeg_that_is_cut_off_is_refused(tmp_path):
    content = saved(NOISE, "TIFF", compression="jpeg")
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        (start,), (size,) = file.pages[0].dataoffsets, file.pages[0].databytecounts
    half = start + size // 2
    (tmp_path / "a.tif").write_bytes(
        content[:half] + bytes(start + size - half) + content[start + size :]
    )
    refused(DataError, tmp_path / "a.tif", "strip 0 can't be decoded as JPEG: it is cut off")


def test_damage_of_a_fax_is_not_noticed_and_users_read_so(tmp_path):
    (tmp_path / "a.tif").write_bytes(saved(NOISE.convert("1"), "TIFF", compression="group4"))
    assert about(tmp_path / "a.tif").notes == ("damage of CCITT compression is not noticed",)


def test_pages_that_differ_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(grey(), grey(3, 5)))
    refused(ShapeMismatchError, path, "(page 1): has 3×5", "(page 0) has 3×4")
    path.write_bytes(tiff(grey(), np.zeros((3, 4, 3), "u1")))
    refused(DataError, path, "(page 1): has 3 channels of uint8", "(page 0) has 1 channel of")
    path.write_bytes(tiff(grey(), grey(dtype="u2")))
    refused(DataError, path, "(page 1): has 1 channel of uint16")


def test_pages_without_end_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    content = bytearray(tiff(grey(), grey()))
    first = struct.unpack_from("<I", content, 4)[0]
    struct.pack_into("<I", content, len(content) - 4, first)
    path.write_bytes(content)
    refused(DataError, path, "are those before them again")
    monkeypatch.setattr(tiff_file, "MOST_PAGES", 3)
    path.write_bytes(tiff(*[grey()] * 4))
    refused(DataError, path, "more than 3 pages")


@given(st.data())
def test_damage_is_an_error_of_ours_or_numbers(data):
    """Of a compressed, tiled, planar file with all kinds of tags."""
    with new_folder() as folder:
        path = folder / "a.tif"
        stack = numbers_of(1, StackSpec(2, 20, 20, "uint16"))
        said = Metadata(channels=("a", "b"), nodata=((0,),), georeference=GROUND)
        storage = Storage(compression=data.draw(st.sampled_from(["deflate", "lzw", "zstd"])))
        save(path, stack, said, storage=storage._replace(shuffle=True, chunks=(1, 16, 16)))
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        with contextlib.suppress(OneByOneError):
            read(path)


def test_large_strips_are_streamed_or_refused(tmp_path):
    stack = numbers_of(1, StackSpec(3, 300, 400, "uint16"))
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", compression="deflate",
                     rowsperstrip=300)  # fmt: skip
    for memory in (1 << 26, 1 << 21):
        with FORMAT.read(Source(str(tmp_path / "a.tif"), memory=memory)) as reader:
            assert isinstance(reader, Reader) == (memory == 1 << 26)
        same(read(tmp_path / "a.tif", memory=memory), stack)
    refused(UsageError, tmp_path / "a.tif", "its chunks of 1×300×400 take", memory=1 << 16)


# What files say about their numbers


GROUND = Georeference((500000.0, 30.0, 0.0, 4000000.0, 0.0, -30.0), "EPSG:32612")


def test_what_gdal_says_is_heard(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    path = tmp_path / "a.tif"
    shape = {"count": 3, "height": 4, "width": 5, "dtype": "int16"}
    ground = {"crs": "EPSG:32612", "transform": rasterio.Affine(30, 0, 5e5, 0, -30, 4e6)}
    with rasterio.open(path, "w", driver="GTiff", nodata=-9999, **shape, **ground) as file:
        file.write(np.zeros((3, 4, 5), "int16"))
        file.scales, file.offsets, file.units = (0.5, 0.25, 1), (2, 2, 2), ("K", "K", "K")
        for band, name in enumerate(["red", "green", "blue"], 1):
            file.set_band_description(band, name)
            file.update_tags(band, wavelength=600 - 50 * band)
        file.update_tags(wavelength_units="nm", sensor="camera")
    said = about(path).metadata
    assert said.nodata == ((-9999,),)
    assert said.origins["nodata"] == "GDAL_NODATA"
    assert said.channels == ("red", "green", "blue")
    assert (said.scale, said.offset, said.unit) == ((0.5, 0.25, 1), (2,), "K")
    assert (said.wavelengths, said.wavelength_unit) == ((550, 500, 450), "nm")
    assert said.georeference == GROUND
    assert said.attributes["sensor"] == Attribute("camera")


SMALL = {"count": 1, "height": 4, "width": 5, "dtype": "uint8"}

#: A reference system that has no code.
LOCAL = (
    'PROJCS["Mine",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],'
    'PROJECTION["Transverse_Mercator"],PARAMETER["central_meridian",12.5],UNIT["metre",1]]'
)


@pytest.mark.parametrize("crs", ["EPSG:32612", "EPSG:4326", LOCAL])
@pytest.mark.parametrize("turned", [False, True])
def test_what_we_say_is_heard_by_gdal(tmp_path, crs, turned):
    rasterio = pytest.importorskip("rasterio")
    transform = (5e5, 30.0, 5.0 * turned, 4e6, 3.0 * turned, -30.0)
    said = Metadata(
        channels=("red & blue", "β"),
        nodata=((-9999,),),
        scale=(0.5,),
        offset=(1.0, 2.0),
        unit="K",
        georeference=Georeference(transform, crs),
    )
    stack = numbers_of(3, StackSpec(2, 30, 40, "int16"))
    save(tmp_path / "a.tif", stack, said)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert np.array_equal(file.read(), stack)
        assert file.descriptions == said.channels
        assert (file.nodata, file.scales, file.offsets) == (-9999, (0.5, 0.5), (1, 2))
        assert file.units == ("K", "K")
        assert file.transform.to_gdal() == transform
        if crs == LOCAL:
            assert file.crs.to_dict()["lon_0"] == 12.5
        else:
            assert file.crs == rasterio.CRS.from_string(crs)
    assert about(tmp_path / "a.tif").metadata.georeference == said.georeference


@pytest.mark.parametrize("heights", ["28992+5709", "4326+5773", "32612+5773"])
def test_a_height_system_is_kept_beside_the_horizontal_one(tmp_path, heights):
    rasterio = pytest.importorskip("rasterio")
    both = rasterio.CRS.from_string(f"EPSG:{heights}")
    stack = np.zeros((1, 4, 5), "uint8")
    for crs in (f"EPSG:{heights}", both.to_wkt()):
        said = Metadata(georeference=Georeference(GROUND.transform, crs))
        save(tmp_path / "a.tif", stack, said, publication=Publication(force=True))
        with rasterio.open(tmp_path / "a.tif") as file:
            assert file.crs == both
        assert about(tmp_path / "a.tif").metadata.georeference.crs == f"EPSG:{heights}"
    with rasterio.open(tmp_path / "b.tif", "w", driver="GTiff", **SMALL, crs=both) as file:
        file.write(stack)
    assert about(tmp_path / "b.tif").metadata.georeference.crs == f"EPSG:{heights}"


def test_a_compound_system_without_codes_of_its_parts_is_kept_as_text(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    crs = f'COMPD_CS["Both",{LOCAL},VERT_CS["h",VERT_DATUM["d",2005],UNIT["metre",1]]]'
    with_code = crs.removesuffix("]") + ',AUTHORITY["EPSG","7415"]]'
    for text in (crs, with_code):
        said = Metadata(georeference=Georeference(GROUND.transform, text))
        save(
            tmp_path / "a.tif",
            np.zeros((1, 4, 5), "uint8"),
            said,
            publication=Publication(force=True),
        )
        assert about(tmp_path / "a.tif").metadata.georeference.crs == text
        with rasterio.open(tmp_path / "a.tif") as file:
            assert file.crs.to_dict()["lon_0"] == 12.5


def test_tags_that_need_a_library_are_carried_as_they_are(tmp_path):
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 3072, 0, 1, 32767, 3080, 34736, 1, 0)
    tags = [
        *((33550, "d", 3, (30.0, 30.0, 0.0), True), (33922, "d", 6, (0.0,) * 3 + (5e5, 4e6, 0.0))),
        *((34735, "H", 16, keys, True), (34736, "d", 1, (12.5,), True)),
    ]
    for name in ("b0.tif", "b1.tif"):
        (tmp_path / "b").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "b" / name, grey(4, 5, "i2"), extratags=tags)
    (tmp_path / "b" / "b0.tif.aux.xml").touch()
    assert onebyone("apply", "b", "--kernel", ".5 .5", "-o", "m.tif", cwd=tmp_path).returncode == 0
    job = ("apply", "b", "--kernel", "1 -1", "--dtype", "int16", "-o", "d.tif")
    assert onebyone(*job, cwd=tmp_path).returncode == 0
    for name in ("m.tif", "d.tif"):
        with tifffile.TiffFile(tmp_path / name) as file:
            for tag, _, _, value, *_ in tags:
                assert np.array_equal(np.atleast_1d(file.pages[0].tags[tag].value), value)
    same(read(tmp_path / "d.tif"), np.zeros((1, 4, 5), "i2"))


def test_a_point_is_the_centre_of_its_pixel(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    shape = {"count": 1, "height": 4, "width": 5, "dtype": "uint8"}
    ground = {"crs": "EPSG:32612", "transform": rasterio.Affine(30, 0, 5e5, 0, -30, 4e6)}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **shape, **ground) as file:
        file.update_tags(AREA_OR_POINT="Point")
    assert about(tmp_path / "a.tif").metadata.georeference == GROUND


# Files of ours


@pytest.mark.parametrize("name", ["tiff", "tiff-pages"])
@pytest.mark.parametrize("dtype", ["bool", *TYPES])
def test_tifffile_reads_what_we_write(tmp_path, name, dtype):
    for shape in ((1, 7, 9), (5, 7, 9), (2, 3, 7, 9)):
        path = tmp_path / f"{len(shape)}{shape[0]}.tif"
        stack = numbers_of(1, StackSpec(*shape[-3:], dtype, shape[:-3]))
        save(path, stack, format_name=name)
        found = tifffile.imread(path)
        assert np.array_equal(found.reshape(shape), stack, equal_nan=dtype.startswith("f"))
        same(read(path), stack)


@pytest.mark.parametrize("compression", ["deflate", "zstd", "lzw", "gzip"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("chunks", [(), (1, 16, 32), (1, 5, 45)])
def test_compressed_outputs(tmp_path, compression, dtype, chunks):
    rasterio = pytest.importorskip("rasterio")
    stack = numbers_of(2, StackSpec(3, 40, 45, dtype))
    for shuffle in (False, True) if dtype != "bool" else (False,):
        path = tmp_path / f"{shuffle}.tif"
        storage = Storage(compression=compression, shuffle=shuffle, chunks=chunks)
        save(path, stack, storage=storage)
        for found in (read(path), tifffile.imread(path)):
            assert np.array_equal(found, stack, equal_nan=dtype.startswith("f"))
        with rasterio.open(path) as file:
            found = file.read()
            assert file.block_shapes[0] == (chunks[1:] or (40, 45))
        assert np.array_equal(found, stack, equal_nan=dtype.startswith("f"))


@pytest.mark.parametrize("dtype", ["uint16", "float64"])
def test_pages_have_names_that_imagej_and_gdal_read(tmp_path, dtype):
    rasterio = pytest.importorskip("rasterio")
    stack = numbers_of(1, StackSpec(2, 7, 9, dtype, (3,)))
    save(tmp_path / "a.tif", stack, Metadata(channels=("β", "γ")), format_name="tiff-pages")
    assert about(tmp_path / "a.tif").metadata.channels == ("β", "γ")
    assert about(tmp_path / "a.tif").axes == ("TCHW" if dtype == "uint16" else "NCHW")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        if dtype == "uint16":
            assert file.imagej_metadata["Labels"] == ["β", "γ"] * 3
            assert (file.series[0].axes, file.series[0].shape) == ("TCYX", stack.shape)
    save(tmp_path / "b.tif", stack[0], Metadata(channels=("β", "γ")), format_name="tiff-pages")
    with rasterio.open(tmp_path / "b.tif") as file:
        assert len(file.subdatasets) == 2
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), stack[0], equal_nan=True)


def test_three_channels_of_bytes_are_a_picture(tmp_path):
    stack = numbers_of(1, StackSpec(3, 7, 9, "uint8"))
    save(tmp_path / "a.tif", stack)
    with Image.open(tmp_path / "a.tif") as image:
        assert image.mode == "RGB"
        assert np.array_equal(np.moveaxis(np.asarray(image), -1, 0), stack)


def test_a_file_of_more_than_four_gigabytes_has_large_offsets(tmp_path):
    """Only its first and last numbers are written; the rest is a hole."""
    spec = StackSpec(5, 1 << 15, 1 << 15, "uint8")
    target = opening.make_target(str(tmp_path / "a.tif"))
    with target.make_writer(spec) as writer:
        writer.write_run(0, 0, 0, np.array([7], "u1"))
        writer.write_run(0, 4, spec.pixels - 1, np.array([9], "u1"))
        writer.commit()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff
        assert file.pages[0].is_contiguous
    with FORMAT.read(Source(str(tmp_path / "a.tif"))) as reader:
        assert reader.spec == spec
        last = np.empty((1, 5, 1), "u1")
        reader.read(Slab(0, 1, spec.pixels - 1, spec.pixels), last, np.empty(1 << 20, "u1"))
    assert last[0, :, 0].tolist() == [0, 0, 0, 0, 9]


@pytest.mark.parametrize(
    ("path", "storage", "words"),
    [
        ("a.tif", Storage(chunks=(3, 16, 16)), "have one channel; write 1xHxW"),
        ("a.tif", Storage(chunks=(1, 10, 16)), "multiples of 16"),
        ("a.tif", Storage(compression="lzf"), "choose from deflate, gzip, zstd, lzw"),
        ("a.tif", Storage(shuffle=True), "is for compressed numbers"),
        ("-", Storage(), "not written to a pipe"),
    ],
)
def test_outputs_that_are_refused(path, storage, words, tmp_path):
    path = path if path == "-" else str(tmp_path / path)
    with pytest.raises(UsageError) as caught:
        opening.make_target(path, storage=storage, format_name="tiff").make_writer(
            StackSpec(3, 40, 45, "uint8")
        )
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("storage", "words"),
    [
        (Storage(compression="zstd"), "compression=zstd needs imagecodecs"),
        (Storage(compression="deflate", shuffle=True), "of float32 needs imagecodecs"),
    ],
)
def test_a_missing_encoder_is_named(storage, words, tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "has_codec", lambda name: False)
    target = opening.make_target(str(tmp_path / "a.tif"), storage=storage)
    with pytest.raises(DependencyMissingError) as caught:
        target.make_writer(StackSpec(3, 40, 45, "float32"))
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["tiff", "tiff-pages"])
def test_ranges_of_bytes_are_resumable_and_shared(tmp_path, name):
    """Shards write one file, which is that of a single run; of pages, tags follow the numbers."""
    np.save(tmp_path / "x.npy", numbers_of(1, StackSpec(3, 300, 400, "float32")))
    job = ["apply", "x.npy", "--kernel", "1 1 0; 0 1 1", "--format", name, "-o"]
    assert onebyone(*job, "whole.tif", cwd=tmp_path).returncode == 0
    for shard in ("0/2", "1/2"):
        assert onebyone(*job, "parts.tif", "--shard", shard, cwd=tmp_path).returncode == 0
    assert onebyone("merge", "parts.tif", cwd=tmp_path).returncode == 0
    assert (tmp_path / "parts.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


# Folders


@pytest.mark.parametrize("memory", [1 << 26, 1 << 20])
def test_a_folder_is_a_stack(tmp_path, memory):
    stack = numbers_of(1, StackSpec(4, 100, 300, "uint16"))
    for at, plane in enumerate(stack):
        how = {"compression": "deflate", "rowsperstrip": 100} if at % 2 else {}
        tags = [(42113, "s", 0, "0", True)]
        tifffile.imwrite(tmp_path / f"B{8 + at}.tif", plane, extratags=tags, **how)
    with format_of(tmp_path).read(Source(str(tmp_path), memory=memory)) as reader:
        assert isinstance(reader, Reader) == (memory == 1 << 26)
        assert reader.about.metadata.channels == ("B8", "B9", "B10", "B11")
        assert reader.about.metadata.nodata == ((0,),)
    same(read(tmp_path, memory=memory), stack)


def test_a_folder_of_several_kinds_of_images(tmp_path):
    stack = numbers_of(1, StackSpec(3, 20, 30, "uint8"))
    Image.fromarray(stack[0]).save(tmp_path / "0.png")
    Image.fromarray(stack[1]).save(tmp_path / "1.tif", compression="tiff_lzw")
    tifffile.imwrite(tmp_path / "2.tif", stack[2])
    same(read(tmp_path), stack)
    tifffile.imwrite(tmp_path / "3.tif", stack, photometric="rgb", planarconfig="separate")
    refused(DataError, tmp_path, "3.tif: has 3 channels of uint8, and 3 others have 1 channel")


@pytest.mark.parametrize("dtype", ["bool", "int16", "float64"])
def test_a_folder_of_files_keeps_what_files_say(tmp_path, dtype):
    stack = numbers_of(1, StackSpec(3, 20, 30, dtype))
    said = Metadata(channels=("b", "a", "c"), nodata=((0,),), georeference=GROUND)
    save(f"{tmp_path}/f/", stack, said, format_name="tiff")
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == [
        *("0_b.tif", "1_a.tif", "2_c.tif"),
    ]
    same(read(tmp_path / "f"), stack)
    with format_of(tmp_path / "f").read(Source(str(tmp_path / "f"))) as reader:
        found = reader.about.metadata
    assert (found.channels, found.nodata) == (("b", "a", "c"), ((0,),))
    assert found.georeference == GROUND
