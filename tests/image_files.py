"""Images for tests: made by hand, written and read as stacks."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from onebyone_cli.formats import load
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.formats.contracts.reader import Reader, Source
from onebyone_cli.formats.contracts.writer import Target, Writer
from onebyone_cli.formats.images import FORMAT
from onebyone_cli.spec import Slab, StackSpec


class Result:
    """A finished result in memory, as writers see it."""

    def __init__(self, array):
        *batch, channels, height, width = array.shape
        self.array = array.reshape(-1, channels, height, width)
        self.spec = StackSpec(channels, height, width, array.dtype.name, tuple(batch))

    def rows(self, item, channel, start, stop):
        return np.ascontiguousarray(self.array[item, channel, start:stop])

    def pixels(self, item, channel, start, stop):
        return self.array[item, channel].reshape(-1)[start:stop]


def format_of(path):
    """TIFF and Netpbm files have formats of their own; folders of them are folders of images."""
    own = (
        each
        for each in (load("tiff"), load("netpbm"))
        if os.path.splitext(path)[1].lower() in each.suffixes
    )
    return next(own, FORMAT)


def write(path, array, names=(), **options):
    result, done = Result(array), []
    made_by = format_of(path)
    with Target(str(path), made_by.write, keeps=made_by.keeps, **options).make_writer(
        result.spec, lambda: Metadata(channels=tuple(names))
    ) as writer:
        if isinstance(writer, Writer):
            block = np.ascontiguousarray(array).reshape(1, len(array), -1)
            writer.write(Slab(0, 1, 0, result.spec.pixels), block)
            writer.commit()
            return
        writer.fill(result, done.append)
        writer.commit()
    assert done == sorted(done)
    assert done[-1] == array.nbytes


def read(path, **options):
    with format_of(path).read(Source(str(path), **options)) as reader:
        spec, data = reader.spec, bytearray()
        if isinstance(reader, Reader):
            numbers = np.empty((spec.items, spec.channels, spec.pixels), spec.dtype)
            scratch = np.empty(reader.scratch_bytes, "u1")
            reader.read(Slab(0, spec.items, 0, spec.pixels), numbers, scratch)
            return numbers.reshape(spec.shape)
        reader.drain(data.extend)
    found = np.frombuffer(bytes(data), np.dtype(spec.dtype).newbyteorder("<"))
    if reader.stored.is_plain:
        return found.reshape(spec.shape)
    assert reader.stored.run_pixels == 1
    return found.reshape(-1, spec.channels).T.reshape(spec.shape)


def same(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


def png_chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, *before_pixels):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + b"".join(before_pixels)
        + png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + png_chunk(b"IEND")
    )


def tiff(*pages, order="II", **tags):
    """One uncompressed strip for each page; `tags` are named like _200 and win over the usual."""
    sign = "<" if order == "II" else ">"
    out = bytearray(order.encode() + struct.pack(sign + "HI", 42, 0))
    link = 4
    for page in pages:
        data = page.astype(page.dtype.newbyteorder(sign)).tobytes()
        if tags.get("_259") == 8:
            data = zlib.compress(data)
        start = len(out)
        out += data + b"\0" * (len(data) % 2)
        height, width = page.shape[:2]
        samples = page.shape[2] if page.ndim == 3 else 1
        fields = {256: width, 257: height, 258: page.itemsize * 8, 259: 1, 262: 1, 273: start}
        fields |= {277: samples, 278: height, 279: len(data)}
        fields |= {339: {"u": 1, "i": 2, "f": 3}[page.dtype.kind]}
        fields |= {int(name[1:]): value for name, value in tags.items()}
        struct.pack_into(sign + "I", out, link, len(out))
        out += struct.pack(sign + "H", len(fields))
        for tag, value in sorted(fields.items()):
            out += struct.pack(sign + "HHII", tag, 4, 1, value)
        link = len(out)
        out += bytes(4)
    return bytes(out)


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation):
    found = Image.Exif()
    found[274] = orientation
    return found


def grey(height=3, width=4, dtype="uint8", start=0):
    return (np.arange(height * width) + start).astype(dtype).reshape(height, width)


def refused(error, path, *words, **options):
    """Reading must fail with one line that has all `words`."""
    with pytest.raises(error) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)
