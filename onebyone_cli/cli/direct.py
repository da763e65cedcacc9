"""Read a well-formed command line straight from the records of the groups.

Typer reads the same records (`cli.spread`), with equal results (``tests/cli/test_direct.py``).
Typer also reads what this module refuses, and explains it: a missing or unknown word, a value of
another type, help.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from onebyone_cli.cli import COMMANDS, PACKAGE, names_in
from onebyone_cli.cli.groups import Option, groups_of
from onebyone_cli.errors import UsageError


def run() -> Any:
    """Run the command line of this process; return the command's result."""
    call = read(sys.argv[1:])
    if call is not None:
        return call()
    from onebyone_cli.cli.typer_app import app

    return app(standalone_mode=False)


class _NotUnderstoodError(Exception):
    """The command line is not well formed, or asks for help."""


def read(words: Sequence[str]) -> Callable[[], Any] | None:
    """Read a command line, without the name of the program.

    Returns a function that runs the command; None for a command line that Typer must read.
    """
    try:
        command, rest = _command(list(words))
        groups = groups_of(command)
        records = {
            name: record for kind in groups.values() for name, record in kind.members.items()
        }
        given = _values(records, rest)
    except (_NotUnderstoodError, UsageError):
        return None
    return partial(
        command,
        **{
            name: kind(**{member: given[member] for member in kind.members if member in given})
            for name, kind in groups.items()
        },
    )


def _command(words: list[str]) -> tuple[Callable[..., Any], list[str]]:
    """Import the command that the first words name; return it with the words that follow."""
    package, known = PACKAGE, names_in(COMMANDS)
    while words and words[0] in known:
        name = words.pop(0)
        module = import_module(f"{package}.{name}")
        if not hasattr(module, "COMMANDS"):
            return getattr(module, name), words
        package, known = module.__name__, names_in(module.COMMANDS)
    raise _NotUnderstoodError


def _values(records: dict[str, Option], words: list[str]) -> dict[str, Any]:
    """Return the values that were given, by record."""
    by_flag = {flag: name for name, record in records.items() for flag in record.flags}
    switched_off = {record.off: name for name, record in records.items() if record.off}
    given: dict[str, Any] = {}
    plain: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--":
            plain += left
        elif not word.startswith("-") or word == "-":
            plain.append(word)
        elif word in switched_off:
            given[switched_off[word]] = False
        else:
            flag, is_joined, text = word.partition("=")
            if flag not in by_flag or (is_joined and not flag.startswith("--")):
                raise _NotUnderstoodError
            name = by_flag[flag]
            record = records[name]
            if record.type is bool:
                if is_joined:
                    raise _NotUnderstoodError
                given[name] = True
                continue
            _add(given, name, record, text if is_joined else _next(left))
    _place(given, records, plain)
    if any(record.is_required and name not in given for name, record in records.items()):
        raise _NotUnderstoodError
    return given


def _next(left: Iterator[str]) -> str:
    text = next(left, None)
    if text is None:
        raise _NotUnderstoodError
    return text


def _add(given: dict[str, Any], name: str, record: Option, text: str) -> None:
    if not text:  # such as an unset variable of the shell; Typer's command explains it
        raise _NotUnderstoodError
    value = record.parse(text)
    if record.multiple:
        given.setdefault(name, []).append(value)
    else:
        given[name] = value


def _place(given: dict[str, Any], records: dict[str, Option], plain: list[str]) -> None:
    """Give the arguments the words that belong to no option."""
    for name, record in records.items():
        if not record.flags:
            taken = len(plain) if record.multiple else min(1, len(plain))
            for word in plain[:taken]:
                _add(given, name, record, word)
            plain = plain[taken:]
    if plain:
        raise _NotUnderstoodError
