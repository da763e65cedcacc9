"""Read what some learners need beside the stacks: a stack of noise, or endmembers."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import DataError, ShapeMismatchError, setting
from onebyone_cli.operations.learn.gathered import Gathered, are_moments, headers_of, join_saved
from onebyone_cli.operations.learn.same_channels import check_order
from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.operations.inputs import Reading
    from onebyone_cli.operations.learn.gathered import Say
    from onebyone_cli.operations.learn.request import LearnRequest
    from onebyone_cli.operations.learn.settings import LearnSettings
    from onebyone_cli.stack.identity import Identity
    from onebyone_cli.stack.sources import OnProgress
    from onebyone_cli.weights.endmembers import Endmembers


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
        statistics.endmembers = _endmembers_for(gathered, request.endmembers, say)
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
        check_order(noise.identity, request.noise_from, gathered.identity, gathered.source, say)
        if statistics.noise.count < 2 or statistics.noise.constant.all():
            raise DataError(
                f"no channel varies in its {count(statistics.noise.count, 'valid pixel')}; "
                "expected a stack of noise alone, such as a dark frame",
                request.noise_from,
            )


def endmembers_alone(given: Any, say: "Say") -> Gathered:
    """Return what endmembers tell without a stack: the channels, their names.

    `given` is a file or an array; `say` takes notes, a line each.
    """
    from onebyone_cli.learners.statistics import empty_statistics

    found = _read_endmembers(given, None, (), say)
    files = (given,) if isinstance(given, str) else ()
    statistics = empty_statistics(len(found.matrix))
    statistics.endmembers = found
    source = files[0] if files else "endmembers"
    return Gathered(statistics, source, _identity_of(found), files)


def _endmembers_for(gathered: Gathered, given: Any, say: "Say") -> "Endmembers":
    """Read the endmembers for a stack; their names of channels are those of the model."""
    channels = gathered.statistics.channels
    try:
        found = _read_endmembers(given, channels, gathered.identity.wavelengths, say)
        if len(found.matrix) >= channels:
            found = _of_channels(found, gathered.identity) or found
        if len(found.matrix) != channels:
            _check_names(found, gathered, given)
    except ShapeMismatchError as error:
        if not gathered.labels.are_selected:
            raise
        hint = f"leave out of it what {setting('channels')} leaves out of the stack"
        raise ShapeMismatchError(f"{error.message}; {hint}", error.path) from error
    gathered.identity = _identity_of(found, gathered.identity)
    return found


def _of_channels(library: "Endmembers", stack: "Identity") -> "Endmembers | None":
    """Take the channels of a stack from a library, by name or else by wavelength.

    Returns None if the library lacks one, or either side has neither names nor wavelengths.
    """
    from onebyone_cli.stack.identity import find_channels

    found = find_channels(stack, _identity_of(library))
    rows = [place for place in found.places if place is not None] if found else []
    if not found or len(rows) < len(found.places):
        return None
    return library._replace(
        matrix=library.matrix[rows],
        channels=tuple(library.channels[row] for row in rows if library.channels),
        wavelengths=tuple(library.wavelengths[row] for row in rows if library.wavelengths),
    )


def _identity_of(library: "Endmembers", stack: "Identity | None" = None) -> "Identity":
    """Return what a library tells of its channels; the rest is that of the `stack`."""
    from onebyone_cli.stack.identity import Identity
    from onebyone_cli.stack.wavelengths import to_nanometres

    stack = stack if stack and len(stack.texts) == len(library.matrix) else Identity()
    wavelengths = tuple(to_nanometres(library.wavelengths, ""))
    return Identity(library.channels or stack.names, wavelengths or stack.wavelengths)


def _read_endmembers(
    given: Any, channels: int | None, wavelengths: "Sequence[float]", say: "Say"
) -> "Endmembers":
    from onebyone_cli.weights.endmembers import endmembers_of, load_endmembers

    if not isinstance(given, str):
        return endmembers_of(given, channels)
    found = load_endmembers(given, channels, wavelengths)
    for note in found.notes:
        say(f"{given}: {note}")
    return found


def _check_names(found: "Endmembers", gathered: Gathered, given: Any) -> None:
    """Check that a stack with more channels has those that the endmembers name."""
    from onebyone_cli.stack.identity import find_channels

    known = find_channels(_identity_of(found), gathered.identity)
    if known is None or None in known.places:
        raise ShapeMismatchError(
            f"has {count(len(found.matrix), 'channel')} and {gathered.source} has "
            f"{gathered.statistics.channels}, without the same names or wavelengths; "
            "expected one row per channel, one column per endmember",
            given,
        )


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
