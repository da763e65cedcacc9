"""A command line that is read directly means what Typer takes it for."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.cli import direct, typer_app
from onebyone_cli.cli.groups import Option, groups_of
from onebyone_cli.cli.manual import all_pages
from onebyone_cli.cli.spread import group_of
from onebyone_cli.errors import UsageError

PATHS = [page.path[1:] for page in all_pages() if not page.children]

#: Words that mean something to a parser, and values that options take or refuse.
WORDS = [
    *(
        "x.npy",
        "-",
        "--",
        "-o",
        "--output",
        "-k",
        "3",
        "-k3",
        "-fq",
        "-1",
        "--help",
        "-h",
        "--scale",
    ),
    *("=", "--dtype=f4", "--nodata", "-9999", "1.5", "auto", "all", "", "--threads=2", "--no-such"),
    *("--progress", "--no-progress", "-w", "w.csv", "--kernel", "1 1", "--resume", "off", "zzz"),
]


def function_of(path: tuple[str, ...]) -> Callable[..., Any]:
    module = import_module(".".join(["onebyone_cli.cli.commands", *path]))
    return getattr(module, path[-1])  # type: ignore[no-any-return]


def records_of(path: tuple[str, ...]) -> dict[str, Option]:
    groups = groups_of(function_of(path)).values()
    return {name: record for kind in groups for name, record in kind.members.items()}


def read_directly(words: list[str]) -> dict[str, Any] | None:
    call = direct.read(words)
    if call is None:
        return None
    groups = call.keywords.values()  # type: ignore[attr-defined]
    return {name: getattr(group, name) for group in groups for name in group.members}


def read_by_typer(words: list[str]) -> dict[str, Any] | None:
    """None where Typer refuses the words or answers them itself, as a call for help."""
    program = typer.main.get_command(typer_app.app)
    context = typer.Context(program, info_name="onebyone")
    rest, path = list(words), []
    command = program
    while rest and hasattr(command, "get_command"):
        command = command.get_command(context, rest[0])
        if command is None:
            return None
        path.append(rest.pop(0))
        context = typer.Context(command, info_name=path[-1], parent=context)
    try:
        found = command.make_context(context.info_name, rest, parent=context.parent).params
        groups = [group_of(kind, found) for kind in groups_of(function_of(tuple(path))).values()]
    except (typer.Exit, UsageError, typer.core._click.exceptions.ClickException):
        return None
    return {name: getattr(group, name) for group in groups for name in group.members}


@st.composite
def likely_words(draw: st.DrawFn, path: tuple[str, ...]) -> list[str]:
    """Draw options of a command with values of their kind, and words that can be anything."""
    words: list[str] = []
    records = list(records_of(path).values())
    for record in draw(st.lists(st.sampled_from(records), max_size=6)):
        flag = draw(st.sampled_from([*record.flags, *filter(None, [record.off])] or [""]))
        if record.type is bool:
            words.append(flag)
            continue
        kinds = {int: st.integers(-3, 300).map(str), float: st.floats(-9, 99).map(str)}
        usual = kinds.get(record.type, st.sampled_from(["a.npy", "out.npy", "1:3", "x", "-"]))
        values = st.sampled_from(record.choices) | usual if record.choices else usual
        value = draw(values)
        joined = flag.startswith("--") and draw(st.booleans())
        words += [f"{flag}={value}"] if joined else [*filter(None, [flag]), value]
    for word in draw(st.lists(st.sampled_from(WORDS), max_size=2)):
        words.insert(draw(st.integers(0, len(words))), word)
    return words


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
@given(st.data())
def test_both_read_the_same(path: tuple[str, ...], data: st.DataObject) -> None:
    words = [*path, *data.draw(likely_words(path))]
    found = read_directly(words)
    if found is not None:
        assert found == read_by_typer(words)


@pytest.mark.parametrize(
    "line",
    [
        "apply x.npy -w w.npy -o y.npy",
        "apply a.npy b.npy --kernel=1 -o - --no-progress -f",
        "fit x.npy -k 3 -o m.npz --json",
        "reduce - -o out.npy -k all --nodata -9999",
        "info a.npy b.h5:/c",
        "weights show m.npz",
        "compare a.npy -- b.npy",
    ],
)
def test_everyday_command_lines_are_read_directly(line: str) -> None:
    words = line.split()
    found = read_directly(words)
    assert found is not None
    assert found == read_by_typer(words)


@pytest.mark.parametrize(
    "line",
    ["", "apply", "--version", "apply --help", "aply x", "apply x -o y -w", "weights"],
)
def test_the_rest_is_for_typer(line: str) -> None:
    assert direct.read(line.split()) is None


def test_an_empty_value_is_for_typer() -> None:
    assert direct.read(["apply", "x.npy", "--kernel", "1", "-o", ""]) is None
