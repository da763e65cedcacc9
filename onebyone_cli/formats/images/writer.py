"""Write a folder with one image per channel or per stack of a batch, or a single image.

A path that ends in ``/`` is a folder. Its images have the names of the channels, or else their
numbers, as ``00.png`` to ``19.png``; see `folders.naming`. Reading the folder gives the channels in
the same order. A single image holds one channel, or three of uint8 as RGB. So does each image of a
batch, also of one, whose folder has a numbered image for each stack. A batch of one that an image
can't hold is written as one stack. The same numbers give the same bytes.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

from onebyone_cli.commit import targets
from onebyone_cli.commit.atomic import AtomicFile
from onebyone_cli.commit.folder import AtomicFolder
from onebyone_cli.errors import (
    OneByOneError,
    OutputRefusedError,
    ReadWriteError,
    UsageError,
    read_write_error,
    setting,
)
from onebyone_cli.formats.contracts.writer import Planes, StreamWriter, Target
from onebyone_cli.formats.folders.naming import file_names, numbered
from onebyone_cli.formats.folders.order import natural_order
from onebyone_cli.formats.images.kinds import (
    KINDS,
    OTHER_FORMATS,
    channels_together,
    is_by_stack,
    is_folder,
    kind_of,
    plain_bytes,
    suffix_of,
)
from onebyone_cli.formats.images.other_files import memory_of_a_file, write_channels
from onebyone_cli.system.pipes import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import IO

    from numpy.typing import NDArray
    from PIL.Image import Image as PillowImage

    from onebyone_cli.spec import StackSpec

#: Pillow's mode of one channel, and its bytes per pixel.
_MODES = {
    "bool": ("1", 1),
    "uint8": ("L", 1),
    "uint16": ("I;16", 2),
}

#: Encoder options. PNG of 1200×1200 smooth, noisy uint8: level 1 takes 42 ms for 54 % of the size,
#: level 6 takes 239 ms for 46 %. JPEG is lossy at the user's request; the loss is kept small.
_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 1},
    "JPEG": {"quality": 95, "subsampling": 0},
}

#: Size of the pieces in which rows are copied into an image.
_PIECE_BYTES = 1 << 20

#: Memory of encoders: zlib's window and tables, libjpeg's rows, Pillow's buffer.
_ENCODER_BYTES = 1 << 19

#: Upper bound of a header with its tags.
_HEADER_BYTES = 1 << 10


class ImagesWriter(StreamWriter):
    """Encode the result, one image at a time.

    Of the metadata, a folder keeps the names of channels, one of TIFF files all that these hold,
    and a single image nothing.

    Raises
    ------
    UsageError
        If images can't hold the result.
    OutputRefusedError
        If an existing file or folder must not be overwritten.
    ReadWriteError
        If the disk is too full for uncompressed images.
    """

    def __init__(self, target: Target, spec: StackSpec) -> None:
        _check_asked(target, spec)
        kind = kind_of(target, spec)
        self.path = target.path
        self.spec = spec
        self._target = target
        self._family, self._suffix = kind.family, kind.suffixes[0]
        self._other = OTHER_FORMATS.get(kind.family, "")
        self._is_folder = is_folder(target.path)
        self._together = channels_together(kind, target.path, spec)
        if self._is_folder and is_by_stack(kind, spec):
            self._names = numbered(spec.items, kind.suffixes[0])
        else:
            self._names = file_names(target.metadata.channels, spec.channels, kind.suffixes[0])
        self._rows = max(1, _PIECE_BYTES // (spec.width * spec.item_bytes * self._together))
        self.buffer_bytes = self._memory()
        self._check_replaceable()
        if kind.plain or self._other:
            images = spec.items * spec.channels // self._together
            size = plain_bytes(spec, self._together) + _HEADER_BYTES
            targets.check_space(target.path.rstrip("/"), size * images)

    def _memory(self) -> int:
        spec = self.spec
        if self._other:
            one = spec._replace(channels=self._together, batch=())
            return memory_of_a_file(self._other, self.path.rstrip("/") + self._suffix, one)
        _, pixel = _MODES[spec.dtype]
        image = spec.pixels * (pixel if self._together == 1 else 4)
        # Rows in transit: as read, interleaved as RGB, and Pillow's own.
        rows = min(self._rows, spec.height) * spec.width * self._together * (spec.item_bytes + 4)
        return image + 2 * rows + _ENCODER_BYTES

    def open(self) -> None:
        """Create the temporary."""
        target = self._target
        self._output: AtomicFolder | AtomicFile
        if self._is_folder:
            make: type[AtomicFolder | AtomicFile] = AtomicFolder
        else:
            make = AtomicFile
        self._output = make(target.path, target.publication)

    def fill(self, result: Planes, on_bytes: Callable[[int], None]) -> None:
        """Write all images."""
        spec, done = self.spec, 0
        firsts = [
            (item, first)
            for item in range(spec.items)
            for first in range(0, spec.channels, self._together)
        ]
        for name, (item, first) in zip(self._names, firsts, strict=False):
            if isinstance(self._output, AtomicFile):
                self._encode(self._image(result, item, first), self._output.fd)
            else:
                path = os.path.join(self._output.temporary, name)
                if self._other:
                    channels = range(first, first + self._together)
                    said = self._target.metadata
                    write_channels(self._other, path, result, item, channels, said)
                else:
                    self._write_file(self._image(result, item, first), path)
            done += spec.pixels * self._together * spec.item_bytes
            on_bytes(done)

    def commit(self) -> None:
        """Publish the image or the folder."""
        # Files may have appeared in the folder during the job.
        self._check_replaceable()
        self.changed = self._output.commit()

    def discard(self) -> None:
        """Remove the temporary, if there is one."""
        if hasattr(self, "_output"):
            self._output.discard()

    def _image(self, result: Planes, item: int, first: int) -> PillowImage:
        """Compose one image, some rows at a time: a whole copy would double the memory."""
        from PIL import Image

        spec = self.spec
        mode = "RGB" if self._together == 3 else _MODES[spec.dtype][0]
        image = Image.new(mode, (spec.width, spec.height), None)
        for start in range(0, spec.height, self._rows):
            stop = min(start + self._rows, spec.height)
            image.paste(Image.fromarray(self._read(result, item, first, start, stop)), (0, start))
        return image

    def _read(self, result: Planes, item: int, first: int, start: int, stop: int) -> NDArray[Any]:
        """Read rows of one channel, (rows, W), or of three, (rows, W, 3)."""
        import numpy as np

        if self._together == 1:
            return result.rows(item, first, start, stop)
        channels = range(first, first + self._together)
        return np.stack([result.rows(item, channel, start, stop) for channel in channels], axis=-1)

    def _write_file(self, image: PillowImage, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            fd = os.open(path, flags, 0o666)
            try:
                self._encode(image, fd)
            finally:
                os.close(fd)
        except OneByOneError:
            raise
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error

    def _encode(self, image: PillowImage, fd: int) -> None:
        from onebyone_cli.formats.images.headers import load_plugin

        load_plugin(self._family)
        sink = cast("IO[bytes]", _Sink(fd, self.path))
        try:
            image.save(sink, self._family, **_OPTIONS.get(self._family, {}))
        except OneByOneError:
            raise
        except Exception as error:
            raise ReadWriteError(f"can't be encoded: {error}", self.path) from error

    def _check_replaceable(self) -> None:
        if self._is_folder:
            force = self._target.publication.may_replace
            check_replaceable(self.path, self._names, force=force)


class _Sink:
    """A file without a descriptor for Pillow's encoders.

    Given a descriptor, encoders write themselves and report a full disk as "encoder error".
    """

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path

    def write(self, data: bytes) -> int:
        write_all(self._fd, memoryview(data), self._path)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self._fd, offset, whence)

    def tell(self) -> int:
        return os.lseek(self._fd, 0, os.SEEK_CUR)

    def flush(self) -> None:
        """Do nothing: writes are not buffered."""


def check_replaceable(path: str, names: Sequence[str], *, force: bool) -> None:
    """Refuse a folder that contains anything but an earlier output.

    Its images have the `names` of this one, or numbers. `force` permits to overwrite it.

    Raises
    ------
    OutputRefusedError
        Names the first file that would be lost.
    """
    target = os.path.realpath(path)
    if not os.path.lexists(target):
        return
    if not os.path.isdir(target):
        raise OutputRefusedError("is a file, and the name asks for a folder of images", path)
    try:
        with os.scandir(target) as entries:
            found = {entry.name: entry.is_file(follow_symlinks=False) for entry in entries}
    except OSError as error:
        raise OutputRefusedError(f"can't be looked into: {error.strerror}", path) from error
    if found and not force:
        raise OutputRefusedError(
            f"exists already and is not empty; use {setting('force')} to replace it", path
        )
    stranger = _first_stranger(found, names)
    if stranger:
        raise OutputRefusedError(
            f"holds {stranger}, which this program would not write, and {setting('force')} "
            "replaces the whole folder; move that file away or choose another name",
            path,
        )


def _first_stranger(found: dict[str, bool], names: Sequence[str]) -> str:
    """Return the first name that an output of `names`, or of numbers without a gap, has not.

    `found` maps names to whether they are regular files.
    """
    named = set(names) != set(numbered(len(names), suffix_of(names[0])))
    if named and found.keys() <= set(names) and all(found.values()):
        return ""
    there = natural_order(found)
    ours = [kind.suffixes[0] for kind in KINDS.values()]
    suffix = next((suffix_of(name) for name in there if suffix_of(name) in ours), "")
    expected = set(numbered(len(there), suffix)) if suffix else set()
    return next((name for name in there if name not in expected or not found[name]), "")


def _check_asked(target: Target, spec: StackSpec) -> None:
    if target.path == "-" or targets.is_special(target.path):
        raise UsageError("images are written to files and folders only; use .npy for a stream")
    if spec.items > 1 and not is_folder(target.path):
        raise UsageError(
            f"an image holds one stack, the result is a batch of {spec.items}; end the name with / "
            f"for a folder with an image of each (or {setting('format', 'images')} with "
            f"{setting('each')}), or write .npy or .h5"
        )
