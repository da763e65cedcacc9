"""Write an RGB array as a PNG file, atomically."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from onebyone_cli.commit import atomic, targets
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import UsageError, setting
from onebyone_cli.system.pipes import write_all

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_png(path: str, *, force: bool, inputs: tuple[str, ...] = ()) -> None:
    """Refuse an output that can't or must not be written, before any work is done.

    `path` may be ``-``, standard output. `force` permits to overwrite. `inputs` are files that are
    read.

    Raises
    ------
    UsageError
        If the name does not end in .png, or the output is a terminal.
    OutputRefusedError
        If the file can't be created.
    """
    if path == "-":
        if os.isatty(1):
            raise UsageError(
                "standard output is a terminal, and a PNG is binary; omit "
                f"{setting('output')} to see the picture, or name a file"
            )
        targets.check_not_input("/dev/stdout", inputs)
        return
    if not path.lower().endswith(".png") and not targets.is_special(path):
        raise UsageError(f"the picture is a PNG, and '{path}' does not end in .png")
    targets.check_target(path, force=force, inputs=inputs)


def write_png(rgb: NDArray[Any], path: str, *, force: bool = False) -> None:
    """Write an RGB picture (uint8, (height, width, 3)) to a path that `check_png` has accepted.

    Raises `OutputRefusedError` and `ReadWriteError` as `atomic.write_file`.
    """
    data = png_bytes(rgb)
    if path == "-":
        write_all(1, memoryview(data), "standard output")
    elif targets.is_special(path):  # a rename would replace /dev/null or a named pipe
        with open(path, "wb", buffering=0) as file:
            write_all(file.fileno(), memoryview(data), path)
    else:
        atomic.write_file(path, data, Publication(force))


def png_bytes(rgb: NDArray[Any]) -> bytes:
    """Encode a picture. The same pixels and libraries give the same bytes."""
    import numpy as np
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, format="PNG")
    return buffer.getvalue()
