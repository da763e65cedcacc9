"""``onebyone merge``: join the results of jobs over parts."""

from onebyone_cli.cli.options.inputs import Parts
from onebyone_cli.cli.options.messages import Messages
from onebyone_cli.cli.options.output import WholeOutput
from onebyone_cli.cli.terminal import report
from onebyone_cli.cli.terminal.console import Console
from onebyone_cli.commit import targets
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import UsageError
from onebyone_cli.operations.learn.gathered import are_moments, join_saved, save_moments
from onebyone_cli.operations.names import check_archive_name, files_of
from onebyone_cli.units import count

EXAMPLES = """
onebyone merge part1.npz part2.npz -o whole.npz
onebyone fit whole.npz -k 3 -o model.npz
onebyone apply huge.npy -w model.npz -o scores.npy --shard 0/4
onebyone merge scores.npy
"""


def merge(input: Parts, output: WholeOutput, messages: Messages) -> None:
    """Join moments of parts, or check and publish a sharded output.

    Moments are joined in the order in which they are named. An output whose shards are all done,
    by the same command, is renamed to its name; if a shard is missing or different, nothing
    happens.
    """
    console, whole = messages.console(), output.output
    parts = input.listed([whole] if whole else [])
    if whole:
        targets.check_not_input(whole, files_of([input.inputs_from]))
        _join(parts, whole, output.publication(), console)
    elif are_moments(parts):
        raise UsageError("moments are joined into another file; name it with -o WHOLE.npz")
    else:
        _publish(parts, output.publication(), console)


def _join(parts: list[str], output: str, publication: Publication, console: Console) -> None:
    check_archive_name(output, "moments")
    targets.check_target(output, force=publication.may_replace, inputs=files_of(parts))
    known = join_saved(parts, console.say)
    save_moments(known, output, publication)
    statistics = known.statistics
    console.say(f"{output}: {report.moments_line(statistics)}, from {count(len(parts), 'part')}")
    console.document(
        {
            "output": output,
            "parts": len(parts),
            "channels": statistics.channels,
            "pixels": statistics.count,
            "invalid_pixels": statistics.invalid,
            **report.classes_document(statistics),
        }
    )


def _publish(paths: list[str], publication: Publication, console: Console) -> None:
    from onebyone_cli.operations.publish import publish_output

    done = []
    for path in paths:
        made = publish_output(path, publication)
        how = f", from {count(made.shards, 'shard')}" if made.shards else " already"
        console.say(f"{path}: complete{how}{report.counted(made.counts)}")
        done.append({"output": path, "shards": made.shards, **made.counts})
    console.document({"outputs": done})
