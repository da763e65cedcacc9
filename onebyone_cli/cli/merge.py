"""``onebyone merge``: join what jobs over parts have saved."""

from typing import Annotated

import typer

from onebyone_cli import targets
from onebyone_cli.cli import gathering, options, values
from onebyone_cli.cli.console import Console
from onebyone_cli.units import count

EXAMPLES = """\b
Examples:
  onebyone merge part1.npz part2.npz -o whole.npz
  onebyone fit whole.npz -k 3 -o model.npz
"""


def merge(
    parts: Annotated[
        list[str],
        typer.Argument(metavar="PART...", help="Moments that stats has saved.", show_default=False),
    ],
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            metavar="WHOLE.npz",
            help="Where the moments of all parts together go.",
            show_default=False,
        ),
    ],
    force: options.Force = False,
    fsync: options.FSync = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Join moments of parts into those of the whole.

    They are joined in the order in which they are named.
    """
    console = Console(quiet=quiet, json=json)
    values.check_names(parts, [output])
    values.check_model_name(output)
    targets.check_target(output, force=force, inputs=values.files_of(parts))
    known = gathering.join_saved(parts, console)
    gathering.save_moments(known, output, force=force, fsync=fsync)
    evidence = known.evidence
    console.say(
        f"{output}: moments of {count(evidence.channels, 'channel')} and "
        f"{count(evidence.count, 'pixel')}, from {count(len(parts), 'part')}"
    )
    console.document(
        {
            "output": output,
            "parts": len(parts),
            "channels": evidence.channels,
            "pixels": evidence.count,
            "invalid_pixels": evidence.invalid,
        }
    )
