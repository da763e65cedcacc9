"""Run Typer for help, completion, and messages about command lines."""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from onebyone_cli.cli import COMMANDS, PACKAGE, names_in
from onebyone_cli.cli.spread import spread
from onebyone_cli.errors import UsageError
from onebyone_cli.version import __version__

#: Settings of all commands: no rich.
_PLAIN: dict[str, Any] = {"rich_markup_mode": None, "pretty_exceptions_enable": False}


def _help_of(ctx: Any) -> str:
    from onebyone_cli.cli.manual import read_page
    from onebyone_cli.cli.terminal.help_text import full_help

    return full_help(read_page(*_words_of(ctx)))


def _words_of(ctx: Any) -> list[str]:
    """Return the names of a command and of those above it, without the program's."""
    words: list[str] = []
    while ctx.parent is not None:
        words.insert(0, ctx.info_name)
        ctx = ctx.parent
    return words


class _Command(TyperCommand):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse options with an empty value, which most would treat as not given."""
        rest = super().parse_args(ctx, args)
        for option in () if ctx.resilient_parsing else self.params:
            typed = ctx.get_parameter_source(option.name).name == "COMMANDLINE"
            if typed and ctx.params[option.name] == "":
                flag = " / ".join(option.opts)
                raise UsageError(f"{flag} is empty; is a variable of the shell not set?")
        return rest

    def get_help(self, ctx: Any) -> str:
        """Show all options under their headings."""
        return _help_of(ctx)


class _Commands(TyperGroup):
    """Commands by name; only the one that runs is imported, and all of them for help."""

    package = PACKAGE
    names = names_in(COMMANDS)

    def get_help(self, ctx: Any) -> str:
        """Show the commands under their headings."""
        return _help_of(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.names)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.names:
            self.commands = {name: TyperCommand(name) for name in self.names}  # to be suggested
            return None
        module = import_module(f"{self.package}.{cmd_name}")
        if hasattr(module, "COMMANDS"):
            return _group(cmd_name, module)
        alone = typer.Typer(add_completion=False, **_PLAIN)
        settings = {"help_option_names": ["--help"]}  # -h is an option of its own
        command = alone.command(cmd_name, cls=_Command, context_settings=settings)
        command(spread(getattr(module, cmd_name), _show_short_help))
        return typer.main.get_command(alone)


def _show_short_help(ctx: typer.Context, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from onebyone_cli.cli.manual import read_page
        from onebyone_cli.cli.terminal.help_text import short_help

        typer.echo(short_help(read_page(*_words_of(ctx))))
        raise typer.Exit


def _group(name: str, module: Any) -> Any:
    names = names_in(module.COMMANDS)
    below = type("_Below", (_Commands,), {"package": module.__name__, "names": names})
    group = typer.Typer(name=name, cls=below, no_args_is_help=True, add_completion=False, **_PLAIN)
    group.callback()(lambda: None)
    return typer.main.get_command(group)


app = typer.Typer(
    name="onebyone",
    cls=_Commands,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    **_PLAIN,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"onebyone {__version__}")
        raise typer.Exit


@app.callback()
def onebyone(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Run a command."""
