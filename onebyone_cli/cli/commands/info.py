"""``onebyone info``: describe files without reading pixels."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from onebyone_cli.cli.options.facts import Facts as Wanted
from onebyone_cli.cli.options.inputs import Paths, Raw
from onebyone_cli.cli.options.messages import Messages
from onebyone_cli.cli.terminal.console import Console, print_out, print_table
from onebyone_cli.cli.terminal.console import error as say_error
from onebyone_cli.errors import OneByOneError, UsageError
from onebyone_cli.names import suffix_of
from onebyone_cli.units import printable
from onebyone_cli.weights.formats import ONLY_WEIGHTS

if TYPE_CHECKING:
    from onebyone_cli.cli.terminal.file_report import Facts
    from onebyone_cli.operations.inputs import Reading

EXAMPLES = """
onebyone info stack.npy
onebyone info scenes/*.npy cube.h5:/radiance channels/ model.npz
onebyone info --get channels stack.npy
onebyone info --json stack.npy
onebyone info --raw --shape 50,600,600 --dtype-in u2 --offset 128 camera.dat
onebyone info result.npy.part
"""

#: Columns of a block, and least columns of a text beside a long word.
_COLUMNS = 80
_LEAST_TEXT = 40


def info(get: Wanted, input: Paths, raw: Raw, messages: Messages) -> int:
    """Show what files are, from their headers.

    Shape, type, storage and channel names, and what apply would need to make as many output
    channels with the default memory and threads. Of a model, what it was learned from; of a
    stopped job, how far it is and how to resume it; of an HDF5 file with several datasets, their
    names. One path gives a block, several a table. A path that can't be read is reported on
    standard error and the others follow; the exit status is then that of the first error.
    """
    wanted, paths = get.field(), input.listed()
    if wanted and messages.json:
        raise UsageError("--get and --json each print something else; give one of them")
    reading = input.reading(raw.spec())
    found: list[Facts | OneByOneError] = [_look(path, reading, wanted) for path in paths]
    failures = [each for each in found if isinstance(each, OneByOneError)]
    if failures and len(paths) == 1:
        raise failures[0]
    if messages.json:
        _print_document(paths, found)
    elif messages.quiet:
        pass
    elif wanted:
        _print_bare([each for each in found if not isinstance(each, OneByOneError)], wanted)
    else:
        _print([each for each in found if not isinstance(each, OneByOneError)], len(paths) == 1)
    _say_hints(found, messages.console())
    for failure in failures:
        say_error(str(failure))
    if failures:
        from onebyone_cli.errors import status_of

        return status_of(failures[0])
    return 0


def _say_hints(found: "Sequence[Facts | OneByOneError]", console: Console) -> None:
    """Ask on standard error for another order of axes, where the usual one seems wrong."""
    for each in found:
        hint = getattr(each, "hint", "")
        if hint:
            console.say(f"{each.path}: {hint}")


def _look(path: str, reading: "Reading", wanted: str) -> "Facts | OneByOneError":
    """Describe a path; an error is returned, so that other paths can follow."""
    from onebyone_cli.cli.terminal.bare_value import bare

    try:
        facts = _facts(path, reading)
        if wanted:
            bare(facts, wanted)  # raises if it has no such value
    except OneByOneError as failure:
        return failure
    return facts


def _facts(path: str, reading: "Reading") -> "Facts":
    from onebyone_cli.cli.terminal.file_report import DatasetsFacts
    from onebyone_cli.operations.info import stacks, unfinished

    if reading.raw is not None and reading.raw.shape:
        return stacks.inspect_stack(path, reading)
    output = unfinished.unfinished_output(path)
    if output:
        return unfinished.inspect_unfinished(output)
    archive = _archive_facts(path)
    if archive is not None:
        return archive
    from onebyone_cli import formats
    from onebyone_cli.formats import opening

    datasets = opening.list_datasets(path)
    if len(datasets) > 1:
        size = os.path.getsize(path) if os.path.isfile(path) else 0
        return DatasetsFacts(path, datasets, size, formats.of_input(path).name)
    return stacks.inspect_stack(path, reading)


def _archive_facts(path: str) -> "Facts | None":
    """Describe weights and moments; return None for other files."""
    suffix = suffix_of(path)
    if not os.path.isfile(path):
        return None
    from onebyone_cli.formats.npz.archive import Contents
    from onebyone_cli.operations.info.archives import (
        inspect_moments,
        inspect_weights,
        kind_of_archive,
    )

    if suffix in ONLY_WEIGHTS and suffix != ".npz":
        return inspect_weights(path)
    kind = kind_of_archive(path)
    if kind is Contents.MOMENTS:
        return inspect_moments(path)
    return inspect_weights(path) if kind is Contents.WEIGHTS else None


def _print(found: "Sequence[Facts]", is_one: bool) -> None:
    from onebyone_cli.cli.terminal.file_report import COLUMNS, TEXTS, lines, row, title

    if not is_one:
        if found:
            print_table(COLUMNS, [row(facts) for facts in found], TEXTS)
        return
    (facts,) = found
    found_lines = lines(facts)
    width = max(len(word) for word, _ in found_lines)
    block = [
        printable(f"{facts.path}: {title(facts)}"),
        *(line for word, text in found_lines for line in _wrapped(printable(text), word, width)),
    ]
    print_out("\n".join(block))


def _wrapped(text: str, word: str, width: int) -> list[str]:
    """Lay out a fact in lines of `_COLUMNS`, after its word in a column of `width`."""
    import textwrap

    first = f"  {printable(word):<{width}}  "
    return textwrap.wrap(
        text,
        max(_COLUMNS, width + _LEAST_TEXT),
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def _print_bare(found: "Sequence[Facts]", wanted: str) -> None:
    from onebyone_cli.cli.terminal.bare_value import bare

    if found:
        print_out("\n".join(bare(facts, wanted) for facts in found))


def _print_document(paths: Sequence[str], found: "Sequence[Facts | OneByOneError]") -> None:
    from onebyone_cli.cli.terminal.file_report import document
    from onebyone_cli.errors import status_of

    entries = []
    for path, facts in zip(paths, found, strict=True):
        if isinstance(facts, OneByOneError):
            error = {"code": int(status_of(facts)), "message": facts.message, "path": facts.path}
            entries.append({"path": path, "error": error})
        else:
            entries.append(document(facts))
    first = [each["error"] for each in entries if "error" in each][:1]
    Console(json=True).document({"paths": entries} | ({"error": first[0]} if first else {}))
