"""The command line: one thin command per file, and nothing imported before it is asked for."""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from onebyone_cli.cli.spread import spread
from onebyone_cli.errors import UsageError
from onebyone_cli.version import __version__

#: Commands in the order in which help lists them. Each is a function in a module, both of this
#: name, beside a text ``EXAMPLES``; or a package with ``NAMES`` of its own and texts ``HELP`` and
#: ``EXAMPLES``.
NAMES = (
    *("apply", "fit", "reduce", "stats", "merge"),
    *("info", "view", "compare", "weights", "cost", "man"),
)


class _Command(TyperCommand):
    """One command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse options with nothing for a value: for most that is as if they were not there."""
        rest = super().parse_args(ctx, args)
        for option in () if ctx.resilient_parsing else self.params:
            typed = ctx.get_parameter_source(option.name).name == "COMMANDLINE"
            if typed and ctx.params[option.name] == "":
                flag = " / ".join(option.opts)
                raise UsageError(f"{flag} is empty; is a variable of the shell not set?")
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Name arguments as they are called: Typer puts those that must be given in braces."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


class _Commands(TyperGroup):
    """The commands by name; only the one that runs is imported, and all of them for help.

    Attributes
    ----------
    package : str
        Where their modules are.
    names : tuple of str
        Their names.
    """

    package = f"{__name__}.commands"
    names: tuple[str, ...] = NAMES

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.names)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.names:
            self.commands = {name: TyperCommand(name) for name in self.names}  # to be suggested
            return None
        module = import_module(f"{self.package}.{cmd_name}")
        if hasattr(module, "NAMES"):
            return _group(cmd_name, module)
        alone = typer.Typer(
            add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
        )
        alone.command(cmd_name, cls=_Command, epilog=module.EXAMPLES)(
            spread(getattr(module, cmd_name))
        )
        return typer.main.get_command(alone)


def _group(name: str, module: Any) -> Any:
    """Make the commands below a command."""
    below = type("_Below", (_Commands,), {"package": module.__name__, "names": module.NAMES})
    group = typer.Typer(
        name=name,
        cls=below,
        help=module.HELP,
        epilog=module.EXAMPLES,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    group.callback()(lambda: None)
    return typer.main.get_command(group)


app = typer.Typer(
    name="onebyone",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
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
    """Apply 1×1 convolutions to tensor files: C×H×W stacks in, K×H×W stacks out, streaming.

    Every pixel of the result is a weighted sum of the same pixel of all channels (bands):
    Y[k, h, w] = bias[k] + Σ_c weight[k, c] · X[c, h, w].
    """
