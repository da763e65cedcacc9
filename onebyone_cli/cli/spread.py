"""Typer's view of a command: a parameter for every option of its groups."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from onebyone_cli.cli.groups import REQUIRED, Option, groups_of


def spread(
    command: Callable[..., Any], show_short_help: Callable[[typer.Context, bool], None]
) -> Callable[..., Any]:
    """Spread the groups of a command into options, for Typer to read.

    Parameters
    ----------
    command : callable
        A function whose parameters are groups.
    show_short_help : callable
        Called for ``-h``.

    Returns
    -------
    callable
        A function with a keyword parameter for each record, which calls `command`.
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
        return command(
            **{
                name: kind(**{member: given[member] for member in kind.members})
                for name, kind in groups.items()
            }
        )

    run.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    return run


def _parameter(name: str, record: Option) -> inspect.Parameter:
    settings: dict[str, Any] = {
        "help": record.help,
        "metavar": record.value_name or None,
        "hidden": record.hidden,
        "show_default": False,
    }
    if record.type is not bool:
        settings["parser"] = record.parse
        settings["autocompletion"] = _completer(record)
    kind: Any = list[record.type] if record.multiple else record.type | None  # type: ignore[name-defined]
    flags = "/".join(filter(None, [record.flags[-1], record.off])) if record.flags else ""
    info = (
        typer.Option(*record.flags[:-1], flags, **settings) if flags else typer.Argument(**settings)
    )
    default: Any = record.default
    if record.multiple and not record.is_required:
        info.default_factory, default = list, inspect.Parameter.empty
    if default is REQUIRED:
        kind, default = record.type, inspect.Parameter.empty
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info]
    )


def _completer(record: Option) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return [value for value in record.offered() if value.startswith(incomplete)]

    return complete
