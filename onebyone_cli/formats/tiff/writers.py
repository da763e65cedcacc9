"""Write TIFF files.

Without compression and tiles, the numbers lie at fixed offsets. Otherwise strips or tiles are
encoded in several threads and written one after another.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.commit import targets
from onebyone_cli.commit.atomic import AtomicFile
from onebyone_cli.errors import (
    DependencyMissingError,
    OneByOneError,
    UsageError,
    read_write_error,
    setting,
)
from onebyone_cli.formats.arrays.writer import FixedOffsetWriter
from onebyone_cli.formats.contracts.writer import Planes, StreamWriter, Target
from onebyone_cli.formats.tiff.codecs import INSTALL, has_codec
from onebyone_cli.formats.tiff.output import Form, Recorder, encode, write_pages
from onebyone_cli.formats.tiff.page import NO_COMPRESSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from onebyone_cli.spec import StackSpec

#: Size of a strip. Readers that want a few rows take whole strips.
_STRIP_BYTES = 1 << 18
#: That of uncompressed strips, of which a reader may take any part.
_PLAIN_STRIP_BYTES = 1 << 20

#: Tiles have multiples of so many rows and columns.
_TILE_STEP = 16

#: Most threads that encode.
_MAX_THREADS = 8

#: Most rows and columns.
_MOST_SIDE = 2**31 - 1

#: Most samples of a page.
_MOST_SAMPLES = 2**16 - 1

#: Buffers of a strip or tile that is encoded: as read, as the predictor leaves it, compressed.
_BUFFERS = 4

#: Values of the tag, by values of the setting; imagecodecs is needed for the last two.
_CODES = {"deflate": 8, "gzip": 8, "zstd": 50000, "lzw": 5}


def make_writer(target: Target, spec: StackSpec) -> FixedOffsetWriter | SegmentWriter:
    """Make the writer of a TIFF file.

    Raises
    ------
    UsageError
        If a TIFF file can't hold the result, or can't be stored as asked.
    DependencyMissingError
        If a library is missing that compresses.
    """
    if target.path == "-" or targets.is_special(target.path):
        raise UsageError(
            "a TIFF file is not written to a pipe or device; name a file, or use "
            f"{setting('format', 'npy')}"
        )
    if target.path.endswith("/"):
        raise UsageError(f"'{target.path}' is a folder, and the format is that of one file")
    if max(spec.height, spec.width) > _MOST_SIDE:
        raise UsageError(
            f"{spec.height}×{spec.width} pixels are more than a TIFF file can hold; write .npy"
        )
    form = _form(target, spec)
    if form.samples > _MOST_SAMPLES:
        raise UsageError(
            f"a page of a TIFF file holds {_MOST_SAMPLES} channels, and the result has "
            f"{form.samples}; use {setting('format', 'tiff-pages')}"
        )
    if target.storage.is_plain and spec.dtype != "bool":
        kind = "pages" if form.as_pages else "bands"
        create = partial(_create, form)
        return FixedOffsetWriter(target, spec, create=create, container=f"TIFF {kind}")
    return SegmentWriter(target, form)


def _create(form: Form, fd: int) -> tuple[int, int]:
    """Write all but the numbers; return the offset of the first, and the size of the file."""
    recorder = Recorder()
    start, size = write_pages(form, recorder, None)
    end = start + size
    for offset, piece in recorder.pieces:
        if not start <= offset < start + size:
            os.pwrite(fd, piece, offset)
            end = max(end, offset + len(piece))
    return start, end


def _form(target: Target, spec: StackSpec) -> Form:
    storage = target.storage
    is_plain = storage.is_plain and spec.dtype != "bool"
    form = Form(spec, target.metadata, target.kind == "tiff-pages", 1, spec.width)
    room = _PLAIN_STRIP_BYTES if is_plain else _STRIP_BYTES
    form = form._replace(rows=max(1, min(spec.height, room // form.row_bytes)))
    if storage.chunks:
        form = _with_chunks(form, storage.chunks)
    if storage.compression:
        level = 0 if storage.compression == "lzw" else max(1, storage.level)
        form = form._replace(compression=_compression(storage.compression), level=level)
    if storage.shuffle:
        if form.compression == NO_COMPRESSION or spec.dtype == "bool":
            raise UsageError(
                f"{setting('shuffle')} is for compressed numbers; give {setting('compression')}, "
                "and no bool"
            )
        form = form._replace(predictor=3 if spec.dtype.startswith("float") else 2)
        if form.predictor == 3:
            _check_codec("floatpred", f"{setting('shuffle')} of {spec.dtype}")
    return form


def _compression(name: str) -> int:
    number = _CODES.get(name)
    if number is None:
        known = ", ".join(_CODES)
        raise UsageError(f"{setting('compression', name)} is not one of TIFF; choose from {known}")
    if name in ("zstd", "lzw"):
        _check_codec(name, setting("compression", name))
    return number


def _check_codec(name: str, what: str) -> None:
    if not has_codec(name):
        raise DependencyMissingError(f"{what} needs imagecodecs; install it: {INSTALL}")


def _with_chunks(form: Form, chunks: tuple[int, ...]) -> Form:
    """Return the form with tiles, or with strips if a chunk has whole rows."""
    spec, shown = form.spec, "x".join(map(str, chunks))
    if len(chunks) != 3 or chunks[0] != 1 or min(chunks) < 1:
        raise UsageError(
            f"{setting('chunks', shown)}: strips and tiles of a TIFF file have one channel; write "
            "1xHxW"
        )
    _, rows, columns = chunks
    if columns == spec.width:
        return form._replace(rows=min(rows, spec.height))
    if rows % _TILE_STEP or columns % _TILE_STEP:
        raise UsageError(
            f"{setting('chunks', shown)}: tiles of a TIFF file have multiples of {_TILE_STEP} rows "
            f"and columns, as in 1x256x256, and strips all {spec.width} columns"
        )
    return form._replace(rows=rows, columns=columns, are_tiles=True)


class SegmentWriter(StreamWriter):
    """Write strips or tiles one after another, and the directories behind them."""

    def __init__(self, target: Target, form: Form) -> None:
        self.path = target.path
        self.spec = form.spec
        self._target = target
        self._form = form
        self._threads = min(os.cpu_count() or 1, _MAX_THREADS)
        across = -(-form.spec.width // form.columns)
        band = form.rows * form.columns * across * form.spec.item_bytes
        segment = form.rows * form.columns * form.spec.item_bytes
        self.buffer_bytes = 3 * band + (2 * self._threads + 1) * _BUFFERS * segment
        if form.compression == NO_COMPRESSION:
            targets.check_space(target.path, form.spec.data_bytes // 8)

    def open(self) -> None:
        """Create the temporary."""
        self._file = AtomicFile(self.path, self._target.publication)

    def fill(self, result: Planes, on_bytes: Callable[[int], None]) -> None:
        """Encode and write all strips or tiles; see `StreamWriter.fill`."""
        try:
            with open(self._file.fd, "r+b", closefd=False) as file:
                vars(file.raw)["name"] = self.path  # tifffile takes no number for one
                write_pages(self._form, file, self._encoded(result, on_bytes))
                self._size = file.seek(0, os.SEEK_END)
        except OneByOneError:
            raise
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error

    def commit(self) -> None:
        """Publish the file."""
        self.changed = self._file.commit(self._size)

    def discard(self) -> None:
        """Remove the temporary."""
        if hasattr(self, "_file"):
            self._file.discard()

    def _encoded(self, result: Planes, on_bytes: Callable[[int], None]) -> Iterator[bytes]:
        """Encode in several threads; yield in the order of the file."""
        waiting: deque[Future[bytes]] = deque()
        with ThreadPoolExecutor(self._threads) as pool:
            try:
                for segment in self._segments(result, on_bytes):
                    waiting.append(pool.submit(encode, self._form, segment))
                    if len(waiting) > 2 * self._threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for each in waiting:
                    each.cancel()

    def _segments(self, result: Planes, on_bytes: Callable[[int], None]) -> Iterator[NDArray[Any]]:
        """Yield strips or tiles in the order of the file; tiles at the edges are padded with 0."""
        spec, form, done = self.spec, self._form, 0
        for item in range(spec.items):
            for channel in range(spec.channels):
                for top in range(0, spec.height, form.rows):
                    bottom = min(top + form.rows, spec.height)
                    band = result.rows(item, channel, top, bottom)
                    if form.are_tiles:
                        yield from _tiles(band, form)
                    else:
                        yield band
                    done += band.size * spec.item_bytes
                    on_bytes(done)


def _tiles(band: NDArray[Any], form: Form) -> Iterator[NDArray[Any]]:
    for left in range(0, form.spec.width, form.columns):
        part = band[:, left : left + form.columns]
        tile = np.zeros((form.rows, form.columns), band.dtype)
        tile[: part.shape[0], : part.shape[1]] = part
        yield tile
