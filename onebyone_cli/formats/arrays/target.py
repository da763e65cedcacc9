"""Choose the writer of an array: a file, standard output, or a pipe.

This module does not import numpy.
"""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING

from onebyone_cli.commit import targets

if TYPE_CHECKING:
    from onebyone_cli.formats.arrays.layout import ArrayLayout
    from onebyone_cli.formats.contracts.writer import StreamWriter, Target, Writer


def array_writer(
    target: Target, stored: ArrayLayout, header: bytes, container: str
) -> Writer | StreamWriter:
    """Make the writer of one array with `header` before it.

    `stored` is the order of the numbers, without the offset, and `container` is as in
    `ResumableWriter`.
    """
    if target.path == "-" and _takes_offsets(1):
        from onebyone_cli.formats.arrays.pipe_writers import StandardOutputWriter

        return StandardOutputWriter(target, stored, header)
    if target.path == "-" or targets.is_special(target.path):
        from onebyone_cli.formats.arrays.pipe_writers import PipeWriter

        return PipeWriter(target, stored, header)
    from onebyone_cli.formats.arrays.writer import FixedOffsetWriter

    return FixedOffsetWriter(target, stored.spec, header=header, container=container, stored=stored)


def _takes_offsets(fd: int) -> bool:
    """Return whether a descriptor is a file that is not in append mode."""
    appends = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND
    return stat.S_ISREG(os.fstat(fd).st_mode) and not appends
