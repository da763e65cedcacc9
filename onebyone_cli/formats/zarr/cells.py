"""Decode the cells of an array.

zarr-python reads any array, by an event loop in a thread of its own. For 450 chunks of 256 KiB, one
by one, that takes 3 times as long as reading the files and decoding them in the calling thread. So
chunks of a folder that have only usual codecs are decoded here.
"""

from __future__ import annotations

import zlib
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.formats.zarr.files import plain_files
from onebyone_cli.formats.zarr.store import one_line_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.grid import Grid
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.zarr.files import Codecs, Files
    from onebyone_cli.formats.zarr.store import InputStore

    #: Decodes the bytes of a chunk into at most so many.
    Decode = Callable[[bytes, int], bytes]

#: Bits of the window of zlib, with the header of each kind of file.
_ZLIB_BITS = {"gzip": 31, "zlib": 15}

#: Codecs of numcodecs whose decoders need no options.
_BY_NUMCODECS = {"blosc": "Blosc", "zstd": "Zstd", "lz4": "LZ4"}


class CellDecoder:
    """Read cells of an array, from several threads at once.

    Attributes
    ----------
    decode_bytes : int
        Memory for decoding one cell, without the cell itself.
    """

    def __init__(self, array: Any, layout: ArrayLayout, grid: Grid, store: InputStore) -> None:
        self._array = array
        self._grid = grid
        self._path = store.path
        self._dtype = np.dtype(layout.spec.dtype)
        chunk = tuple(map(int, array.chunks))
        self._chunks = _Chunks.of(array, store)
        # Stored and decoded bytes; zarr-python also joins the chunks of a cell.
        self.decode_bytes = 2 * prod(chunk) * grid.item_bytes
        if self._chunks is None:
            self.decode_bytes += grid.cell_bytes

    def load(self, index: tuple[int, ...]) -> NDArray[Any]:
        """Decode a cell.

        Returns
        -------
        ndarray of shape (*batch, C, H, W)
            The part of the cell inside the array; may be read-only.

        Raises
        ------
        DataError
            If a chunk is damaged.
        ReadWriteError
            If the system or the network fails.
        """
        start, stop = self._grid.box(index)
        first, last = self._grid.stored(start), self._grid.stored(stop)
        with one_line_errors(f"the chunk at {first} can't be decoded", self._path):
            if self._chunks is not None:
                numbers = self._chunks.read(first, last)
            else:
                box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
                numbers = np.asarray(self._array[box])
        if numbers.dtype.kind != self._dtype.kind:  # signed numbers that stand for unsigned ones
            numbers = numbers.astype(numbers.dtype.newbyteorder("=")).view(self._dtype)
        order = self._grid.order
        missing = tuple(axis for axis in range(len(start)) if axis not in order)
        numbers, order = numbers[(np.newaxis,) * len(missing)], (*missing, *order)
        return numbers.transpose([order.index(axis) for axis in range(len(order))])


class _Chunks:
    """Chunks of an array in a folder, decoded by the calling thread."""

    def __init__(self, array: Any, files: Files, codecs: Codecs, decode: Decode | None) -> None:
        self._files = files
        self._shape = tuple(map(int, array.shape))
        self._dtype = array.dtype.newbyteorder(">" if codecs.big_endian else "<")
        self._order: Any = getattr(array.metadata, "order", "C")
        self._fill = 0 if array.fill_value is None else array.fill_value
        self._decode = decode
        self._bytes = prod(files.chunk) * self._dtype.itemsize

    @classmethod
    def of(cls, array: Any, store: InputStore) -> _Chunks | None:
        """Return the chunks; None if zarr-python has to read the array."""
        found = plain_files(array, store.address.folder) if store.is_folder else None
        if found is None:
            return None
        files, codecs = found
        decode = _decoder_of(codecs.compression) if codecs.compression else None
        if codecs.compression and decode is None:
            return None
        return cls(array, files, codecs, decode)

    def read(self, first: tuple[int, ...], last: tuple[int, ...]) -> NDArray[Any]:
        """Read a box that begins at a chunk; coordinates are in the order of the file."""
        sides = zip(first, last, self._files.chunk, strict=True)
        starts = [range(a, b, c) for a, b, c in sides]
        if all(len(along) == 1 for along in starts):
            return self._load(first)
        numbers = np.empty([b - a for a, b in zip(first, last, strict=True)], self._dtype)
        for corner in product(*starts):
            chunk = self._load(corner)
            places = (
                slice(at - a, at - a + n)
                for at, a, n in zip(corner, first, chunk.shape, strict=True)
            )
            numbers[tuple(places)] = chunk
        return numbers

    def _load(self, corner: tuple[int, ...]) -> NDArray[Any]:
        """Decode one chunk, cut at the end of the array."""
        sides = zip(self._files.chunk, self._shape, corner, strict=True)
        sizes = [min(c, n - at) for c, n, at in sides]
        key, content = self._files.read(corner)
        if content is None:
            return np.full(sizes, self._fill, self._dtype)
        data = content if self._decode is None else self._decode(content, self._bytes)
        if len(data) != self._bytes:
            raise ValueError(f"the file {key} has {len(data)} bytes for it, not {self._bytes}")
        numbers = np.frombuffer(data, self._dtype).reshape(self._files.chunk, order=self._order)
        return numbers[tuple(map(slice, sizes))]


def _decoder_of(name: str) -> Decode | None:
    """Return the function that undoes a compression; None if it is none of the usual ones."""
    if name in _ZLIB_BITS:
        return lambda content, limit: _inflated(content, limit, _ZLIB_BITS[name])
    if name not in _BY_NUMCODECS:
        return None
    import numcodecs

    codec = getattr(numcodecs, _BY_NUMCODECS[name], None)
    if codec is None:
        return None
    decode = codec().decode
    return lambda content, limit: bytes_of(decode(_within(content, limit, name)))


def bytes_of(data: Any) -> Any:
    """Return the bytes of what a codec returns: bytes, or an array."""
    return data if isinstance(data, bytes) else memoryview(data).cast("B")


def _within(content: bytes, limit: int, name: str) -> bytes:
    """Return the content of a chunk, unless it claims to be larger than it should."""
    # The header of Blosc has the size at byte 4.
    if name == "blosc" and int.from_bytes(content[4:8], "little") > limit:
        raise ValueError(f"it decodes to more than its {limit} bytes")
    return content


def _inflated(content: bytes, limit: int, bits: int) -> bytes:
    stream = zlib.decompressobj(bits)
    data = stream.decompress(content, limit + 1)
    if not stream.eof and len(data) <= limit:
        raise ValueError("a chunk ends early")
    return data
