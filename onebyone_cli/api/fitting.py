"""Learn a 1×1 convolution from arrays and files."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.api.applying import threads_of
from onebyone_cli.api.model import Model
from onebyone_cli.api.opening import memory_of, open_readers, unheard
from onebyone_cli.errors import DataError, ShapeMismatchError, UsageError
from onebyone_cli.learners import load
from onebyone_cli.learners.differences import CUSTOMARY, DIRECTIONS
from onebyone_cli.learners.model import check_components, check_variance
from onebyone_cli.learners.statistics import no_evidence
from onebyone_cli.operations.learn.job import LearnJob
from onebyone_cli.operations.learn.sampling import ICA_PIXELS, choose_runs
from onebyone_cli.operations.learn.settings import LearnSettings, Wanted
from onebyone_cli.stack.stack import channel_names, stacked_spec
from onebyone_cli.units import count
from onebyone_cli.version import __version__
from onebyone_cli.weights import load_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from onebyone_cli.api.opening import OnProgress, Path, StackLike
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.learners.learner import Learner
    from onebyone_cli.learners.statistics import Evidence

    Inputs = Sequence[Reader | StreamReader]


def fit(
    stack: StackLike,
    k: int | None = None,
    *,
    method: str = "pca",
    variance: float | None = None,
    snr: float | None = None,
    standardize: bool = False,
    whiten: bool = False,
    kind: str | None = None,
    seed: int | None = None,
    noise: str | None = None,
    labels: NDArray[Any] | Path | None = None,
    endmembers: ArrayLike | Path | None = None,
    mask: NDArray[Any] | Path | None = None,
    sample: int | None = None,
    layout: str = "CHW",
    nodata: float | None = None,
    memory: int | str | None = None,
    threads: int | None = None,
    on_progress: OnProgress = unheard,
) -> Model:
    """Learn a 1×1 convolution from a stack, as ``onebyone fit`` does.

    One pass over the pixels, in float64. Pixels with NaN, an infinity or the value of `nodata` in
    any channel are left out.

    Parameters
    ----------
    stack : ndarray of shape (..., C, H, W), path, OpenStack, or a sequence of them
        What is learned from; several are stacked along the channels.
    k : int, optional
        Components to keep. Without it, and without `variance` and `snr`, all are kept.
    method : str
        ``"pca"``, ``"svd"``, ``"mnf"``, ``"maf"``, ``"lda"``, ``"ica"``, ``"random"`` or
        ``"unmix"``.
    variance : float, optional
        Keep as many components as explain this fraction, in (0, 1].
    snr : float, optional
        With ``mnf``: keep those whose ratio of signal to noise is at least this.
    standardize, whiten : bool
        With ``pca``: divide channels by their standard deviations; components by theirs.
    kind : str, optional
        With ``random``: ``"gaussian"`` (the default) or ``"sparse"``.
    seed : int, optional
        Of ``ica``, ``random`` and `sample`; 0 unless given.
    noise : str, optional
        With ``mnf`` and ``maf``: neighbours whose differences are noise: ``"right"``,
        ``"lower"``, ``"lowerright"`` or ``"both"``.
    labels : ndarray of integers, shape (H, W), or path, optional
        With ``lda``: the class of each pixel, 0 for none.
    endmembers : array-like of shape (C, K), or path, optional
        With ``unmix``: a known spectrum in each column.
    mask : ndarray of shape (H, W), or path, optional
        Pixels where it is 0 are left out.
    sample : int, optional
        Look at about so many pixels only, drawn in runs of neighbours.
    layout, nodata, memory, threads, on_progress
        As in `apply`.

    Raises
    ------
    UsageError
        If arguments are for other methods, or out of range; a `ValueError`.
    DataError, InputMissingError
        As in `apply`; also if nothing can be learned from the pixels.
    """
    given = {
        "k": k,
        "variance": variance,
        "snr": snr,
        "standardize": standardize,
        "whiten": whiten,
        "kind": kind,
        "seed": seed,
    }
    known = {"noise": noise, "labels": labels, "endmembers": endmembers}
    with ExitStack() as opened:
        learner = load(method)
        _check_options(method, learner, given, known, sampling=sample is not None)
        learner.prepare()
        settings = LearnSettings(
            memory=memory_of(memory),
            threads=threads_of(threads),
            nodata=nodata,
            wanted=Wanted(
                pixels="pixels" in learner.needs,
                differences=_directions(method, noise) if "differences" in learner.needs else (),
                sample="sample" in learner.needs,
            ),
            runs_only=sample is not None,
        )
        inputs = open_readers(stack, layout, settings.memory, opened)
        channels = sum(reader.spec.channels for reader in inputs)
        if k is not None and k > channels and learner.reads_pixels:
            raise DataError(
                f"has {count(channels, 'channel')}, and {k} components were asked for; "
                f"ask for {channels} or fewer",
                _name_of(inputs),
            )
        evidence = no_evidence(channels)
        if learner.reads_pixels:
            maps = [_map_of(each, settings.memory, opened) for each in (mask, labels)]
            job = LearnJob(inputs, settings, mask=maps[0], labels=maps[1])
            pixels = sample or (ICA_PIXELS if settings.wanted.sample else 0)
            runs = choose_runs([job], pixels, seed or 0)[0] if pixels else None
            evidence.merge(job.run(on_progress, runs))
        _add_endmembers(evidence, endmembers, _name_of(inputs))
        options = given | {"kind": kind or "gaussian", "seed": seed or 0}
        learned = learner.learn(
            evidence, _name_of(inputs), {name: options[name] for name in learner.options}
        )
        return Model(learned, _record_of(inputs), channel_names(inputs))


def _check_options(
    method: str,
    learner: Learner,
    given: Mapping[str, Any],
    known: Mapping[str, Any],
    *,
    sampling: bool,
) -> None:
    """Refuse what another method takes, and two words on how many components are kept."""
    needs = {"noise": "differences", "labels": "classes", "endmembers": "endmembers"}
    asked = [name for name, value in given.items() if value is not None and value is not False]
    foreign = [name for name in asked if name not in learner.options]
    foreign += [
        name
        for name, value in known.items()
        if value is not None and needs[name] not in learner.needs
    ]
    foreign = [name for name in foreign if not (name == "seed" and sampling)]
    if foreign:
        raise UsageError(f"{foreign[0]} is for other methods, not for {method}")
    for name in ("labels", "endmembers"):
        if needs[name] in learner.needs and known[name] is None:
            raise UsageError(f"method {method} needs {name}")
    if given["k"] is not None:
        check_components(given["k"])
    if given["variance"] is not None:
        check_variance(given["variance"])
    many = [name for name in ("k", "variance", "snr") if given[name] is not None]
    if len(many) > 1:
        raise UsageError(f"{' and '.join(many)} all say how many components to keep; give one")
    if "k" in learner.options and not learner.reads_pixels and given["k"] is None:
        raise UsageError(f"method {method} needs k")


def _directions(method: str, noise: str | None) -> tuple[str, ...]:
    name = noise or CUSTOMARY[method]
    if name not in DIRECTIONS:
        raise UsageError(f"--noise {name} is unknown; choose from {', '.join(DIRECTIONS)}")
    return DIRECTIONS[name]


def _map_of(
    given: NDArray[Any] | Path | None, memory: int, opened: ExitStack
) -> Reader | StreamReader | None:
    """Open a mask or labels, which go with the stack pixel by pixel."""
    if given is None:
        return None
    return open_readers(given, "CHW", memory // 8, opened)[0]


def _add_endmembers(evidence: Evidence, given: ArrayLike | Path | None, source: str) -> None:
    if given is None:
        return
    if isinstance(given, str | os.PathLike):
        # What is not finite is refused by the learner, in words that fit.
        matrix = load_weights(os.fspath(given), allow_nonfinite=True).weight
    else:
        matrix = np.asarray(given, np.float64)
    if matrix.ndim != 2 or len(matrix) != evidence.channels:
        raise ShapeMismatchError(
            f"endmembers have shape {matrix.shape} and {source} has "
            f"{count(evidence.channels, 'channel')}; expected one row per channel, one column per "
            "endmember"
        )
    evidence.endmembers = matrix


def _name_of(inputs: Inputs) -> str:
    return " ".join(reader.path for reader in inputs)


def _record_of(inputs: Inputs) -> dict[str, Any]:
    """Say where a model came from, as the command does."""
    shape = stacked_spec(inputs, inputs[0].spec.dtype).shape
    return {"inputs": [{"name": _name_of(inputs), "shape": list(shape)}], "version": __version__}
