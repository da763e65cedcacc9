"""Check what is to be learned, as far as possible before data are read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.errors import DataError, UsageError, setting, spelled
from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.learners.learner import Learner
    from onebyone_cli.learners.model import Model
    from onebyone_cli.learners.statistics import Statistics
    from onebyone_cli.operations.inputs import MapLike
    from onebyone_cli.operations.learn.settings import Wanted
    from onebyone_cli.weights.channel_map import ChannelMap

#: Options that learners take by these names.
_OF_LEARNERS = ("k", "variance", "snr", "standardize", "whiten", "kind", "seed")

#: Options by the need of learners that they serve.
_NEEDS = {
    "noise": "differences",
    "noise_rows": "differences",
    "noise_cols": "differences",
    "noise_from": "noise",
    "labels": "classes",
    "endmembers": "endmembers",
}

#: Options for how many components are kept, and the names of their values.
_HOW_MANY = {"k": "K", "variance": "FRACTION", "snr": "RATIO"}


class LearnRequest(NamedTuple):
    """What is to be learned; None, False or empty for options that are not given.

    Attributes
    ----------
    k, variance, snr, all_components
        How many components are kept.
    noise : str
        Neighbours whose differences are noise, a key of `learners.differences.DIRECTIONS`.
    noise_rows, noise_cols : (int, int) or None
        Window in which neighbours are compared: the first, and the one after the last.
    noise_from : str
        A stack of noise, or its moments.
    labels, mask : str, ndarray or None
        Maps that go with every stack.
    endmembers : str, array-like or None
        Known spectra, one in each column.
    sample : int or None
        Pixels to read; None for all.
    """

    method: str = "pca"
    k: int | None = None
    variance: float | None = None
    snr: float | None = None
    all_components: bool = False
    standardize: bool = False
    whiten: bool = False
    kind: str = ""
    seed: int | None = None
    noise: str = ""
    noise_rows: tuple[int, int] | None = None
    noise_cols: tuple[int, int] | None = None
    noise_from: str = ""
    labels: "MapLike" = None
    endmembers: Any = None
    mask: "MapLike" = None
    sample: int | None = None
    plot: str = ""

    def has(self, option: str) -> bool:
        """Whether an option is given; 0 counts as given."""
        value = getattr(self, option)
        return not (value is None or value is False or (isinstance(value, str) and not value))


class CheckedRequest(NamedTuple):
    """A learner and its options, checked as far as possible without data."""

    request: LearnRequest
    learner: "Learner"
    options: Mapping[str, Any]

    @property
    def _method(self) -> str:
        return setting("method", self.request.method)

    def wanted(self) -> "Wanted":
        """Return what has to be gathered."""
        from onebyone_cli.learners.differences import CUSTOMARY
        from onebyone_cli.operations.learn.settings import Wanted

        asked, needs = self.request, self.learner.needs
        measured = "differences" in needs and not asked.noise_from
        return Wanted(
            pixels="pixels" in needs,
            differences=directions_of(asked.noise or CUSTOMARY[asked.method]) if measured else (),
            rows=asked.noise_rows,
            columns=asked.noise_cols,
            sample="sample" in needs,
        )

    def check_channels(self, channels: int, source: str) -> None:
        """Check the library and the number of components, before pixels are read.

        Raises
        ------
        DataError
            If K is more than C, other than for a random projection.
        DependencyMissingError
            If the learner's library is not installed.
        """
        self.learner.prepare()
        k = self.request.k
        if k is not None and k > channels and self.learner.reads_pixels:
            table = f"; is it a table of pixels? give {setting('layout', 'NC')}"
            raise DataError(
                f"has {count(channels, 'channel')}, and {k} components were asked for; "
                f"ask for {setting('k', channels)} or fewer{table * (channels == 1)}",
                source,
            )

    def check_stacks(self) -> None:
        """Raise `UsageError` if the learner needs more than the pixels of stacks."""
        if "classes" in self.learner.needs and not self.request.has("labels"):
            raise UsageError(f"{self._method} needs {setting('labels', 'FILE')}")

    def check_moments(self, statistics: "Statistics", source: str) -> None:
        """Check that saved moments are sufficient for the learner; drop those that it does not use.

        Raises
        ------
        UsageError
            If no moments are sufficient for this method.
        DataError
            If other moments would be.
        """
        from onebyone_cli.learners.differences import CUSTOMARY

        asked, needs = self.request, self.learner.needs
        if "sample" in needs:
            raise UsageError(f"{self._method} needs the pixels themselves; name stacks")
        if asked.noise_rows or asked.noise_cols:
            raise UsageError(
                f"{setting('noise_rows')} and {setting('noise_cols')} are for stacks; "
                "give them to stats"
            )
        if not (statistics.count or statistics.invalid):
            raise DataError(
                "holds no pixels, as the share of a small stack may; name the other parts, too",
                source,
            )
        if "pixels" in needs and "moments" not in statistics.kinds:
            raise DataError("holds no moments of pixels; make it with stats -o", source)
        if "classes" in needs:
            if statistics.classes is None:
                raise DataError(
                    f"holds no moments of classes; make it with stats {setting('labels', 'MAP')}",
                    source,
                )
            statistics.leave_out_unlabelled()
        if "differences" not in needs or asked.noise_from:
            return
        # The default is the directions that the moments were taken with.
        wanted = directions_of(asked.noise) or tuple(statistics.differences)
        missing = [each for each in wanted if each not in statistics.differences]
        if missing or not wanted:
            which = f" ({missing[0]})" if missing else ""
            raise DataError(
                f"holds no differences of neighbours{which}; "
                f"make it with stats {setting('noise', asked.noise or CUSTOMARY[asked.method])}",
                source,
            )
        statistics.differences = {each: statistics.differences[each] for each in wanted}

    def learn(self, statistics: "Statistics", source: str) -> "Model":
        """Learn a model from the statistics, or from the endmembers."""
        endmembers = self.request.endmembers
        return self.learner.learn(
            statistics, endmembers if isinstance(endmembers, str) else source, self.options
        )

    def stand_in(self, channels: int) -> "ChannelMap":
        """Return zero weights of the shape that will be learned, as far as that is known."""
        from onebyone_cli.weights.channel_map import zero_map

        k = self.request.k or (channels if self.request.all_components else 1)
        return zero_map(k, channels, spelled(self._method))


def check_request(request: LearnRequest, *, is_applied: bool = False) -> CheckedRequest:
    """Check a request.

    `is_applied` is whether the model is applied to the stack, whose masked pixels are invalid.

    Raises
    ------
    UsageError
        If options contradict each other, are out of range, or are for other methods.
    """
    from onebyone_cli.learners import NAMES, load

    learner = load(request.method)
    method = setting("method", request.method)
    for option, is_given, fits in _rules(request, is_applied):
        if is_given and not fits(learner):
            able = _listed([name for name in NAMES if fits(load(name))], "and")
            raise UsageError(f"{option} is for {setting('method', able)}, not for {request.method}")
    if "endmembers" in learner.needs and not request.has("endmembers"):
        raise UsageError(f"{method} needs {setting('endmembers', 'FILE')}")
    if request.noise_from and (request.noise or request.noise_rows or request.noise_cols):
        raise UsageError(
            f"{setting('noise_from')} brings its own noise; leave out the other "
            f"{setting('noise')} options"
        )
    _check_how_many(request, learner)
    given = _options_of(request)
    return CheckedRequest(request, learner, {option: given[option] for option in learner.options})


def _rules(
    request: LearnRequest, is_applied: bool
) -> "Iterator[tuple[str, bool, Callable[[Learner], bool]]]":
    """Yield (option, is given, accepts a learner) for each method-specific option."""
    sampling = request.sample is not None
    for option in _OF_LEARNERS:
        if option == "seed":
            without = f"{setting('seed')} without {setting('sample')}"
            yield without, request.has(option) and not sampling, partial(_takes, option)
        else:
            yield setting(option), request.has(option), partial(_takes, option)
    for option, need in _NEEDS.items():
        yield setting(option), request.has(option), partial(_needs, need)
    reads_pixels = attrgetter("reads_pixels")
    # Without pixels the number of components is unlimited, or fixed.
    yield setting("k", "all"), request.all_components, reads_pixels
    yield setting("mask"), request.has("mask") and not is_applied, reads_pixels
    yield setting("sample"), sampling, reads_pixels
    yield setting("plot"), bool(request.plot), attrgetter("eigenvalues")


def _takes(option: str, learner: "Learner") -> bool:
    return option in learner.options


def _needs(need: str, learner: "Learner") -> bool:
    return need in learner.needs


def _check_how_many(request: LearnRequest, learner: "Learner") -> None:
    """Check that exactly one option sets how many components are kept."""
    shown = _HOW_MANY | ({"k": "K|all"} if learner.reads_pixels else {})
    ways = [setting(name, shown[name]) for name in _HOW_MANY if name in learner.options]
    found = [setting(name) for name in _HOW_MANY if request.has(name)]
    found += [setting("k", "all")] * request.all_components
    if ways and len(found) != 1:
        wanted = _listed(ways, "or")
        if len(ways) == 1:
            raise UsageError(f"{setting('method', request.method)} needs {wanted}")
        raise UsageError(f"give {wanted}; found {_listed(found, 'and') or 'none of them'}")


def _options_of(request: LearnRequest) -> dict[str, Any]:
    """Return the options of learners by name, checked."""
    from onebyone_cli.learners.model import check_components, check_variance

    if request.k is not None:
        check_components(request.k)
    if request.variance is not None:
        check_variance(request.variance)
    if request.snr is not None:
        from onebyone_cli.learners.mnf import check_snr

        check_snr(request.snr)
    return {
        "k": request.k,
        "variance": request.variance,
        "snr": request.snr,
        "standardize": request.standardize,
        "whiten": request.whiten,
        "kind": request.kind or "gaussian",
        "seed": check_seed(request.seed),
    }


def check_seed(seed: int | None) -> int:
    """Return the seed, 0 by default; raise `UsageError` if it is negative."""
    if seed is not None and seed < 0:
        raise UsageError(f"{setting('seed', seed)} is negative; give 0 or more")
    return seed or 0


def _listed(words: Sequence[str], last: str) -> str:
    """Join words by commas, the last one by a word."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def directions_of(noise: str) -> tuple[str, ...]:
    """Return the directions that a value of ``--noise`` stands for.

    Raises
    ------
    UsageError
        If it is unknown.
    """
    from onebyone_cli.learners.differences import DIRECTIONS

    if noise and noise not in DIRECTIONS:
        raise UsageError(
            f"{setting('noise', noise)} is unknown; choose from {', '.join(DIRECTIONS)}"
        )
    return DIRECTIONS[noise] if noise else ()
