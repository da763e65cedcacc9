"""Apply a chain of 1×1 convolutions to arrays and files."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

import numpy as np

from onebyone_cli.api.asked import asked_of
from onebyone_cli.api.opening import open_readers, reading_of, unheard
from onebyone_cli.api.telling import tell_all
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.operations.apply.job import ApplyJob
from onebyone_cli.operations.apply.run import Output, WeightsRequest, plan_apply
from onebyone_cli.operations.apply.settings import ApplyReport, checked_settings
from onebyone_cli.operations.inputs import open_map
from onebyone_cli.stack.in_memory import MemoryTarget
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.formats import split_member
from onebyone_cli.weights.orders import as_matrix
from onebyone_cli.weights.rules import SHAPES, check_finite

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from onebyone_cli.api.asked import NodataLike
    from onebyone_cli.api.opening import Channels, OnProgress, Path, StackLike
    from onebyone_cli.operations.inputs import MapLike

    class HasMap(Protocol):
        """A learned model."""

        @property
        def map(self) -> ChannelMap:
            """Weight and bias."""

    #: One layer: a matrix (K, C), a weights file, a learned model.
    OneLayer: TypeAlias = "ArrayLike | Path | HasMap | ChannelMap"
    #: One, or a chain of them.
    WeightsLike: TypeAlias = OneLayer | Sequence[Any]
    Scale: TypeAlias = str | tuple[float, float]


@overload
def apply(
    stack: StackLike,
    weights: WeightsLike,
    *,
    bias: ArrayLike | None = ...,
    activation: str | Sequence[str] = ...,
    argmax: bool = ...,
    channels: Channels = ...,
    by_position: bool = ...,
    layout: str | None = ...,
    dtype: DTypeLike | None = ...,
    scale: Scale | None = ...,
    compute: str = ...,
    nodata: NodataLike | None = ...,
    invalid: Literal["any", "all"] = ...,
    mask: NDArray[Any] | Path | None = ...,
    stored: bool = ...,
    nan_to: float | None = ...,
    memory: int | str | None = ...,
    threads: int | None = ...,
    on_progress: OnProgress = ...,
) -> NDArray[Any]: ...


@overload
def apply(
    stack: StackLike,
    weights: WeightsLike,
    *,
    output: Path,
    force: bool = ...,
    fsync: bool = ...,
    bias: ArrayLike | None = ...,
    activation: str | Sequence[str] = ...,
    argmax: bool = ...,
    channels: Channels = ...,
    by_position: bool = ...,
    layout: str | None = ...,
    dtype: DTypeLike | None = ...,
    scale: Scale | None = ...,
    compute: str = ...,
    nodata: NodataLike | None = ...,
    invalid: Literal["any", "all"] = ...,
    mask: NDArray[Any] | Path | None = ...,
    stored: bool = ...,
    nan_to: float | None = ...,
    memory: int | str | None = ...,
    threads: int | None = ...,
    on_progress: OnProgress = ...,
) -> ApplyReport: ...


def apply(
    stack: StackLike,
    weights: WeightsLike,
    *,
    output: Path | None = None,
    force: bool = False,
    fsync: bool = False,
    bias: ArrayLike | None = None,
    activation: str | Sequence[str] = (),
    argmax: bool = False,
    channels: Channels = None,
    by_position: bool = False,
    layout: str | None = None,
    grid: tuple[int, int] | None = None,
    dtype: DTypeLike | None = None,
    scale: Scale | None = None,
    compute: str = "auto",
    nodata: NodataLike | None = None,
    invalid: Literal["any", "all"] = "any",
    mask: NDArray[Any] | Path | None = None,
    stored: bool = False,
    nan_to: float | None = None,
    memory: int | str | None = None,
    threads: int | None = None,
    on_progress: OnProgress = unheard,
) -> NDArray[Any] | ApplyReport:
    """Apply a 1×1 convolution, or a chain of them, to a stack.

    ``Y[k, h, w] = bias[k] + Σ_c weight[k, c] · X[c, h, w]``, bit for bit as ``onebyone apply``
    (see `onebyone_cli.api` for when).

    Parameters
    ----------
    stack : ndarray of shape (..., C, H, W) or (H, W), path, OpenStack, or a sequence of them
        The input; several are stacked along the channels.
    weights : array-like of shape (K, C), path, Model, or a sequence of them
        One row for each output channel; a sequence is a chain of layers. Nested lists of numbers
        are one matrix.
    output : path, optional
        File or folder to write, streaming, in place of returning an array. It appears whole or not
        at all.
    force, fsync : bool
        Overwrite an existing `output`; flush it to disk before renaming it into place.
    bias : array-like of shape (K,), optional
        Added to the output channels of the last layer, in place of a bias of its own.
    activation : str or sequence of str
        ``"none"``, ``"relu"``, ``"sigmoid"`` or ``"softmax"``: one for all layers (softmax follows
        the last only), or one for each.
    argmax : bool
        Return one channel: the index of the largest output channel.
    channels : str, int, or sequence of int and str, optional
        Channels of the stack, in place of all: a text as ``--channels`` takes it, such as
        ``"B08,B04"``, ``"450nm:900nm"`` or ``"0:50,!6:8"``, or numbers and names. Others are not
        read.
    by_position : bool
        Take channels in their order, also where weights and stack both have names. Otherwise these
        are matched by name.
    layout : str, optional
        Order of the axes of the input: H and W (or Y and X), C, and a letter for each axis of a
        batch, as in ``"HWC"``, ``"NHWC"`` or ``"CTZYX"``; any axes before C, H and W alone are a
        batch. ``"NC"`` and ``"CN"`` are tables of N pixels, which become one row. The default is
        the order that a file tells, else CHW. The result is always CHW, after a batch.
    grid : (int, int), optional
        Height and width to which the pixels of a table, which are one row, are folded.
    dtype : dtype-like, optional
        Type of the result; integers are rounded half to even and saturate. The default is that of
        the arithmetic: float32 where it holds every input value exactly, else float64.
    scale : str or (float, float), optional
        Range that is mapped onto the whole range of an integer `dtype` (uint8 unless given): the
        range itself; ``"auto"``, that of all numbers of the result; ``"each"``, that of each
        channel; or percentiles, as in ``"2%,98%"`` of all numbers or ``"2%,98%,each"``.
    compute : str
        ``"float32"`` or ``"float64"`` for the arithmetic; ``"auto"`` chooses.
    nodata : float, str, or sequence of float and (float, float), optional
        Stored values, and ranges of them, that mark invalid numbers, in place of those that files
        name; ``"none"`` for no value. An invalid pixel is the first of them, or NaN, in every
        output channel.
    invalid : str
        A pixel is invalid if ``"any"`` of its channels is, or only if ``"all"`` are. NaN and
        infinities are invalid, too, and make a pixel invalid in either case.
    mask : ndarray of shape (H, W) or path, optional
        Pixels where it is 0 or NaN are invalid.
    stored : bool
        Use the numbers as they are stored, without the scale and offset that files name.
    nan_to : float, optional
        Value that replaces NaN in the result.
    memory : int or str, optional
        Most bytes of buffers, as in ``"256M"``; a returned array is not counted.
    threads : int, optional
        Most worker threads.
    on_progress : callable, optional
        Called from time to time with a step, its bytes of input done, and all its bytes.

    Returns
    -------
    ndarray of shape (..., K, H, W), or ApplyReport
        The result; with `output` its shape and the numbers of invalid pixels, saturated values and
        replaced NaN.

    Raises
    ------
    ShapeMismatchError
        If inputs disagree in height or width, or with the weights in channels.
    DataError, UsageError
        If an input is malformed, or arguments contradict each other; both are `ValueError`.
    InputMissingError
        If a file is missing; a `FileNotFoundError`.
    OutputRefusedError, ReadWriteError
        If the output exists, is an input, or can't be written; both are `OSError`.
    """
    settings = checked_settings(
        memory=memory,
        threads=threads,
        compute=compute,
        dtype=None if dtype is None else np.dtype(dtype).newbyteorder("=").name,
        argmax=argmax,
        asked=asked_of(nodata, stored=stored, invalid=invalid),
        by_position=by_position,
        nan_to=nan_to,
        scale=scale,
    )
    layers = _request(weights, bias, activation).load()
    for layer in layers:
        tell_all(f"{layer.map.source}: {note}" for note in layer.map.notes)
    with ExitStack() as opened:
        reading = reading_of(layout, settings.memory, channels, grid)
        inputs = open_readers(stack, reading, opened)
        pixel_map = open_map(_map_of(mask), settings.memory, opened)
        if output is None:
            memory_target = MemoryTarget()
            job = ApplyJob(inputs, layers, memory_target, settings, mask=pixel_map)
            _run(job, on_progress)
            return memory_target.array
        path = os.fspath(output)
        if path == "-":
            raise UsageError("standard output belongs to the running program; name a file")
        read = _files(weights)
        if isinstance(mask, str | os.PathLike):
            read = (*read, os.fspath(mask))
        target = Output(path, also_read=read, publication=Publication(force, fsync))
        return _run(plan_apply(inputs, layers, target, settings, mask=pixel_map), on_progress)


def _run(job: ApplyJob, on_progress: OnProgress) -> ApplyReport:
    """Run a job, and tell what the command would."""
    tell_all(job.told())
    done = job.run(on_progress)
    tell_all(done.warnings)
    return done


def _request(
    weights: WeightsLike, bias: ArrayLike | None, activation: str | Sequence[str]
) -> WeightsRequest:
    """Convert arrays, paths and models to the layers that are asked for."""
    chain: Sequence[Any] = weights if _is_chain(weights) else [weights]  # type: ignore[assignment]
    if not chain:
        raise UsageError("no weights; give a matrix (K, C), a path or a model")
    names = ["weights"] if len(chain) == 1 else [f"weights[{at}]" for at in range(len(chain))]
    last = None if bias is None else _numbers(bias, "bias", "bias")
    return WeightsRequest(
        [_layer(each, name) for each, name in zip(chain, names, strict=True)],
        bias=[*[None] * (len(chain) - 1), last],
        activation=[activation] if isinstance(activation, str) else activation,
    )


def _is_chain(weights: WeightsLike) -> bool:
    """Whether this is a sequence of layers; nested lists of numbers are a matrix."""
    if not isinstance(weights, list | tuple):
        return False
    return not weights or not all(isinstance(each, list | tuple | float | int) for each in weights)


def _files(weights: WeightsLike) -> tuple[str, ...]:
    """Return the files among the layers."""
    chain: Sequence[Any] = weights if _is_chain(weights) else [weights]  # type: ignore[assignment]
    named = (os.fspath(each) for each in chain if isinstance(each, str | os.PathLike))
    return tuple(split_member(each)[0] for each in named)


def _map_of(given: NDArray[Any] | Path | None) -> MapLike:
    return os.fspath(given) if isinstance(given, os.PathLike) else given


def _layer(weights: Any, name: str) -> str | ChannelMap:
    if isinstance(weights, ChannelMap):
        return weights
    if isinstance(weights, str | os.PathLike):
        return os.fspath(weights)
    learned = getattr(weights, "map", None)
    if isinstance(learned, ChannelMap):
        return learned
    matrix, _, is_either = as_matrix(_numbers(weights, "weight", name), name)
    return ChannelMap(matrix, np.zeros(len(matrix)), name, is_either=is_either)


def _numbers(
    given: ArrayLike,
    name: str,
    source: str,
) -> NDArray[np.float64]:
    try:
        array = np.asarray(given)
        numbers = array.astype(np.float64, casting="same_kind")
    except (TypeError, ValueError) as error:
        raise DataError(f"is not an array of real numbers: {error}", source) from error
    numbers = numbers.reshape(SHAPES[name](numbers.shape, source))
    check_finite(numbers, name, source)
    return numbers
