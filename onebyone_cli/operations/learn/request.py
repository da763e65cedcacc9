"""What ``fit`` and ``reduce`` are asked to learn, checked as far as that goes without data."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.learners.learner import Learner
    from onebyone_cli.learners.model import Model
    from onebyone_cli.learners.statistics import Evidence
    from onebyone_cli.operations.learn.settings import Wanted
    from onebyone_cli.weights import ChannelMap

#: Options of learners as they are typed.
_FLAGS = {
    "k": "-k",
    "variance": "--variance",
    "snr": "--snr",
    "standardize": "--standardize",
    "whiten": "--whiten",
    "kind": "--kind",
    "seed": "--seed without --sample",
}

#: The same for what learners need to know, with who can make use of it.
_NEEDS = {
    "noise": ("--noise", "differences"),
    "rows": ("--noise-rows", "differences"),
    "columns": ("--noise-cols", "differences"),
    "noise_from": ("--noise-from", "noise"),
    "labels": ("--labels", "classes"),
    "endmembers": ("--endmembers", "endmembers"),
}

#: Options that say how many components are kept, and how they are written.
_HOW_MANY = ("k", "variance", "snr")
_HOW_MANY_SHOWN = {"-k": "-k K|all", "--variance": "--variance FRACTION", "--snr": "--snr RATIO"}


class Asked(NamedTuple):
    """What the user asks of a learner; None, False or empty where it is not given."""

    method: str
    k: int | None = None
    variance: float | None = None
    snr: float | None = None
    all_components: bool = False
    standardize: bool = False
    whiten: bool = False
    kind: str = ""
    seed: int | None = None
    noise: str = ""
    rows: tuple[int, int] | None = None
    columns: tuple[int, int] | None = None
    noise_from: str = ""
    labels: str = ""
    endmembers: str = ""

    def has(self, option: str) -> bool:
        """Say whether an option was given, be it as 0."""
        value = getattr(self, option)
        return value is not None and value is not False and value != ""


class Choice(NamedTuple):
    """A learner, and what it is asked for; checked as far as that goes without data."""

    asked: Asked
    learner: "Learner"
    options: Mapping[str, Any]

    def wanted(self) -> "Wanted":
        """Say what has to be gathered for it."""
        from onebyone_cli.learners.differences import CUSTOMARY
        from onebyone_cli.operations.learn.settings import Wanted

        asked, needs = self.asked, self.learner.needs
        measured = "differences" in needs and not asked.noise_from
        return Wanted(
            pixels="pixels" in needs,
            differences=directions_of(asked.noise or CUSTOMARY[asked.method]) if measured else (),
            rows=asked.rows,
            columns=asked.columns,
            sample="sample" in needs,
        )

    def check_channels(self, channels: int, source: str) -> None:
        """Refuse what can't be learned, such as too many components, before anything is read.

        Raises
        ------
        DataError
            If K is more than C; a random projection may have that.
        DependencyMissingError
            If the learner's library is not installed.
        """
        self.learner.prepare()
        k = self.asked.k
        if k is not None and k > channels and self.learner.reads_pixels:
            raise DataError(
                f"has {count(channels, 'channel')}, and {k} components were asked for; "
                f"ask for -k {channels} or fewer",
                source,
            )

    def check_stacks(self) -> None:
        """Raise `UsageError` if the learner needs to know more of stacks than their pixels."""
        if "classes" in self.learner.needs and not self.asked.labels:
            raise UsageError(f"--method {self.asked.method} needs --labels FILE")

    def check_moments(self, evidence: "Evidence", source: str) -> None:
        """Check that saved moments tell what the learner needs; keep what it wants of them.

        Raises
        ------
        UsageError
            If they can't, for this method.
        DataError
            If other moments could.
        """
        from onebyone_cli.learners.differences import CUSTOMARY

        asked, needs = self.asked, self.learner.needs
        if "sample" in needs:
            raise UsageError(f"--method {asked.method} needs the pixels themselves; name stacks")
        if asked.rows or asked.columns:
            raise UsageError("--noise-rows and --noise-cols are for stacks; give them to stats")
        if "pixels" in needs and "moments" not in evidence.kinds:
            raise DataError("holds no moments of pixels; make it with stats -o", source)
        if "classes" in needs:
            if evidence.classes is None:
                raise DataError(
                    "holds no moments of classes; make it with stats --labels MAP", source
                )
            evidence.leave_out_unlabelled()
        if "differences" not in needs or asked.noise_from:
            return
        # Whoever names no direction means the one that the moments were taken with.
        wanted = directions_of(asked.noise) or tuple(evidence.differences)
        missing = [each for each in wanted if each not in evidence.differences]
        if missing or not wanted:
            which = f" ({missing[0]})" if missing else ""
            raise DataError(
                f"holds no differences of neighbours{which}; "
                f"make it with stats --noise {asked.noise or CUSTOMARY[asked.method]}",
                source,
            )
        evidence.differences = {each: evidence.differences[each] for each in wanted}

    def learn(self, evidence: "Evidence", source: str) -> "Model":
        """Learn a model from what was gathered, or from what is known beforehand."""
        return self.learner.learn(evidence, self.asked.endmembers or source, self.options)

    def stand_in(self, channels: int) -> "ChannelMap":
        """Make weights of the shape that will be learned, as far as that is known beforehand."""
        from onebyone_cli.weights.channel_map import zero_map

        k = self.asked.k or (channels if self.asked.all_components else 1)
        return zero_map(k, channels, f"--method {self.asked.method}")


def choice_of(asked: Asked, *, mask: str = "", sampling: bool = False, plot: str = "") -> Choice:
    """Check what the user asked of the learner.

    Parameters
    ----------
    asked : Asked
        As typed.
    mask : str
        The map that leaves pixels out of the learning, if any.
    sampling : bool
        Whether a sample is drawn, which takes a seed as well.
    plot : str
        The scree plot to be, if any.

    Raises
    ------
    UsageError
        If options contradict each other or are for other methods.
    """
    from onebyone_cli.learners import NAMES, load

    learner = load(asked.method)
    for flag, is_given, fits in _rules(asked, mask, sampling, plot):
        if is_given and not fits(learner):
            able = _listed([name for name in NAMES if fits(load(name))], "and")
            raise UsageError(f"{flag} is for --method {able}, not for {asked.method}")
    if "endmembers" in learner.needs and not asked.endmembers:
        raise UsageError(f"--method {asked.method} needs --endmembers FILE")
    if asked.noise_from and (asked.noise or asked.rows or asked.columns):
        raise UsageError("--noise-from brings its own noise; leave out the other --noise options")
    _check_how_many(asked, learner)
    given = _values_of(asked)
    return Choice(asked, learner, {option: given[option] for option in learner.options})


def _rules(
    asked: Asked, mask: str, sampling: bool, plot: str
) -> "Iterator[tuple[str, bool, Callable[[Learner], bool]]]":
    """Tell of each option that is not for every method whether it was given, and who takes it."""
    for option, flag in _FLAGS.items():
        given = asked.has(option) and not (option == "seed" and sampling)
        yield flag, given, partial(_takes, option)
    for option, (flag, need) in _NEEDS.items():
        yield flag, asked.has(option), partial(_needs, need)
    reads_pixels = attrgetter("reads_pixels")
    yield "-k all", asked.all_components, reads_pixels  # else there is no end of them, or no choice
    yield "--mask", bool(mask), reads_pixels
    yield "--sample", sampling, reads_pixels
    yield "--plot", bool(plot), attrgetter("eigenvalues")


def _takes(option: str, learner: "Learner") -> bool:
    return option in learner.options


def _needs(need: str, learner: "Learner") -> bool:
    return need in learner.needs


def _check_how_many(asked: Asked, learner: "Learner") -> None:
    """Check that exactly one option says how many components are kept."""
    ways = [_FLAGS[option] for option in _HOW_MANY if option in learner.options]
    found = [_FLAGS[option] for option in _HOW_MANY if asked.has(option)]
    found += ["-k"] * asked.all_components
    if ways and len(found) != 1:
        shown = _HOW_MANY_SHOWN if learner.reads_pixels else {}
        wanted = _listed([shown.get(flag, f"{flag} K") for flag in ways], "or")
        if len(ways) == 1:
            raise UsageError(f"--method {asked.method} needs {wanted}")
        raise UsageError(f"give {wanted}; found {_listed(found, 'and') or 'none of them'}")


def _values_of(asked: Asked) -> dict[str, Any]:
    """Read what learners are given, and refuse what is out of range."""
    from onebyone_cli.learners.model import check_components, check_variance

    if asked.k is not None:
        check_components(asked.k)
    if asked.variance is not None:
        check_variance(asked.variance)
    if asked.snr is not None:
        from onebyone_cli.learners.mnf import check_snr

        check_snr(asked.snr)
    return {
        "k": asked.k,
        "variance": asked.variance,
        "snr": asked.snr,
        "standardize": asked.standardize,
        "whiten": asked.whiten,
        "kind": asked.kind or "gaussian",
        "seed": asked.seed or 0,
    }


def _listed(words: Sequence[str], last: str) -> str:
    """Join words by commas, the last one by a word."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def directions_of(noise: str) -> tuple[str, ...]:
    """Read ``--noise``: the directions it stands for."""
    from onebyone_cli.learners.differences import DIRECTIONS

    return DIRECTIONS[noise] if noise else ()
