"""Write a store in bands: the rows of a file of chunks, of all channels."""

from __future__ import annotations

import json
import os
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.commit import targets
from onebyone_cli.commit.folder import AtomicFolder
from onebyone_cli.commit.merge import publish_store
from onebyone_cli.commit.part import create_file
from onebyone_cli.commit.temporaries import is_claimed
from onebyone_cli.commit.unfinished import Unfinished
from onebyone_cli.errors import OutputRefusedError, setting
from onebyone_cli.formats.contracts.writer import ResumableWriter
from onebyone_cli.formats.zarr.output import array_name, band_bytes, chunk_sizes, describe, seal
from onebyone_cli.formats.zarr.store import is_store, load_zarr, make_store, writing
from onebyone_cli.names import is_url
from onebyone_cli.system.pipes import write_all

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.commit.atomic import AtomicFile
    from onebyone_cli.formats.contracts.writer import Target
    from onebyone_cli.spec import Slab, StackSpec

#: Largest number of threads expected to write at the same time.
_MAX_THREADS = 8


class _Band:
    """A band that is not complete: its numbers, and how many are missing."""

    __slots__ = ("left", "numbers")

    def __init__(self, channels: int, pixels: int, dtype: str) -> None:
        self.numbers = np.empty((channels, pixels), dtype)
        self.left = channels * pixels


