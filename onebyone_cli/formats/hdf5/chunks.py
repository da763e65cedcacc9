"""Decode the cells of a dataset.

HDF5 decodes one chunk at a time, whatever the number of threads. If all filters are among gzip,
shuffle and Fletcher32, HDF5 only reads the stored bytes, and the calling thread decodes them here:
on two cores, reading 50×600×600 takes 0.55 to 0.65 of the time. It is also safer. HDF5 (1.14.2 and
2.0.0) inflates any amount of data, takes the memory behind a short chunk for numbers, and crashes
on a checksummed chunk of less than four bytes. Here a chunk must decode to its exact size.
"""

from __future__ import annotations

import zlib
from itertools import product
from math import prod
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import DataError, read_write_error
from onebyone_cli.formats.hdf5.file import load_h5py, one_line_errors, short_reason
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.formats.arrays.grid import Grid
    from onebyone_cli.formats.hdf5.header import Filter, Header

_GZIP, _SHUFFLE, _FLETCHER32 = 1, 2, 3

_CHECKSUM_BYTES = 4

#: 16-bit words of a block: 1 MiB of float64.
_WORDS = 1 << 17
#: Words of one dot product: 2**12 numbers below 2**28 have an exact sum.
_RUN = 1 << 12


class _DamagedError(Exception):
    """A chunk is damaged; the message says how."""


class CellDecoder:
    """Read cells of a dataset, from several threads at once.

    Attributes
    ----------
    decode_bytes : int
        Memory for decoding one cell, without the cell itself.
    """

    def __init__(self, dataset: Any, header: Header, grid: Grid, path: str) -> None:
        self._dataset = dataset
        self._grid = grid
        self._path = path
        self._inner = printable(header.inner)
        self._type = dataset.get_type()
        self._space = dataset.get_space()
        self._dtype = header.layout.dtype
        self._filters = header.filters
        self._sizes = header.shape
        self._chunk = header.chunk or grid.stored(grid.cell)
        self._chunk_bytes = prod(self._chunk) * grid.item_bytes
        self._is_direct = _is_known(header, grid)
        # Two threads that switch for every tiny chunk took 1.8 times as long as one; switching for
        # whole cells, 1.3 times.
        self._tiny = Lock()
        self._spare: SimpleQueue[bytearray] = SimpleQueue()
        # Most bytes of a chunk between filters.
        self._limits = _stage_limits(self._chunk_bytes, header.filters)
        # The stored bytes, and the input and output of a filter.
        self.decode_bytes = 3 * self._limits[-1] if self._filters else self._chunk_bytes

    def load(self, index: tuple[int, ...]) -> NDArray[Any]:
        """Decode a cell.

        Returns
        -------
        ndarray of shape (*batch, C, H, W)
            The part of the cell inside the dataset, in the byte order of the file; may be read-
            only.

        Raises
        ------
        DataError
            If a chunk is damaged.
        ReadWriteError
            If a system call fails.
        """
        start, stop = self._grid.box(index)
        first, last = self._grid.stored(start), self._grid.stored(stop)
        numbers = self._load_direct(first, last) if self._is_direct else self._ask(first, last)
        order = self._grid.order
        missing = tuple(axis for axis in range(len(start)) if axis not in order)
        numbers, order = numbers[(np.newaxis,) * len(missing)], (*missing, *order)
        return numbers.transpose([order.index(axis) for axis in range(len(order))])

    def _ask(self, first: tuple[int, ...], last: tuple[int, ...]) -> NDArray[Any]:
        """Read a box with HDF5; coordinates are in the order of the file."""
        h5s = load_h5py().h5s
        counts = tuple(b - a for a, b in zip(first, last, strict=True))
        numbers = np.empty(counts, self._dtype)
        is_one = all(a <= b for a, b in zip(counts, self._chunk, strict=True))
        what = f"the chunk at {first}" if is_one else f"a chunk between {first} and {last}"
        with one_line_errors(f"{what} of '{self._inner}' can't be read", self._path):
            # A selection is a property of a space, and another thread may be selecting.
            space = self._space.copy()
            space.select_hyperslab(first, counts)
            # The file's own type, so that HDF5 converts nothing.
            self._dataset.read(h5s.create_simple(counts), space, numbers, self._type)
        return numbers

    def _load_direct(self, first: tuple[int, ...], last: tuple[int, ...]) -> NDArray[Any]:
        """Decode and join the chunks of a box."""
        starts = [range(a, b, c) for a, b, c in zip(first, last, self._chunk, strict=True)]
        if all(len(along) == 1 for along in starts):
            return self._load_chunk(first)
        numbers = np.empty([b - a for a, b in zip(first, last, strict=True)], self._dtype)
        with self._tiny:
            for corner in product(*starts):
                chunk = self._load_chunk(corner)
                place = (
                    slice(at - a, at - a + n)
                    for at, a, n in zip(corner, first, chunk.shape, strict=True)
                )
                numbers[tuple(place)] = chunk
        return numbers

    def _load_chunk(self, corner: tuple[int, ...]) -> NDArray[Any]:
        """Decode one chunk, cut at the end of the dataset."""
        end = tuple(a + c for a, c in zip(corner, self._chunk, strict=True))
        last = tuple(map(min, end, self._sizes))
        # Buffers are reused: one per thread that decodes at the same time.
        try:
            spare = self._spare.get_nowait()
        except Empty:
            spare = bytearray(self._limits[-1])
        try:
            mask, raw = self._read_raw(corner, spare)
            data = self._decode(mask, raw, is_edge=last != end)
        except _DamagedError as error:
            raise DataError(
                f"the chunk at {corner} of '{self._inner}' is damaged: {error}", self._path
            ) from error
        except RuntimeError:
            # It was never written; HDF5 supplies the fill value.
            return self._ask(corner, last)
        finally:
            self._spare.put(spare)
        inside = tuple(slice(b - a) for a, b in zip(corner, last, strict=True))
        return np.frombuffer(data, self._dtype).reshape(self._chunk)[inside]

    def _read_raw(self, corner: tuple[int, ...], out: bytearray) -> tuple[int, memoryview]:
        try:
            mask, raw = self._dataset.read_direct_chunk(corner, out=out)
        except ValueError as error:
            raise _DamagedError(f"it is stored in more bytes than {len(out)}") from error
        except OSError as error:
            if error.errno:
                raise read_write_error("reading", self._path, error) from error
            raise _DamagedError(short_reason(error)) from error
        return mask, raw

    def _decode(self, mask: int, raw: memoryview, *, is_edge: bool) -> bytes:
        """Undo the filters, last first; `mask` has a bit for each skipped filter."""
        data: Any = raw
        try:
            for step in reversed(range(len(self._filters))):
                if not mask >> step & 1:
                    data = self._undo(self._filters[step].code, data, self._limits[step])
            if len(data) != self._chunk_bytes:
                raise _DamagedError(f"it has {len(data)} bytes, not {self._chunk_bytes}")
        except _DamagedError:
            # Chunks at the edge may be stored without filters; only their size reveals it.
            if not is_edge or len(raw) != self._chunk_bytes:
                raise
            data = raw
        # Without filters it is still in the buffer that is reused.
        return bytes(data) if isinstance(data, memoryview) else data

    def _undo(self, code: int, data: Any, limit: int) -> Any:
        if code == _GZIP:
            return _inflated(data, limit)
        if code == _FLETCHER32:
            return _checked(data)
        return _unshuffled(data, self._grid.item_bytes)


