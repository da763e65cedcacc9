"""What ``fit`` and ``reduce`` share: taking moments, choosing a learner, telling what was found."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onebyone_cli import __version__
from onebyone_cli.cli import values
from onebyone_cli.cli.progress import Progress
from onebyone_cli.errors import ShapeMismatchError, UsageError
from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.cli.console import Console
    from onebyone_cli.fit.model import Model
    from onebyone_cli.fit.moments import Moments
    from onebyone_cli.pipeline.learn import LearnSettings, MomentsJob
    from onebyone_cli.weights import ChannelMap

#: Components listed for people; all are in the JSON document and in the model.
_MOST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Choice:
    """Which learner, and how much of what it finds is kept."""

    method: str
    k: int | None
    variance: float | None
    standardize: bool
    whiten: bool

    def learn(self, moments: "Moments", source: str) -> "Model":
        """Learn a model from moments."""
        from onebyone_cli import fit

        options: dict[str, Any] = {"k": self.k, "variance": self.variance}
        if self.method == "pca":
            options |= {"standardize": self.standardize, "whiten": self.whiten}
        return fit.load(self.method)(moments, **options, source=source, version=__version__)

    def stand_in(self, channels: int) -> "ChannelMap":
        """Make weights of the shape that will be learned, as far as that is known beforehand."""
        from onebyone_cli.weights.channel_map import zero_map

        k = self.k or (1 if self.variance else channels)
        return zero_map(k, channels, f"--method {self.method}")


def files_of(inputs: Sequence[str]) -> tuple[str, ...]:
    """Name the files of the inputs, without datasets: none of them may be written to."""
    from onebyone_cli import formats

    return tuple(formats.split_inner(text)[0] for text in inputs)


def choice_of(
    method: str, k: int | None, variance: str, all_components: bool, standardize: bool, whiten: bool
) -> Choice:
    """Check what the user asked of the learner."""
    given = [name for name, on in (("-k", k is not None), ("--variance", variance)) if on]
    given += ["--all"] * all_components
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise UsageError(f"give -k K, --variance FRACTION or --all; found {found}")
    if method != "pca" and (standardize or whiten):
        raise UsageError(f"--standardize and --whiten are for --method pca, not for {method}")
    if k is not None:
        from onebyone_cli.fit.model import check_components

        check_components(k)
    fraction = values.number_of("--variance", variance) if variance else None
    return Choice(method, k, fraction, standardize, whiten)


def open_job(
    inputs: Sequence[str], layout: str, settings: "LearnSettings", stack: ExitStack
) -> "MomentsJob":
    """Open inputs that are one stack, check and plan; nothing is read but headers."""
    from onebyone_cli import formats
    from onebyone_cli.pipeline.learn import MomentsJob

    opened = formats.open_inputs(inputs, layout=layout, memory=settings.memory, stack=stack)
    return MomentsJob(opened, settings)


def take_moments(
    stacks: Sequence[Sequence[str]],
    layout: str,
    settings: "LearnSettings",
    console: "Console",
    progress: bool | None,
) -> "Moments":
    """Take the moments of several stacks together; all are checked before the first is read."""
    from onebyone_cli.fit.moments import no_moments

    with ExitStack() as stack:
        jobs = [open_job(inputs, layout, settings, stack) for inputs in stacks]
        first = jobs[0].input
        for job, inputs in zip(jobs, stacks, strict=True):
            if job.input.channels != first.channels:
                raise ShapeMismatchError(
                    f"has {count(job.input.channels, 'channel')} and {stacks[0][0]} has "
                    f"{first.channels}; one basis needs the same channels in every input",
                    inputs[0],
                )
        whole = no_moments(first.channels)
        with Progress(console, progress) as on_progress:
            for job in jobs:
                whole.merge(job.run(on_progress))
    return whole


def tell(model: "Model", console: "Console") -> None:
    """Show the components, and what to be careful about."""
    shares = model.explained_variance_ratio
    if len(shares):
        console.say("component  eigenvalue     share  cumulative")
        total = 0.0
        for index, share in enumerate(shares[:_MOST_ROWS]):
            total += float(share)
            value = float(model.eigenvalues[index])
            console.say(f"{index:9}  {value:10.4g}  {share:8.2%}  {total:10.2%}")
        if len(shares) > _MOST_ROWS:
            console.say(f"... and {count(len(shares) - _MOST_ROWS, 'more component')}")
    for warning in model.warnings:
        console.say(f"warning: {warning}")


def document(model: "Model", moments: "Moments") -> dict[str, Any]:
    """Gather the same for programs."""
    return {
        "components": int(model.map.out_channels),
        "channels": int(model.map.in_channels),
        "pixels": moments.count,
        "invalid_pixels": moments.invalid,
        "eigenvalues": model.eigenvalues.tolist(),
        "explained_variance": model.explained_variance.tolist(),
        "explained_variance_ratio": model.explained_variance_ratio.tolist(),
        "warnings": list(model.warnings),
    }
