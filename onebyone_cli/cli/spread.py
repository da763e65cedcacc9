"""Make Typer's view of a command: a parameter for every option of its groups."""

import inspect
import os
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from onebyone_cli.cli.groups import Group, Option, groups_of

#: Help is made from the records; Typer shows its own only with completions.
_IS_COMPLETING = "_ONEBYONE_COMPLETE" in os.environ


def spread(
    command: Callable[..., Any], show_short_help: Callable[[typer.Context, bool], None]
) -> Callable[..., Any]:
    """Return a function for Typer with a keyword parameter for each record of a command's groups.

    `show_short_help` is called for ``-h``.
    """
    groups = groups_of(command)
    parameters: dict[str, inspect.Parameter] = {}
    for kind in groups.values():
        for name, record in kind.members.items():
            assert name not in parameters, f"two groups of one command have {name}"
            parameters[name] = _parameter(name, record)

    short = typer.Option(
        "-h",
        is_eager=True,
        callback=show_short_help,
        show_default=False,
        help="Show examples and the most used options.",
    )
    parameters["short_help"] = inspect.Parameter(
        "short_help",
        inspect.Parameter.KEYWORD_ONLY,
        default=False,
        annotation=Annotated[bool, short],
    )

    @wraps(command)
    def run(**given: Any) -> Any:
        return command(**{name: group_of(kind, given) for name, kind in groups.items()})

    run.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    return run


def group_of(kind: type[Group], given: dict[str, Any]) -> Group:
    """Make a group from the words that Typer has parsed."""
    values = {}
    for name, record in kind.members.items():
        found = given[name]
        if record.multiple:
            values[name] = [record.parse(word) for word in found]
        elif found is not None:
            values[name] = found if record.type is bool else record.parse(found)
    return kind(**values)


def _parameter(name: str, record: Option) -> inspect.Parameter:
    settings: dict[str, Any] = {
        "help": record.help if _IS_COMPLETING else "",
        "metavar": record.value_name or None,
        "hidden": record.hidden,
        "show_default": False,
    }
    if record.type is not bool:
        settings["autocompletion"] = _completer(record)
    # Typer splits words and the record converts them, so that all messages are alike.
    one = bool if record.type is bool else str
    kind: Any = list[one] if record.multiple else one | None  # type: ignore[valid-type]
    flags = "/".join(filter(None, [record.flags[-1], record.off])) if record.flags else ""
    if flags:
        info = typer.Option(*record.flags[:-1], flags, **settings)
    else:
        info = typer.Argument(**settings)
    default: Any = None
    if record.is_required:
        kind, default = str, inspect.Parameter.empty
    elif record.multiple:
        info.default_factory, default = list, inspect.Parameter.empty
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )


def _completer(record: Option) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [value for value in record.offered() if value.startswith(incomplete)]

    return complete
