"""Capabilities of readers, for the plan."""

from __future__ import annotations

from onebyone_cli.formats.arrays.layout import SCRATCH_BYTES
from onebyone_cli.formats.contracts.reader import Reader, StreamReader
from onebyone_cli.plan.source_costs import Capabilities


def capabilities_of(reader: Reader | StreamReader) -> Capabilities:
    """Return the capabilities of a reader."""
    if isinstance(reader, Reader):
        return Capabilities(
            reader.spec, scratch_bytes=reader.scratch_bytes, cache_bytes=reader.cache_bytes
        )
    return Capabilities(
        reader.spec,
        is_stream=True,
        run_pixels=reader.run_pixels,
        run_channels=reader.run_channels,
        scratch_bytes=reader.scratch_bytes or SCRATCH_BYTES,
        buffer_bytes=reader.buffer_bytes,
    )
