"""Temporary storage for streams, which can be read again in any order.

Sources that can be read only once, or channel by channel, are spooled before slabs are read;
outputs that must be written in order are written from a spool. A spool is a nameless file, in
memory or under ``$TMPDIR``, and ends with the process.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from onebyone_cli.errors import read_write_error
from onebyone_cli.formats.arrays.file import ArrayReader
from onebyone_cli.formats.arrays.layout import plain_layout
from onebyone_cli.formats.arrays.writer import ArrayWriter
from onebyone_cli.formats.contracts.about import About
from onebyone_cli.system.disk import check_free

if TYPE_CHECKING:
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.spec import StackSpec


class Spool:
    """Storage of `size` bytes, in memory or in a file under ``$TMPDIR``."""

    def __init__(self, size: int, *, in_memory: bool) -> None:
        self.path = "temporary memory"
        self._end = 0
        if in_memory and hasattr(os, "memfd_create"):
            self.fd = os.memfd_create("onebyone")
            return
        import tempfile

        folder = tempfile.gettempdir()
        self.path = f"a temporary file in {folder} (set TMPDIR to choose another folder)"
        check_free(folder, size, self.path)
        try:
            self.fd, name = tempfile.mkstemp(prefix="onebyone-", dir=folder)
            os.unlink(name)
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
        """Read the contents as an array that `about` describes."""
        return ArrayReader(self.fd, layout, about or About(self.path), owns_fd=False)

    def writer(self, spec: StackSpec) -> ArrayWriter:
        """Write slabs of a CHW array."""
        return ArrayWriter(self.fd, plain_layout(spec), self.path)

    def planes(self, spec: StackSpec) -> ArrayReader:
        """Read the slabs written, channel by channel."""
        return self.reader(plain_layout(spec))

    def close(self) -> None:
        """Free the storage."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
