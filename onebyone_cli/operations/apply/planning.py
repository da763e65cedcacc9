"""Plan the memory of a job of `apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.arithmetic.ranges import counting_bytes, histogram_bytes
from onebyone_cli.formats.contracts.writer import StreamWriter
from onebyone_cli.plan.memory import Plan, apply_costs, make_plan
from onebyone_cli.plan.tiles import LONGEST_TILE

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.writer import Writer
    from onebyone_cli.operations.apply.settings import ApplySettings
    from onebyone_cli.operations.apply.worker import Steps
    from onebyone_cli.spec import StackSpec
    from onebyone_cli.stack.sources import Sources


def plan_memory(
    spec: StackSpec,
    writer: Writer | StreamWriter,
    steps: Steps,
    sources: Sources,
    settings: ApplySettings,
    *,
    in_place: bool,
) -> Plan:
    """Plan slabs, threads and spools.

    Parameters
    ----------
    spec : StackSpec
        The channels that are read, in the type of the arithmetic.
    writer : Writer or StreamWriter
        Of the output.
    steps : Steps
        What is done with each tile.
    sources : Sources
        The inputs.
    settings : ApplySettings
        The budget, and the scale.
    in_place : bool
        Whether the convolution writes into the output's buffer.

    Raises
    ------
    UsageError
        If the memory is too small.
    """
    convolution, rules, output = steps.convolution, steps.rules, writer.spec
    scratch, cache = sources.scratch_bytes, sources.cache_bytes
    if rules.mask is not None:
        scratch += rules.mask.sources.scratch_bytes
        cache += rules.mask.sources.cache_bytes
    return make_plan(
        spec,
        convolution.widest,
        spec.item_bytes,
        apply_costs(
            spec,
            output,
            widest=convolution.widest,
            hidden=sum(convolution.hidden_channels),
            staged=0 if in_place else convolution.out_channels,
            collapsed=convolution.out_channels if steps.collapse else 0,
            marks=rules.tile_pixel_bytes,
            mask=rules.slab_pixel_bytes,
            scratch=scratch + counting_bytes(settings.scale, LONGEST_TILE),
            cache=cache
            + max(writer.buffer_bytes, sources.buffer_bytes)
            + histogram_bytes(settings.scale, output.channels),
        ),
        memory=settings.memory,
        threads=settings.threads,
        spool_input_bytes=sources.spool_bytes,
        spool_output_bytes=output.data_bytes * isinstance(writer, StreamWriter),
    )
