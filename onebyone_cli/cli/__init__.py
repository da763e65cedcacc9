"""The command line: one thin command per file, and nothing heavy imported until it runs."""

from typing import Annotated

import typer

from onebyone_cli import __version__
from onebyone_cli.cli import apply, fit, merge, reduce, stats

app = typer.Typer(
    name="onebyone",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog=apply.EXAMPLES)(apply.apply)
app.command(epilog=fit.EXAMPLES)(fit.fit)
app.command(epilog=reduce.EXAMPLES)(reduce.reduce)
app.command(epilog=stats.EXAMPLES)(stats.stats)
app.command(epilog=merge.EXAMPLES)(merge.merge)


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
    """Apply 1×1 convolutions to tensor files: C×H×W stacks in, K×H×W out, streaming.

    Every pixel of the result is a weighted sum of the same pixel of all channels (bands):
    Y[k, h, w] = bias[k] + Σ_c weight[k, c] · X[c, h, w].
    """
