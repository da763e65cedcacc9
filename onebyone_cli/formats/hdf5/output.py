"""Write an HDF5 file through a Python file object.

The bytes are the same from run to run: no times are recorded, and the version of the file format is
fixed (1.8, which every HDF5 since 2008 reads and which protects its metadata by checksums).
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import OneByOneError, ReadWriteError, read_write_error
from onebyone_cli.formats.contracts.attributes import attributes_of
from onebyone_cli.formats.hdf5.attributes import write_attributes
from onebyone_cli.formats.hdf5.file import load_h5py, short_reason

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from onebyone_cli.formats.contracts.writer import Target
    from onebyone_cli.spec import StackSpec

#: Numbers and metadata start at multiples of this, so that the file can be mapped.
_ALIGNMENT = 64


class Sink:
    """A file object for HDF5 whose methods never fail.

    HDF5 keeps what it could not write, and tries again when it is closed and when the process ends,
    with messages of no use to the user. So the first error is stored, later data are dropped, and
    the error is checked after each step.

    Parameters
    ----------
    fd : int
        Descriptor open for reading and writing. HDF5 sees an empty file: old bytes are written
        over, never truncated.

    Attributes
    ----------
    error : OSError or None
        The first error.
    size : int
        Size of the file as HDF5 sees it.
    """

    def __init__(self, fd: int) -> None:
        self.error: OSError | None = None
        self.size = 0
        self._fd = fd
        self._at = 0

    def drop(self) -> None:
        """Drop all later data: the file will be removed."""
        self._fd = -1

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position; h5py uses the start and the end of the file as origins."""
        self._at = offset + (self.size if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; with zeros where nothing can be read."""
        view = memoryview(buffer).cast("B")
        try:
            count = os.preadv(self._fd, [view], self._at) if self._fd >= 0 else 0
        except OSError as error:
            self._note(error)
            count = 0
        view[count:] = bytes(len(view) - count)
        return len(view)

    def write(self, data: Any) -> int:
        """Write all data, or store the error."""
        view = memoryview(data).cast("B")
        done = 0
        try:
            while done < len(view) and self._fd >= 0:
                done += os.pwrite(self._fd, view[done:], self._at + done)
        except OSError as error:
            self._note(error)
        self.size = max(self.size, self._at + len(view))
        return len(view)

    def truncate(self, size: int) -> int:
        """Extend the file to at least this size."""
        try:
            if self._fd >= 0 and os.fstat(self._fd).st_size < size:
                os.ftruncate(self._fd, size)
        except OSError as error:
            self._note(error)
        self.size = size
        return size

    def flush(self) -> None:
        """Do nothing: data are not buffered."""

    def _note(self, error: OSError) -> None:
        self.error = self.error or error
        self.drop()


class OutputFile:
    """An HDF5 file with one dataset.

    Parameters
    ----------
    fd : int
        See `Sink`; closed by its owner, after `drop`.
    target : Target
    spec : StackSpec
        Shape and dtype of the dataset.
    name : str
        Name of the dataset, without a leading slash.
    chunk : tuple of int
        Sizes of a chunk along ``spec.shape``; empty for a contiguous dataset.

    Attributes
    ----------
    dataset : h5py.h5d.DatasetID
        The dataset, until `close`.
    """

    #: Whether the order in which objects and attributes were made is noted.
    keeps_order = False

    def __init__(
        self, fd: int, target: Target, spec: StackSpec, name: str, chunk: tuple[int, ...] = ()
    ) -> None:
        self.dataset: Any = None
        self.target = target
        self.h5: Any = None
        self._sink = Sink(fd)
        try:
            self.attempt(self._open)
            self.attempt(self.create, name.encode(), spec, chunk)
        except BaseException:
            self.drop()
            raise

    def attempt(self, step: Callable[..., object], *args: object) -> None:
        """Run one step of HDF5.

        Raises
        ------
        ReadWriteError
            If the system or HDF5 fails.
        """
        try:
            step(*args)
        except OneByOneError:
            raise
        except Exception as error:
            if self._sink.error is None:
                raise ReadWriteError(
                    f"writing failed: {short_reason(error)}", self.target.path
                ) from error
        if self._sink.error is not None:
            failed = self._sink.error
            raise read_write_error("writing", self.target.path, failed) from failed

    def close(self) -> int:
        """Close the file; return its size in bytes."""
        self.dataset = None
        h5, self.h5 = self.h5, None
        if h5 is not None:
            self.attempt(h5.close)
        return self._sink.size

    def drop(self) -> None:
        """Drop all later data and close the file. May be called twice."""
        self._sink.drop()
        with suppress(OneByOneError, OSError):
            self.close()

    def create(self, name: bytes, spec: StackSpec, chunk: tuple[int, ...]) -> None:
        """Create the dataset in the open file."""
        self.make_dataset(self.make_groups(name), name.rpartition(b"/")[2], spec, chunk)
        values = attributes_of(self.target.metadata)
        write_attributes(self.dataset, values, spec.dtype)

    def make_dataset(
        self, group: Any, name: bytes, spec: StackSpec, chunk: tuple[int, ...]
    ) -> None:
        """Create the dataset of the stack in a group, without attributes."""
        h5py = load_h5py()
        kind = h5py.h5t.py_create(stored_type(spec), logical=True)
        space = h5py.h5s.create_simple(spec.shape)
        self.dataset = h5py.h5d.create(group, name, kind, space, self._plist(chunk))

    def make_plist(self, kind: Any) -> Any:
        """Return the properties of a new object: no times, and the order if it is noted."""
        h5p = load_h5py().h5p
        plist = h5p.create(kind)
        plist.set_obj_track_times(False)
        if self.keeps_order:
            order = h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED
            plist.set_attr_creation_order(order)
            if hasattr(plist, "set_link_creation_order"):
                plist.set_link_creation_order(order)
        return plist

    def _open(self) -> None:
        """Create a file in HDF5; `h5py.File` can't switch the times off in every version."""
        h5py = load_h5py()
        access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
        access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_V18)
        access.set_alignment(1, _ALIGNMENT)
        # Chunks are written whole: a cache would only delay them.
        access.set_cache(0, 1, 0, 1.0)
        access.set_fileobj_driver(h5py.h5fd.fileobj_driver, self._sink)
        creation = self.make_plist(h5py.h5p.FILE_CREATE)
        self.h5 = h5py.File(h5py.h5f.create(b"onebyone", h5py.h5f.ACC_TRUNC, creation, access))

    def make_groups(self, name: bytes) -> Any:
        """Create the groups on the way to an object; return the one that will hold it."""
        h5py = load_h5py()
        group = h5py.h5g.open(self.h5.id, b"/")
        plist = self.make_plist(h5py.h5p.GROUP_CREATE)
        for each in name.split(b"/")[:-1]:
            group = h5py.h5g.create(group, each, None, plist)
        return group

    def _plist(self, chunk: tuple[int, ...]) -> Any:
        h5py = load_h5py()
        plist = self.make_plist(h5py.h5p.DATASET_CREATE)
        if not chunk:
            plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            return plist
        storage = self.target.storage
        plist.set_chunk(chunk)
        if storage.shuffle:
            plist.set_shuffle()
        if storage.compression == "gzip":
            plist.set_deflate(storage.level)
        elif storage.compression == "lzf":
            plist.set_filter(h5py.h5z.FILTER_LZF, h5py.h5z.FLAG_OPTIONAL)
        if storage.fletcher32:
            plist.set_fletcher32()
        return plist


def stored_type(spec: StackSpec) -> np.dtype[Any]:
    """Return the little-endian dtype of the numbers."""
    import numpy as np

    return np.dtype(spec.dtype).newbyteorder("<")
