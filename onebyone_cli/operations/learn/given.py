"""Read what some learners need beside the stacks: a stack of noise, or endmembers."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.operations.learn.gathered import Gathered, are_moments, headers_of, join_saved
from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.operations.inputs import Reading
    from onebyone_cli.operations.learn.gathered import Say
    from onebyone_cli.operations.learn.request import LearnRequest
    from onebyone_cli.operations.learn.settings import LearnSettings
    from onebyone_cli.stack.sources import OnProgress


def add_given(
    gathered: Gathered,
    request: "LearnRequest",
    reading: "Reading",
    settings: "LearnSettings",
    *,
    on_progress: "OnProgress",
    say: "Say",
) -> None:
    """Add the endmembers, and the statistics of a stack of noise, if they are given.

    Raises
    ------
    ShapeMismatchError
        If their number of channels is not that of the stacks.
    DataError
        If no channel of the noise varies.
    """
    statistics = gathered.statistics
    if request.endmembers is not None:
        statistics.endmembers = _endmembers_of(
            request.endmembers, statistics.channels, gathered.source
        )
    if request.noise_from:
        noise = _noise_of(request.noise_from, reading, settings, on_progress, say)
        gathered.files += noise.files
        statistics.noise = noise.statistics.pixels
        if statistics.noise.channels != statistics.channels:
            raise ShapeMismatchError(
                f"has {count(statistics.noise.channels, 'channel')} and {gathered.source} has "
                f"{statistics.channels}; noise needs the same channels",
                request.noise_from,
            )
        if statistics.noise.count < 2 or statistics.noise.constant.all():
            raise DataError(
                f"no channel varies in its {count(statistics.noise.count, 'valid pixel')}; "
                "expected a stack of noise alone, such as a dark frame",
                request.noise_from,
            )


def _endmembers_of(given: Any, channels: int, source: str) -> Any:
    """Read the endmembers, an array or a file: shape (C, K)."""
    import numpy as np

    from onebyone_cli.weights.load import load_weights

    is_file = isinstance(given, str)
    # The learner refuses what is not finite.
    matrix = (
        load_weights(given, allow_nonfinite=True).weight
        if is_file
        else np.asarray(given, np.float64)
    )
    if matrix.ndim != 2:
        raise ShapeMismatchError(
            f"has shape {matrix.shape}; expected one row per channel, one column per endmember",
            "endmembers",
        )
    if len(matrix) != channels:
        turned = "; maybe transpose it" if matrix.shape[1] == channels else ""
        raise ShapeMismatchError(
            f"has {count(len(matrix), 'row')} and {source} has {count(channels, 'channel')}; "
            f"expected one row per channel, one column per endmember{turned}",
            given if is_file else "endmembers",
        )
    return matrix


def _noise_of(
    path: str,
    reading: "Reading",
    settings: "LearnSettings",
    on_progress: "OnProgress",
    say: "Say",
) -> Gathered:
    from onebyone_cli.operations.learn.job import LearnJob
    from onebyone_cli.operations.learn.settings import Wanted

    if are_moments([path]):
        return join_saved([path], say)
    with ExitStack() as stack:
        opened = reading._replace(raw=None).open([path], stack)
        gathered = headers_of([opened])
        job = LearnJob(opened, settings._replace(wanted=Wanted(), shard=None))
        for note in job.meaning.notes:
            say(note)
        gathered.statistics.merge(job.run(on_progress))
        gathered.check_values()
        return gathered
