"""A spool: numbers laid aside so that they can be read again, in any order.

A source that can be read only once, or that comes channel by channel, is laid in a spool before
slabs are read; a target that must be written in order is written from one. A spool is a file
without a name, in memory or under ``$TMPDIR``, and is gone when the process is.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from onebyone_cli.commit import targets
from onebyone_cli.errors import ReadWriteError, read_write_error
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.layout import plain_layout
from onebyone_cli.formats.arrays.writer import ArrayWriter
from onebyone_cli.formats.contracts.about import About

if TYPE_CHECKING:
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.spec import StackSpec


class Spool:
    """Room for a known number of bytes.

    Parameters
    ----------
    size : int
        Bytes it will hold.
    in_memory : bool
        Whether they lie in memory or in a file under ``$TMPDIR``.
    """

    def __init__(self, size: int, *, in_memory: bool) -> None:
        self.path = "the spool in memory"
        self._end = 0
        if in_memory and hasattr(os, "memfd_create"):
            self.fd = os.memfd_create("onebyone")
            return
        import tempfile

        folder = tempfile.gettempdir()
        self.path = f"the spool in {folder} (set TMPDIR to choose another folder)"
        try:
            targets.check_space(os.path.join(folder, "spool"), size)
            self.fd, name = tempfile.mkstemp(prefix="onebyone-", dir=folder)
            os.unlink(name)
        except ReadWriteError as error:
            raise ReadWriteError(error.message, self.path) from error
        except OSError as error:
            raise read_write_error("creating", self.path, error) from error

    def append(self, data: memoryview) -> None:
        """Add bytes at the end."""
        try:
            while data:
                count = os.pwrite(self.fd, data, self._end)
                self._end += count
                data = data[count:]
        except OSError as error:
            raise read_write_error("writing", self.path, error) from error

    @property
    def size(self) -> int:
        """Bytes appended so far."""
        return self._end

    def reader(self, layout: ArrayLayout, about: About | None = None) -> ArrayReader:
        """Read what was appended, as an array that `about` describes."""
        return ArrayReader(self.fd, layout, about or About(self.path), owns_fd=False)

    def writer(self, spec: StackSpec) -> ArrayWriter:
        """Write slabs of a CHW array."""
        return ArrayWriter(self.fd, spec, 0, self.path)

    def planes(self, spec: StackSpec) -> ArrayReader:
        """Read what slabs were written, channel by channel."""
        return self.reader(plain_layout(spec))

    def close(self) -> None:
        """Give the room back."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
