"""Describe an input: shape, type, storage, and what ``apply`` would need for it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli import formats
from onebyone_cli.errors import UsageError, spelled
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.about import Container
from onebyone_cli.formats.contracts.metadata import Metadata
from onebyone_cli.operations.hints import likely_order
from onebyone_cli.operations.inputs import Reading
from onebyone_cli.plan.memory import apply_costs, make_plan
from onebyone_cli.plan.source_costs import source_costs
from onebyone_cli.spec import arithmetic_dtype
from onebyone_cli.stack.costs import capabilities_of
from onebyone_cli.system.limits import default_memory, default_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.formats.contracts.about import About
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.plan.memory import Plan
    from onebyone_cli.spec import StackSpec

#: A budget that no header asks for.
_ANY_MEMORY = 1 << 62


class Needs(NamedTuple):
    """What ``apply`` would need to write a ``.npy`` with as many channels as the input.

    `plan` is for the default memory and threads; None if that memory is too small, and then
    `refusal` is the reason.
    """

    arithmetic: str
    plan: Plan | None
    refusal: str = ""


class StackFacts(NamedTuple):
    """Facts about an input from its header.

    `inner` is the dataset in the file, or empty. `file_bytes` is the size of the file or of all
    files of a folder; None for a pipe. `hint` is that of `hints.likely_order`, and `notes` are
    those of `About`.
    """

    path: str
    spec: StackSpec
    container: Container
    inner: str
    metadata: Metadata
    file_bytes: int | None
    needs: Needs
    hint: str = ""
    notes: tuple[str, ...] = ()


def inspect_stack(text: str, reading: Reading | None = None) -> StackFacts:
    """Describe an input, read as `reading` tells; errors are those of `opening.open_input`."""
    reading = reading or Reading("", 0)
    refusal = ""
    try:
        return _open(text, reading, default_memory())
    except UsageError as error:  # its chunks or images are too large for the default
        refusal = str(error)
    facts = _open(text, reading, _ANY_MEMORY)
    return facts._replace(needs=Needs(facts.needs.arithmetic, None, refusal))


def shape_of(texts: Sequence[str], reading: Reading) -> StackSpec:
    """Return the shape of inputs that are stacked along the channels; `reading` tells their axes.

    Raises
    ------
    ShapeMismatchError
        If they differ in height or width.
    """
    with ExitStack() as stack:
        opened = reading._replace(memory=_ANY_MEMORY).open(texts, stack)
        if len(opened) == 1:
            return opened[0].spec
        from onebyone_cli.stack.stack import stacked_spec

        return stacked_spec(opened, opened[0].spec.dtype)


def _open(text: str, reading: Reading, memory: int) -> StackFacts:
    with ExitStack() as stack:
        (reader,) = reading._replace(memory=memory).open([text], stack)
        about = reader.about
        return StackFacts(
            text,
            reader.spec,
            about.container or _container_of(text, reader.spec),
            about.inner,
            about.metadata,
            _size(about),
            _needs(reader),
            spelled(likely_order(reader)),
            about.notes,
        )


def _container_of(text: str, spec: StackSpec) -> Container:
    """Describe the container if the format does not."""
    title = formats.of_input(opening.split_inner(text)[0]).title
    return Container(title, spec.shape, "N" * len(spec.batch) + "CHW")


def _needs(reader: Reader | StreamReader) -> Needs:
    spec = reader.spec
    stack = spec._replace(dtype=arithmetic_dtype([spec.dtype]))
    reading = source_costs([capabilities_of(reader)], in_order=True, memory=default_memory())
    costs = apply_costs(
        stack,
        stack,
        widest=stack.channels,
        scratch=reading.scratch_bytes,
        cache=reading.cache_bytes + reading.buffer_bytes,
    )
    try:
        plan = make_plan(
            stack,
            stack.channels,
            stack.item_bytes,
            costs,
            memory=default_memory(),
            threads=default_threads(),
            spool_input_bytes=reading.spool_bytes,
        )
    except UsageError as error:
        return Needs(stack.dtype, None, str(error))
    return Needs(stack.dtype, plan)


def _size(about: About) -> int | None:
    """Add up the sizes of files, without folders; None for a pipe."""
    if about.count_bytes is not None:
        return about.count_bytes()
    sizes = [0 if os.path.isdir(name) else os.stat(name).st_size for name in about.files]
    return sum(sizes) if sizes else None