class BandWriter(ResumableWriter):
    """Write a store band by band, from several threads.

    A band is written when all its numbers are there. Slabs come in ascending order, so as many
    bands wait as there are threads, and one more.
    """

    data_offset = 0

    def __init__(self, target: Target, spec: StackSpec) -> None:
        self.path, self.spec = target.path, spec
        self._target = target
        self._is_remote = is_url(target.path)
        _, shard = chunk_sizes(target, spec)
        self.band_pixels = shard[1] * spec.width
        threads = min(os.cpu_count() or 1, _MAX_THREADS)
        # Each thread also has the chunks that it encodes.
        self.buffer_bytes = (2 * threads + 1) * band_bytes(spec, shard)
        self._described, files = describe(target, spec)
        self._content = json.dumps(files).encode()
        self.container = self._content.decode()
        self._bands: dict[tuple[int, int], _Band] = {}
        self._written: set[tuple[int, int]] = set()
        self._lock = Lock()
        self._folder: AtomicFolder | None = None
        self._is_open = False
        if self._is_remote:
            self._check_address()
        else:
            _check_folder(target.path)
            targets.check_space(target.path, spec.data_bytes if target.storage.is_plain else 0)

    def open(self) -> None:
        """Create the temporary folder, or the part file and the folder of chunks."""
        publication = self._target.publication
        self._left = Unfinished(self.path)
        place = self.path
        if publication.shared or publication.resume is not None:
            self._open_part()
            place = self.path if self._is_remote else self._left.folder
        elif not self._is_remote:
            self._folder = AtomicFolder(self.path, publication)
            place = self._folder.temporary
        self._is_open = True
        if self._is_remote and publication.may_replace and not self._resumes:
            self._remove_all()
        zarr, store = load_zarr(self.path), make_store(place, self.path, read_only=False)
        described = self._described.async_array
        where = zarr.storage.StorePath(store, array_name(self._target))
        self._store = store
        self._array = zarr.Array(zarr.AsyncArray(described.metadata, where, described.config))

    def write(self, slab: Slab, block: NDArray[Any]) -> None:
        """Write a slab; see `Writer.write`."""
        for index in range(slab.items):
            item = slab.item + index
            for band, start, stop in self._bands_of(slab.start, slab.stop):
                numbers = block[index, :, start - slab.start : stop - slab.start]
                first, last = self._pixels_of(band)
                if (item, band) in self._written:
                    continue
                if (start, stop) == (first, last):
                    self._store_band(item, band, numbers)
                else:
                    held = self._held(item, band)
                    held.numbers[:, start - first : stop - first] = numbers
                    self._count(item, band, numbers.size)

    def write_run(self, item: int, channel: int, start: int, numbers: NDArray[Any]) -> None:
        """Write consecutive pixels of one channel; see `Writer.write_run`."""
        for band, at, stop in self._bands_of(start, start + numbers.size):
            if (item, band) in self._written:
                continue
            first, _ = self._pixels_of(band)
            held = self._held(item, band)
            held.numbers[channel, at - first : stop - first] = numbers[at - start : stop - start]
            self._count(item, band, stop - at)

    def is_pending(self, item: int, start: int, stop: int) -> bool:
        """Return whether pixels wait for others; see `ResumableWriter.is_pending`."""
        with self._lock:
            return any((item, band) in self._bands for band, _, _ in self._bands_of(start, stop))

    def skip(self, item: int, start: int, stop: int) -> None:
        """Keep bands of an earlier run; see `ResumableWriter.skip`."""
        self._written.update((item, band) for band, _, _ in self._bands_of(start, stop))

    def sync(self) -> None:
        """Flush the files to disk; see `ResumableWriter.sync`."""
        if not self._is_remote:
            os.sync()

    def commit(self) -> None:
        """Write the metadata files, and publish the store."""
        assert not self._bands, "every band is complete"
        publication = self._target.publication
        if self._folder is not None:
            seal(self._folder.temporary, self._content)
            self.changed = self._folder.commit()
        elif publication.resume is not None:
            self.changed = publish_store(self._left, publication, seal)
        else:
            seal(self.path, self._content)
        self._is_open = False

    def discard(self) -> None:
        """Remove what was written, unless a later run can resume it."""
        is_kept = hasattr(self, "file") and not is_claimed(self._left.part)
        if self._is_open and self._is_remote and not is_kept:
            self._remove_all()
        self._is_open = False
        if self._folder is not None:
            self._folder.discard()
        if hasattr(self, "file"):
            self.file.discard()
        if hasattr(self, "_store"):
            self._store.close()

    @property
    def _resumes(self) -> bool:
        file: AtomicFile | None = getattr(self, "file", None)
        return file is not None and file.found

    def _open_part(self) -> None:
        """Open the part file; the folder of chunks is there before its description."""
        publication, left = self._target.publication, self._left
        self.file = create_file(self.path, publication)
        try:
            if not self._is_remote:
                with writing(self.path):
                    if not (self.file.found or publication.shared):
                        left.clear_folder()
                    os.makedirs(left.folder, exist_ok=True)
            if not (publication.shared and self.file.found):
                os.lseek(self.file.fd, 0, os.SEEK_SET)
                write_all(self.file.fd, memoryview(self._content), self.path)
            self.file.settle(len(self._content), self._content)
        except BaseException:
            self.discard()
            raise

    def _bands_of(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Return the bands of pixels [start, stop), and the pixels in each."""
        size = self.band_pixels
        return [
            (band, max(start, band * size), min(stop, (band + 1) * size))
            for band in range(start // size, -(-stop // size))
        ]

    def _pixels_of(self, band: int) -> tuple[int, int]:
        return band * self.band_pixels, min((band + 1) * self.band_pixels, self.spec.pixels)

    def _held(self, item: int, band: int) -> _Band:
        first, last = self._pixels_of(band)
        with self._lock:
            held = self._bands.get((item, band))
            if held is None:
                held = _Band(self.spec.channels, last - first, self.spec.dtype)
                self._bands[item, band] = held
            return held

    def _count(self, item: int, band: int, count: int) -> None:
        """Count numbers that a band has received, and write it if they are the last."""
        with self._lock:
            held = self._bands[item, band]
            held.left -= count
            if held.left:
                return
        self._store_band(item, band, held.numbers)
        with self._lock:
            del self._bands[item, band]

    def _store_band(self, item: int, band: int, numbers: NDArray[Any]) -> None:
        """Encode and write the chunks of a band."""
        spec = self.spec
        first, last = self._pixels_of(band)
        place = np.unravel_index(item, spec.batch) if spec.batch else ()
        rows = slice(first // spec.width, last // spec.width)
        at = (*(slice(int(i), int(i) + 1) for i in place), slice(None), rows, slice(None))
        with writing(self.path):
            shape = (*(1 for _ in place), spec.channels, rows.stop - rows.start, spec.width)
            self._array[at] = numbers.reshape(shape)

    def _check_address(self) -> None:
        """Refuse an address that has a store, unless it may be replaced."""
        import fsspec

        publication = self._target.publication
        make_store(self.path, self.path, read_only=True)
        with writing(self.path):
            system, root = fsspec.core.url_to_fs(self.path)
            names = ("zarr.json", ".zgroup", ".zarray")
            is_there = any(system.exists(f"{root.rstrip('/')}/{name}") for name in names)
        if is_there and not publication.may_replace:
            raise OutputRefusedError(
                f"exists already; use {setting('force')} to replace it", self.path
            )
        if is_there and publication.shared:
            raise OutputRefusedError("exists already; remove it before several jobs", self.path)

    def _remove_all(self) -> None:
        """Remove everything below the address."""
        import fsspec

        with writing(self.path):
            system, root = fsspec.core.url_to_fs(self.path)
            if system.exists(root):
                system.rm(root, recursive=True)
            system.invalidate_cache()


def _check_folder(path: str) -> None:
    """Refuse to replace a folder that is no store."""
    if os.path.isdir(path) and os.listdir(path) and not is_store(path):
        raise OutputRefusedError("is a folder and no Zarr store; it is not replaced", path)


def make_writer(target: Target, spec: StackSpec) -> BandWriter:
    """Make the writer of a store."""
    return BandWriter(target, spec)
