"""Write HDF5 files.

Without compression or chunks, HDF5 writes a file with an empty contiguous dataset and closes it;
then the numbers are written at their offset, from any thread. With them, chunks are written through
HDF5 in a fixed order.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.commit.atomic import AtomicFile
from onebyone_cli.errors import UsageError
from onebyone_cli.formats.arrays.writer import FixedOffsetWriter
from onebyone_cli.formats.contracts.writer import Planes, StreamWriter, Target
from onebyone_cli.formats.hdf5.file import load_h5py
from onebyone_cli.formats.hdf5.netcdf import NetcdfFile, check_target, is_netcdf
from onebyone_cli.formats.hdf5.output import OutputFile, stored_type
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from onebyone_cli.spec import StackSpec

#: Default name of the dataset.
_NAME = "data"

#: Default size of a chunk. Compression gains little from larger ones, and reading a few rows takes
#: whole chunks.
_CHUNK_BYTES = 1 << 18

#: HDF5 refuses chunks of 4 GiB and more in files of this version.
_MAX_CHUNK_BYTES = (1 << 32) - 1

#: Buffers of HDF5 for a chunk in the filters.
_FILTER_BUFFERS = 3


def contiguous_writer(target: Target, spec: StackSpec) -> FixedOffsetWriter:
    """Make a writer of a contiguous dataset, without compression."""
    _check_name(target)
    name, kind = _dataset_name(target), _kind_of(target, spec)

    def create(fd: int) -> tuple[int, int]:
        output = kind(fd, target, spec, name)
        try:
            offset = int(output.dataset.get_offset())
            return offset, max(output.close(), offset + spec.data_bytes)
        finally:
            output.drop()

    # Another version of HDF5 may use another offset.
    what = "netCDF-4 by" if kind is NetcdfFile else "a file of"
    container = f"/{name} in {what} HDF5 {load_h5py().version.hdf5_version}"
    return FixedOffsetWriter(target, spec, create=create, container=container)


class ChunkedWriter(StreamWriter):
    """Write a dataset in chunks, with optional compression and checksums."""

    def __init__(self, target: Target, spec: StackSpec) -> None:
        self.path = target.path
        self.spec = spec
        self._target = target
        _check_name(target)
        _check_compression(target)
        self._kind = _kind_of(target, spec)
        self._chunk = _chunk_of(target, spec)
        channels, rows, _ = self._chunk
        chunk_bytes = prod(self._chunk) * spec.item_bytes
        row_bytes = rows * spec.width * spec.item_bytes
        self.buffer_bytes = (channels + 1) * row_bytes + (_FILTER_BUFFERS + 1) * chunk_bytes

    def open(self) -> None:
        """Create the temporary with an empty dataset."""
        batch = (1,) * len(self.spec.batch)
        # HDF5 delays chunks, so no later run could resume this file.
        self._file = AtomicFile(self.path, self._target.publication)
        name, chunk = _dataset_name(self._target), (*batch, *self._chunk)
        self._output = self._kind(self._file.fd, self._target, self.spec, name, chunk)

    def fill(self, result: Planes, on_bytes: Callable[[int], None]) -> None:
        """Write chunk by chunk, in the order of the dataset; see `StreamWriter.fill`."""
        spec = self.spec
        channels, rows, _ = self._chunk
        done = 0
        for item, place in enumerate(np.ndindex(*spec.batch)):
            for channel in range(0, spec.channels, channels):
                count = min(channels, spec.channels - channel)
                band = np.empty((count, rows, spec.width), stored_type(spec))
                for row in range(0, spec.height, rows):
                    last = min(row + rows, spec.height)
                    for index in range(count):
                        band[index, : last - row] = result.rows(item, channel + index, row, last)
                    part = band[:, : last - row]
                    self._write_band((*place, channel, row), part)
                    done += part.nbytes
                    on_bytes(done)

    def commit(self) -> None:
        """Publish the file."""
        self.changed = self._file.commit(self._output.close())

    def discard(self) -> None:
        """Remove the temporary."""
        if hasattr(self, "_output"):
            self._output.drop()
        if hasattr(self, "_file"):
            self._file.discard()

    def _write_band(self, place: tuple[int, ...], band: NDArray[Any]) -> None:
        """Write the chunks of some rows, each whole, so that HDF5 need not read it again."""
        h5s = load_h5py().h5s
        dataset = self._output.dataset
        ones = (1,) * len(self.spec.batch)
        for column in range(0, self.spec.width, self._chunk[2]):
            chunk = np.ascontiguousarray(band[:, :, column : column + self._chunk[2]])
            counts = (*ones, *chunk.shape)
            space = dataset.get_space()
            space.select_hyperslab((*place, column), counts)
            memory = h5s.create_simple(counts)
            self._output.attempt(dataset.write, memory, space, chunk)


def _kind_of(target: Target, spec: StackSpec) -> type[OutputFile]:
    """Return the class of the file, after a check of what it can hold."""
    if not is_netcdf(target):
        return OutputFile
    check_target(target, spec)
    return NetcdfFile


def _dataset_name(target: Target) -> str:
    return target.inner.strip("/") or _NAME


def _check_name(target: Target) -> None:
    """Raise `UsageError` for a name that HDF5 can't hold or find again."""
    name = _dataset_name(target)
    parts = name.split("/")
    try:
        name.encode()
    except UnicodeEncodeError:
        parts = [""]
    if any(part in ("", ".") for part in parts) or not name.isprintable():
        raise UsageError(
            f"'{printable(target.inner)}' can't be the name of a dataset; "
            f"name one, as in {target.path}:/data",
            target.path,
        )


def _check_compression(target: Target) -> None:
    storage = target.storage
    if storage.compression not in ("", "gzip", "lzf"):
        raise UsageError(
            f"compression '{storage.compression}' is unknown; expected gzip or lzf", target.path
        )
    if not 0 <= storage.level <= 9:
        raise UsageError(
            f"gzip has no level {storage.level}; expected 0 (fast) to 9 (small)", target.path
        )


def _chunk_of(target: Target, spec: StackSpec) -> tuple[int, int, int]:
    """Return the ``(C, H, W)`` of a chunk: as given, or a few rows of one channel."""
    if not target.storage.chunks:
        width = min(spec.width, max(1, _CHUNK_BYTES // spec.item_bytes))
        rows = max(1, min(spec.height, _CHUNK_BYTES // (width * spec.item_bytes)))
        return 1, rows, width
    chunk = target.storage.chunks
    whole = (spec.channels, spec.height, spec.width)
    shown, limits = ("×".join(map(str, sizes)) for sizes in (chunk, whole))
    if len(chunk) != 3 or not all(1 <= a <= b for a, b in zip(chunk, whole, strict=False)):
        raise UsageError(
            f"chunks of {shown} don't fit an output of C×H×W {limits}; "
            "expected three sizes from 1 to these",
            target.path,
        )
    if prod(chunk) * spec.item_bytes > _MAX_CHUNK_BYTES:
        raise UsageError(f"chunks of {shown} are larger than the 4 GiB of HDF5", target.path)
    channels, rows, width = chunk
    return channels, rows, width