def _is_known(header: Header, grid: Grid) -> bool:
    """Return whether chunks are decoded here."""
    codes = {step.code for step in header.filters}
    if not codes:
        # HDF5 is faster with many small unfiltered chunks.
        return False
    # With shuffle alone, the size does not reveal an unfiltered chunk at the edge.
    if not codes <= {_GZIP, _SHUFFLE, _FLETCHER32} or codes == {_SHUFFLE}:
        return False
    return all(
        step.values[:1] == (grid.item_bytes,) for step in header.filters if step.code == _SHUFFLE
    )


def _stage_limits(size: int, filters: tuple[Filter, ...]) -> list[int]:
    """Return the most bytes of a chunk before each filter and after all."""
    limits = [size]
    for step in filters:
        if step.code == _FLETCHER32:
            size += _CHECKSUM_BYTES
        elif step.code != _SHUFFLE:
            # Deflate adds 5 bytes per incompressible 16 KiB, and 18 bytes in all.
            size += size // 1000 + 64
        limits.append(size)
    return limits


def _inflated(data: Any, limit: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        # One byte more, to detect excess data.
        whole = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise _DamagedError(f"it can't be unpacked ({error})") from error
    if len(whole) > limit:
        raise _DamagedError(f"it unpacks to more than {limit} bytes")
    if not inflater.eof:
        raise _DamagedError("it ends too early")
    return whole


def _checked(data: Any) -> Any:
    content, found = memoryview(data)[:-_CHECKSUM_BYTES], bytes(data[-_CHECKSUM_BYTES:])
    expected = fletcher32(content).to_bytes(_CHECKSUM_BYTES, "little")
    # HDF5 before 1.6.3 swapped the bytes of both sums on some machines.
    swapped = bytes(expected[at] for at in (1, 0, 3, 2))
    if found not in (expected, swapped):
        raise _DamagedError("its checksum does not fit")
    return content


def fletcher32(data: bytes | memoryview) -> int:
    """Return the Fletcher32 checksum of HDF5.

    Two sums modulo 65535 over the 16-bit big-endian words: of the words, and of the first sum's
    intermediate values. A sum that is not 0 is never written as 0.

    Examples
    --------
    >>> hex(fletcher32(b"abcdef"))
    '0x2e262926'
    """
    count = len(data) // 2
    words = np.frombuffer(data, ">u2", count)
    first = second = 0
    weights = np.arange(_RUN, 0, -1, dtype=np.float64)
    for start in range(0, count, _WORDS):
        block = words[start : start + _WORDS].astype(np.float64)
        whole = block.size // _RUN * _RUN
        runs = block[:whole].reshape(-1, _RUN)
        parts = [*zip(runs.sum(axis=1).tolist(), (runs @ weights).tolist(), strict=True)]
        rest = block[whole:]
        sizes = [_RUN] * len(parts) + [rest.size]
        parts.append((float(rest.sum()), float(rest @ weights[_RUN - rest.size :])))
        for size, (total, weighted) in zip(sizes, parts, strict=True):
            second += size * first + int(weighted)
            first += int(total)
    if len(data) % 2:
        first += data[-1] << 8
        second += first
    low, high = ((s - 1) % 65535 + 1 if s else 0 for s in (first, second))
    return high << 16 | low


def _unshuffled(data: Any, item_bytes: int) -> Any:
    """Undo shuffle, which stores the first bytes of all numbers, then the second, and so on."""
    if len(data) % item_bytes:
        raise _DamagedError(f"its {len(data)} bytes are not a multiple of {item_bytes}")
    planes = np.frombuffer(data, np.uint8).reshape(item_bytes, -1)
    numbers = np.empty((planes.shape[1], item_bytes), np.uint8)
    # Column by column takes a third of the time of a transposed copy.
    for byte in range(item_bytes):
        numbers[:, byte] = planes[byte]
    return numbers.reshape(-1)
