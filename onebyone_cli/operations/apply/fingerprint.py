"""What makes a job the same job: all that the bytes of its output depend on."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.commit.journal import UNKNOWN
from onebyone_cli.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onebyone_cli.arithmetic.conv1x1 import Layer
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.formats.contracts.writer import Writer
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.apply.settings import ApplySettings


def identity_of(
    job: ApplyJob,
    inputs: Sequence[Reader | StreamReader],
    layers: Sequence[Layer],
    writer: Writer,
    settings: ApplySettings,
) -> Callable[[], dict[str, Any]]:
    """Tell a job by what its output depends on, in words of the command line.

    Files are told by name, size and time of change: reading a terabyte to compare it would take
    as long as the job. They are looked at now, everything else when it is asked for: most jobs
    are short and never ask.

    Returns
    -------
    callable
        Gives a dict that JSON can hold; equal for two jobs exactly if one can go on where the
        other stopped.
    """
    files = [_file(path) for reader in inputs for path in reader.files]

    def describe() -> dict[str, Any]:
        scale = settings.scale
        return {
            "the version of onebyone": __version__,
            "the version of numpy": np.__version__,
            "the input": files,
            "the dataset": [reader.inner for reader in inputs],
            "the shape of the input": list(job.input.shape),
            "--layout": [reader.axes for reader in inputs],
            "--channels": [reader.selected or None for reader in inputs],
            "--dtype-in": [_raw_type(reader) for reader in inputs],
            "the type of the arithmetic": job.input.dtype,
            "the digest of the weights": UNKNOWN if job.is_rehearsal else _digest(layers),
            "the output": writer.container(),
            "the shape of the output": UNKNOWN if job.is_rehearsal else list(job.output.shape),
            "the type of the output": job.output.dtype,
            "--nodata": _number(settings.nodata),
            "--nan-to": _number(settings.nan_to),
            "--scale": scale if isinstance(scale, str) else _numbers(scale),
            "what is written": settings.collapse or "the channels",
            "the tile": UNKNOWN if job.is_rehearsal else job.plan.tile_pixels,
        }

    return describe


def _file(path: str) -> str:
    status = os.stat(path)
    seconds, fraction = divmod(status.st_mtime_ns, 10**9)
    changed = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    return f"{os.path.realpath(path)} of {status.st_size} bytes at {changed}.{fraction:09d} UTC"


def _raw_type(reader: Reader | StreamReader) -> list[Any] | None:
    return None if reader.raw is None else [reader.raw.dtype, reader.raw.big_endian]


def _digest(layers: Sequence[Layer]) -> str:
    import hashlib

    digest = hashlib.sha256()
    for layer in layers:
        digest.update(repr((layer.map.weight.shape, layer.activation)).encode())
        digest.update(layer.map.weight.tobytes())
        digest.update(layer.map.bias.tobytes())
    return digest.hexdigest()


def _number(value: float | None) -> str | None:
    return None if value is None else repr(float(value))  # NaN is no JSON


def _numbers(values: tuple[float, float] | None) -> list[str | None] | None:
    return None if values is None else [_number(value) for value in values]
