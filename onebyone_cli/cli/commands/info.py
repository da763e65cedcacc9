"""``onebyone info``: what files are, without reading a pixel."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from onebyone_cli.cli import values
from onebyone_cli.cli.options import inputs
from onebyone_cli.cli.terminal.console import Console, print_out, print_table
from onebyone_cli.cli.terminal.console import error as say_error
from onebyone_cli.errors import OneByOneError, UsageError
from onebyone_cli.names import suffix_of
from onebyone_cli.units import printable
from onebyone_cli.weights.formats import ONLY_WEIGHTS

if TYPE_CHECKING:
    from onebyone_cli.cli.terminal.file_report import Facts

EXAMPLES = """\b
Examples:
  onebyone info stack.npy
  onebyone info scenes/*.npy cube.h5:/radiance channels/ model.npz
  onebyone info --channels stack.npy
  onebyone info --json stack.npy
  onebyone info result.npy.part
"""


def info(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="An input of any kind, a weights file or model, moments that stats has saved, or "
            "the output of a stopped job (OUTPUT or OUTPUT.part).",
            default_factory=list,
            show_default=False,
        ),
    ],
    shape: Annotated[
        bool,
        typer.Option(
            "--shape",
            help="Print only the sizes of the axes as stored, as in 50,600,600; a line for each "
            "path.",
            show_default=False,
        ),
    ] = False,
    dtype: Annotated[
        bool,
        typer.Option(
            "--dtype", help="Print only the type of the numbers, as in float32.", show_default=False
        ),
    ] = False,
    channels: Annotated[
        bool,
        typer.Option(
            "--channels",
            help="Print only the number of channels; of weights, those they take.",
            show_default=False,
        ),
    ] = False,
    inputs_from: inputs.InputsFrom = "",
    layout: inputs.Layout = "CHW",
    json: inputs.Json = False,
    quiet: inputs.Quiet = False,
    debug: inputs.Debug = False,
) -> None:
    """Tell what files are, from their headers.

    Shape, type, storage and channel names, and what apply would need to make as many output
    channels with the default memory and threads. Of a model, what it was learned from; of a
    stopped job, how far it is and how to go on; of an HDF5 file with several datasets, their
    names. One path gives a block, several a table. A path that can't be read is told on standard
    error and the others follow; the exit status is then that of the first error.
    """
    wanted = _only_one({"shape": shape, "dtype": dtype, "channels": channels}, json=json)
    paths = values.inputs_of(paths, inputs_from)
    values.check_names(paths, [])
    found: list[Facts | OneByOneError] = [_look(path, layout, wanted) for path in paths]
    failures = [each for each in found if isinstance(each, OneByOneError)]
    if failures and len(paths) == 1:
        raise failures[0]
    if json:
        _print_document(paths, found)
    elif quiet:
        pass  # whether all could be read is in the status
    elif wanted:
        _print_bare([each for each in found if not isinstance(each, OneByOneError)], wanted)
    else:
        _print([each for each in found if not isinstance(each, OneByOneError)], len(paths) == 1)
    for failure in failures:
        say_error(str(failure))
    if failures:
        from onebyone_cli.errors import status_of

        raise typer.Exit(status_of(failures[0]))


def _only_one(flags: dict[str, bool], *, json: bool) -> str:
    """Tell which single value is wanted; empty for everything."""
    asked = [name for name, is_asked in flags.items() if is_asked]
    if len(asked) > 1 or (asked and json):
        shown = " and ".join(f"--{name}" for name in [*asked, *["json"] * json][:2])
        raise UsageError(f"{shown} each print something else; give one of them")
    return asked[0] if asked else ""


def _look(path: str, layout: str, wanted: str) -> "Facts | OneByOneError":
    """Find out what a path is; an error is kept, so that other paths can follow."""
    from onebyone_cli.cli.terminal.file_report import bare

    try:
        facts = _facts(path, layout)
        if wanted:
            bare(facts, wanted)  # says so if it has none
    except OneByOneError as failure:
        return failure
    return facts


def _facts(path: str, layout: str) -> "Facts":
    from onebyone_cli.cli.terminal.file_report import DatasetsFacts
    from onebyone_cli.operations.info import stacks, unfinished

    output = unfinished.unfinished_output(path)
    if output:
        return unfinished.inspect_unfinished(output)
    archive = _archive_facts(path)
    if archive is not None:
        return archive
    from onebyone_cli.formats import opening

    datasets = opening.list_datasets(path)
    if len(datasets) > 1:
        return DatasetsFacts(path, datasets, os.path.getsize(path))
    return stacks.inspect_stack(path, layout=layout)


def _archive_facts(path: str) -> "Facts | None":
    """Look at weights and moments; None for what is a stack or nothing at all."""
    suffix = suffix_of(path)
    if suffix not in ONLY_WEIGHTS or not os.path.isfile(path):
        return None
    from onebyone_cli.operations.info.archives import (
        holds_moments,
        inspect_moments,
        inspect_weights,
    )

    is_moments = suffix == ".npz" and holds_moments(path)
    return inspect_moments(path) if is_moments else inspect_weights(path)


def _print(found: "Sequence[Facts]", is_one: bool) -> None:
    from onebyone_cli.cli.terminal.file_report import COLUMNS, TEXTS, lines, row, title

    if not is_one:
        if found:
            print_table(COLUMNS, [row(facts) for facts in found], TEXTS)
        return
    (facts,) = found
    told = lines(facts)
    width = max(len(word) for word, _ in told)
    block = [
        f"{facts.path}: {title(facts)}",
        *(f"  {word:<{width}}  {text}" for word, text in told),
    ]
    print_out("\n".join(map(printable, block)))


def _print_bare(found: "Sequence[Facts]", wanted: str) -> None:
    from onebyone_cli.cli.terminal.file_report import bare

    if found:
        print_out("\n".join(bare(facts, wanted) for facts in found))


def _print_document(paths: Sequence[str], found: "Sequence[Facts | OneByOneError]") -> None:
    from onebyone_cli.cli.terminal.file_report import document
    from onebyone_cli.errors import status_of

    told = []
    for path, facts in zip(paths, found, strict=True):
        if isinstance(facts, OneByOneError):
            error = {"code": int(status_of(facts)), "message": facts.message, "path": facts.path}
            told.append({"path": path, "error": error})
        else:
            told.append(document(facts))
    first = [each["error"] for each in told if "error" in each][:1]
    Console(json=True).document({"paths": told} | ({"error": first[0]} if first else {}))
