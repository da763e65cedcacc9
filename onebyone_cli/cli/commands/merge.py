"""``onebyone merge``: join what jobs over parts have done."""

from typing import Annotated

import typer

from onebyone_cli.cli import values
from onebyone_cli.cli.options import inputs
from onebyone_cli.cli.terminal import report
from onebyone_cli.cli.terminal.console import Console
from onebyone_cli.commit import targets
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import UsageError
from onebyone_cli.operations.learn import run as learning
from onebyone_cli.units import count

EXAMPLES = """\b
Examples:
  onebyone merge part1.npz part2.npz -o whole.npz
  onebyone fit whole.npz -k 3 -o model.npz
  onebyone apply huge.npy -w model.npz -o scores.npy --shard 0/4
  onebyone merge scores.npy
"""


def merge(
    parts: Annotated[
        list[str],
        typer.Argument(
            metavar="PART...",
            help="With -o: moments that stats has saved. Without: outputs of apply --shard.",
            default_factory=list,
            show_default=False,
        ),
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
    ] = "",
    inputs_from: inputs.InputsFrom = "",
    force: inputs.Force = False,
    fsync: inputs.FSync = False,
    json: inputs.Json = False,
    quiet: inputs.Quiet = False,
    debug: inputs.Debug = False,
) -> None:
    """Join moments of parts, or check and publish a sharded output.

    Moments are joined in the order in which they are named. An output whose shards are all done,
    by the same command, gets its name; with a shard missing or different nothing happens.
    """
    console = Console(quiet=quiet, json=json)
    parts = values.inputs_of(parts, inputs_from)
    values.check_names(parts, [output] if output else [])
    if output:
        targets.check_not_input(output, values.files_of([inputs_from]))
        _join(parts, output, Publication(force, fsync), console)
    elif learning.are_moments(parts):
        raise UsageError("moments are joined into another file; name it with -o WHOLE.npz")
    else:
        _publish(parts, Publication(force, fsync), console)


def _join(parts: list[str], output: str, publication: Publication, console: Console) -> None:
    values.check_archive_name(output, "moments are saved as")
    targets.check_target(output, force=publication.may_replace, inputs=values.files_of(parts))
    known = learning.join_saved(parts, console)
    learning.save_moments(known, output, publication)
    evidence = known.evidence
    console.say(f"{output}: {learning.moments_of(evidence)}, from {count(len(parts), 'part')}")
    console.document(
        {
            "output": output,
            "parts": len(parts),
            "channels": evidence.channels,
            "pixels": evidence.count,
            "invalid_pixels": evidence.invalid,
            **learning.document(evidence),
        }
    )


def _publish(paths: list[str], publication: Publication, console: Console) -> None:
    from onebyone_cli.commit.merge import publish_shards

    done = []
    for path in paths:
        made = publish_shards(path, publication)
        how = f", from {count(made.shards, 'shard')}" if made.shards else " already"
        console.say(f"{path}: complete{how}{report.counted(made.counts)}")
        done.append({"output": path, "shards": made.shards, **made.counts})
    console.document({"outputs": done})
