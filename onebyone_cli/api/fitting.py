"""Learn a 1×1 convolution from arrays and files."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal

from onebyone_cli.api.asked import asked_of
from onebyone_cli.api.model import Model
from onebyone_cli.api.opening import open_readers, reading_of, unheard
from onebyone_cli.api.telling import tell
from onebyone_cli.errors import UsageError, setting
from onebyone_cli.learners import load
from onebyone_cli.operations.learn.given import add_given, endmembers_alone
from onebyone_cli.operations.learn.request import LearnRequest, check_request
from onebyone_cli.operations.learn.run import LearnPass, gather_for
from onebyone_cli.operations.learn.settings import LearnSettings
from onebyone_cli.operations.machine import memory_of, threads_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from onebyone_cli.api.asked import NodataLike
    from onebyone_cli.api.opening import Channels, OnProgress, Path, StackLike
    from onebyone_cli.operations.learn.gathered import Gathered


def fit(
    stack: StackLike | None,
    k: int | Literal["all"] | None = None,
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
    channels: Channels = None,
    layout: str | None = None,
    grid: tuple[int, int] | None = None,
    nodata: NodataLike | None = None,
    invalid: Literal["any", "all"] = "any",
    stored: bool = False,
    memory: int | str | None = None,
    threads: int | None = None,
    on_progress: OnProgress = unheard,
) -> Model:
    """Learn a 1×1 convolution from a stack, as ``onebyone fit`` does.

    One pass over the pixels, in float64. Pixels with NaN, an infinity or a nodata value in any
    channel are left out.

    Parameters
    ----------
    stack : ndarray of shape (..., C, H, W), path, OpenStack, or a sequence of them
        The input; several are stacked along the channels. None for ``unmix``, for which the
        endmembers are enough.
    k : int or "all", optional
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
        Read only about so many pixels, drawn in runs of neighbours.
    nodata : float, str, or sequence of float and (float, float), optional
        Values, and ranges of them, that mark invalid numbers, in place of those that files name;
        ``"none"`` for no value.
    invalid : str
        ``"any"``: a pixel is invalid if any of its channels is; ``"all"``: only if all are.
    stored : bool
        Use the numbers as they are stored, without the scale and offset that files name.
    channels, layout, grid, memory, threads, on_progress
        As in `apply`.

    Raises
    ------
    UsageError
        If arguments are for other methods, or out of range; a `ValueError`.
    DataError, InputMissingError
        As in `apply`; also if nothing can be learned from the pixels.
    """
    if k is variance is snr is None and load(method).reads_pixels:
        k = "all"
    request = check_request(
        LearnRequest(
            method=method,
            k=None if k == "all" else k,
            variance=variance,
            snr=snr,
            all_components=k == "all",
            standardize=standardize,
            whiten=whiten,
            kind=kind or "",
            seed=seed,
            noise=noise or "",
            labels=_file_or_array(labels),
            endmembers=_file_or_array(endmembers),
            mask=_file_or_array(mask),
            sample=sample,
        )
    )
    request.check_stacks()
    asked = asked_of(nodata, stored=stored, invalid=invalid)
    settings = LearnSettings(memory_of(memory), threads_of(threads), asked, request.wanted())
    way = LearnPass.of(request, settings)
    reading = reading_of(layout, settings.memory, channels, grid)

    def check(gathered: Gathered) -> None:
        request.check_channels(gathered.statistics.channels, gathered.source)
        add_given(
            gathered,
            request.request,
            reading,
            settings,
            on_progress=on_progress,
            say=tell,
        )

    if stack is None:
        if "endmembers" not in request.learner.needs:
            raise UsageError(f"no stack; {setting('method', method)} learns from pixels")
        gathered = endmembers_alone(request.request.endmembers, tell)
        return Model(request.learn(gathered.statistics, gathered.source), gathered)
    with ExitStack() as opened:
        inputs = open_readers(stack, reading, opened)
        gathered = gather_for(request, [inputs], way, check, on_progress=on_progress, say=tell)
        return Model(request.learn(gathered.statistics, gathered.source), gathered)


def _file_or_array(given: Any) -> Any:
    return os.fspath(given) if isinstance(given, os.PathLike) else given
