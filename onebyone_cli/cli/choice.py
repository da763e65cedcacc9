"""What ``fit`` and ``reduce`` are asked to learn, checked as far as that goes without data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onebyone_cli.cli import values
from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.fit.evidence import Evidence
    from onebyone_cli.fit.learner import Learner
    from onebyone_cli.fit.model import Model
    from onebyone_cli.pipeline.learn import Wanted
    from onebyone_cli.weights import ChannelMap

#: Options of learners as they are typed.
_FLAGS = {
    "k": "-k",
    "variance": "--variance",
    "snr": "--snr",
    "standardize": "--standardize",
    "whiten": "--whiten",
    "kind": "--kind",
    "seed": "--seed",
}

#: The same for what learners need to know, with who can make use of it.
_NEEDS = {
    "noise": ("--noise", "differences"),
    "noise_rows": ("--noise-rows", "differences"),
    "noise_cols": ("--noise-cols", "differences"),
    "noise_from": ("--noise-from", "noise"),
    "labels": ("--labels", "classes"),
    "endmembers": ("--endmembers", "endmembers"),
}

#: The customary neighbours of each method; see ``fit.mnf`` and ``fit.maf``.
_NOISE = {"mnf": "lowerright", "maf": "both"}

#: What an option is that was not given.
_ABSENT = (None, "", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says about learning, as it was typed; empty where it says nothing."""

    method: str
    k: int | None = None
    variance: str = ""
    snr: str = ""
    all_components: bool = False
    standardize: bool = False
    whiten: bool = False
    kind: str = ""
    seed: int | None = None
    noise: str = ""
    noise_rows: str = ""
    noise_cols: str = ""
    noise_from: str = ""
    labels: str = ""
    endmembers: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A learner, and what it is asked for; checked as far as that goes without data."""

    asked: Asked
    learner: "Learner"
    options: Mapping[str, Any]

    def wanted(self) -> "Wanted":
        """Say what has to be gathered for it."""
        from onebyone_cli.pipeline.learn import Wanted

        asked, needs = self.asked, self.learner.needs
        measured = "differences" in needs and not asked.noise_from
        return Wanted(
            pixels="pixels" in needs,
            differences=directions_of(asked.noise or _NOISE[asked.method]) if measured else (),
            rows=values.range_of("--noise-rows", asked.noise_rows),
            columns=values.range_of("--noise-cols", asked.noise_cols),
            sample="sample" in needs,
        )

    def check_channels(self, channels: int, source: str) -> None:
        """Refuse more components than there can be, before anything is read.

        Raises
        ------
        DataError
            If K is more than C; a random projection may have that.
        """
        k = self.asked.k
        if k is not None and k > channels and self.learner.reads_pixels:
            raise DataError(
                f"has {count(channels, 'channel')}, and {k} components were asked for; "
                f"ask for -k {channels} or fewer",
                source,
            )

    def check_moments(self, evidence: "Evidence", source: str) -> None:
        """Check that saved moments tell what the learner needs; keep the differences it wants.

        Raises
        ------
        UsageError
            If they can't, for this method.
        DataError
            If other moments could.
        """
        asked, needs = self.asked, self.learner.needs
        if needs & {"classes", "sample"}:
            raise UsageError(f"--method {asked.method} needs the pixels themselves; name stacks")
        if asked.noise_rows or asked.noise_cols:
            raise UsageError("--noise-rows and --noise-cols are for stacks; give them to stats")
        if "pixels" in needs and "moments" not in evidence.kinds:
            raise DataError("holds no moments of pixels; make it with stats -o", source)
        if "differences" not in needs or asked.noise_from:
            return
        # Whoever names no direction means the one that the moments were taken with.
        wanted = directions_of(asked.noise) or tuple(evidence.differences)
        missing = [each for each in wanted if each not in evidence.differences]
        if missing or not wanted:
            raise DataError(
                f"holds no differences of neighbours ({missing[0] if missing else 'any'}); "
                f"make it with stats --noise {asked.noise or _NOISE[asked.method]}",
                source,
            )
        evidence.differences = {each: evidence.differences[each] for each in wanted}

    def learn(self, evidence: "Evidence", source: str) -> "Model":
        """Learn a model from what was gathered."""
        return self.learner.learn(evidence, source, self.options)

    def stand_in(self, channels: int) -> "ChannelMap":
        """Make weights of the shape that will be learned, as far as that is known beforehand."""
        from onebyone_cli.weights.channel_map import zero_map

        k = self.asked.k or (channels if self.asked.all_components else 1)
        return zero_map(k, channels, f"--method {self.asked.method}")


def choice_of(asked: Asked, *, sampling: bool = False) -> Choice:
    """Check what the user asked of the learner.

    Parameters
    ----------
    asked : Asked
        As typed.
    sampling : bool
        Whether a sample is drawn, which takes a seed as well.

    Raises
    ------
    UsageError
        If options contradict each other or are for other methods.
    """
    from onebyone_cli import fit

    learner = fit.load(asked.method)
    for option, flag in _FLAGS.items():
        if option == "seed" and sampling:
            continue
        if getattr(asked, option) not in _ABSENT and option not in learner.options:
            raise UsageError(f"{flag} is {_meant_for(fit.takers(option))}, not for {asked.method}")
    for option, (flag, need) in _NEEDS.items():
        if getattr(asked, option) and need not in learner.needs:
            able = [name for name in fit.NAMES if need in fit.load(name).needs]
            raise UsageError(f"{flag} is {_meant_for(able)}, not for {asked.method}")
    for option in ("labels", "endmembers"):
        need = _NEEDS[option][1]
        if need in learner.needs and not getattr(asked, option):
            raise UsageError(f"--method {asked.method} needs --{option} FILE")
    if asked.noise_from and (asked.noise or asked.noise_rows or asked.noise_cols):
        raise UsageError("--noise-from brings its own noise; leave out the other --noise options")
    _check_how_many(asked, learner)
    given = {
        "k": asked.k,
        "variance": values.number_of("--variance", asked.variance) if asked.variance else None,
        "snr": values.number_of("--snr", asked.snr) if asked.snr else None,
        "standardize": asked.standardize,
        "whiten": asked.whiten,
        "kind": asked.kind or "gaussian",
        "seed": asked.seed or 0,
    }
    return Choice(asked, learner, {option: given[option] for option in learner.options})


def _meant_for(methods: Sequence[str]) -> str:
    return f"for --method {' and '.join(methods)}"


def _check_how_many(asked: Asked, learner: "Learner") -> None:
    """Check that exactly one option says how many components are kept."""
    ways = [option for option in ("k", "variance", "snr") if option in learner.options]
    given = [_FLAGS[option] for option in ways if getattr(asked, option) not in (None, "")]
    flags = [_FLAGS[option] for option in ways]
    if learner.reads_pixels:  # else there is no end to the components, or no choice
        flags.append("--all")
        given += ["--all"] * asked.all_components
    elif asked.all_components:
        raise UsageError(f"--all is not for {asked.method}")
    if flags and len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise UsageError(f"give {_listed(flags)}; found {found}")
    if asked.k is not None:
        from onebyone_cli.fit.model import check_components

        check_components(asked.k)


def _listed(flags: Sequence[str]) -> str:
    values = {"-k": "-k K", "--variance": "--variance FRACTION", "--snr": "--snr RATIO"}
    texts = [values.get(flag, flag) for flag in flags]
    return " or ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def directions_of(noise: str) -> tuple[str, ...]:
    """Read ``--noise``: the directions it stands for."""
    from onebyone_cli.fit.differences import DIRECTIONS

    return DIRECTIONS[noise] if noise else ()
