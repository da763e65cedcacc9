"""Apply a chain of 1×1 convolutions to a stack."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from onebyone_cli.casting import Cast, CastCounts
from onebyone_cli.conv1x1 import Convolution, argmax, argmax_dtype, arithmetic_dtype, rms
from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.formats.base import StreamWriter, Writer
from onebyone_cli.pipeline.sources import Sources
from onebyone_cli.planning import Costs, Plan, make_plan
from onebyone_cli.spec import StackSpec
from onebyone_cli.spool import Spool
from onebyone_cli.stack import stacked_spec
from onebyone_cli.tiling import iter_slabs
from onebyone_cli.workers import run_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from onebyone_cli.conv1x1 import Layer
    from onebyone_cli.formats.base import Reader, StreamReader
    from onebyone_cli.pipeline.sources import OnProgress
    from onebyone_cli.spec import Slab
    from onebyone_cli.stack import Stack

    Write = Callable[[Slab, NDArray[Any]], None]


@dataclass(frozen=True, slots=True)
class ApplySettings:
    """What the user chose about the numbers and the machine.

    Attributes
    ----------
    memory, threads : int
        Budget in bytes; most workers.
    compute : str
        ``"auto"``, ``"float32"`` or ``"float64"``.
    dtype : str
        Type of the output; empty for the arithmetic's own.
    collapse : str
        What is written in place of the output channels: ``"argmax"``, the index of the largest;
        ``"rms"``, their root mean square; empty for the channels themselves.
    nodata : float or None
        Input value that marks a pixel as invalid, as NaN does.
    nan_to : float or None
        What NaN becomes in the output.
    scale : "auto", (float, float) or None
        Range that is mapped onto the whole range of an integer output; ``"auto"`` is the range of
        the result.
    """

    memory: int
    threads: int
    compute: str = "auto"
    dtype: str = ""
    collapse: Literal["", "argmax", "rms"] = ""
    nodata: float | None = None
    nan_to: float | None = None
    scale: Literal["auto"] | tuple[float, float] | None = None

    @property
    def fill(self) -> float | None:
        """What invalid pixels become; None where they stay NaN."""
        fill = self.nodata if self.nan_to is None else self.nan_to
        return None if fill is None or np.isnan(fill) else fill


@dataclass(slots=True)
class ApplyReport:
    """What was done.

    Attributes
    ----------
    input, output : StackSpec
        Shapes and types.
    invalid_pixels : int
        Pixels with NaN or the nodata value in any input channel.
    saturated : int
        Values beyond the range of the output's type.
    replaced : int
        Values that were NaN and became the stand-in.
    """

    input: StackSpec
    output: StackSpec
    invalid_pixels: int = 0
    saturated: int = 0
    replaced: int = 0


@dataclass(slots=True)
class _Counts:
    """What one worker counted."""

    invalid_pixels: int = 0
    casts: CastCounts = field(default_factory=CastCounts)
    low: float = np.inf
    high: float = -np.inf


class ApplyJob:
    """A job that has been checked and planned; nothing has been read or created yet.

    Parameters
    ----------
    inputs : sequence of Reader or StreamReader
        Open, in channel order. Closed by whoever opened them.
    layers : sequence of Layer
        The chain to apply.
    make_writer : callable
        Given the output's spec, checks the target and makes its writer.
    settings : ApplySettings
        The choices.

    Attributes
    ----------
    input, output : StackSpec
        The stack in the arithmetic's type; the result.
    plan : Plan
        How it will run.

    Raises
    ------
    ShapeMismatchError
        If inputs disagree in height or width, or with the weights in channels.
    UsageError
        If choices do not go together, or the memory is too small.
    OutputRefusedError
        If the target can't be written.
    """

    def __init__(
        self,
        inputs: Sequence[Reader | StreamReader],
        layers: Sequence[Layer],
        make_writer: Callable[[StackSpec], Writer | StreamWriter],
        settings: ApplySettings,
    ) -> None:
        dtype = arithmetic_dtype([reader.spec.dtype for reader in inputs], settings.compute)
        self._sources = Sources(inputs)
        self._settings = settings
        self.input = stacked_spec(inputs, dtype)
        _check_channels(self.input, inputs, layers)
        self._convolution = Convolution(layers, dtype)
        self.output = _output_spec(self.input, self._convolution, settings)
        self._cast = Cast(
            dtype,
            self.output.dtype,
            fill=settings.fill,
            scale=(0, 1) if settings.scale == "auto" else settings.scale,
        )
        self._writer = make_writer(self.output)
        self.plan = self._make_plan()

    def run(self, on_progress: OnProgress) -> ApplyReport:
        """Do the job; the output is published at the end, or there is none.

        Parameters
        ----------
        on_progress : callable
            Called in the calling thread with a word for the step, the bytes of input done in it
            and all of them.
        """
        try:
            return self._run_all(on_progress)
        except DataError as error:
            if not error.path:
                error.path = self._writer.path
            raise

    def _run_all(self, on_progress: OnProgress) -> ApplyReport:
        with ExitStack() as stack:
            source = self._sources.as_stack(self.input.dtype, self.plan, stack, on_progress)
            if self._settings.scale == "auto":
                low, high = self._range(source, on_progress)
                self._cast = Cast(
                    self.input.dtype,
                    self.output.dtype,
                    fill=self._settings.fill,
                    scale=(low, high),
                )
            stack.enter_context(self._writer)
            counts = self._write(source, on_progress)
            self._sources.check_unchanged()
            self._writer.commit()
        return ApplyReport(
            self.input,
            self.output,
            counts.invalid_pixels,
            counts.casts.saturated,
            counts.casts.replaced,
        )

    def _make_plan(self) -> Plan:
        convolution = self._convolution
        number = self.input.item_bytes
        staged = 0 if self._computes_in_place() else convolution.out_channels
        # Masks and exponentials take passing copies of a tile, indices of invalid pixels 16 bytes.
        passing = self.output.channels * (number + 3) + convolution.widest + 16
        if self._settings.collapse:
            passing += convolution.out_channels + 8
        sources = self._sources
        return make_plan(
            self.input,
            convolution.widest,
            number,
            Costs(
                slab_pixel=self.input.channels * number
                + self.output.channels * self.output.item_bytes,
                tile_pixel=(sum(convolution.hidden_channels) + staged) * number + passing,
                scratch=sources.scratch_bytes,
                cache=sources.cache_bytes + max(self._writer.buffer_bytes, sources.buffer_bytes),
            ),
            memory=self._settings.memory,
            threads=self._settings.threads,
            spool_input_bytes=sources.spool_bytes,
            spool_output_bytes=self.output.data_bytes * isinstance(self._writer, StreamWriter),
        )

    def _computes_in_place(self) -> bool:
        """Whether the convolution can write straight into the output's buffer."""
        return self._cast.is_identity and not self._settings.collapse

    def _write(
        self,
        source: Stack,
        on_progress: OnProgress,
    ) -> _Counts:
        writer = self._writer
        if isinstance(writer, Writer):
            return self._run(source, writer.write, on_progress, "applying")
        size = self.output.data_bytes
        with Spool(size, in_memory=self.plan.output_in_memory) as spool:
            counts = self._run(source, spool.writer(self.output).write, on_progress, "applying")
            writer.fill(spool.planes(self.output), lambda done: on_progress("writing", done, size))
        return counts

    def _range(self, source: Stack, on_progress: OnProgress) -> tuple[float, float]:
        """Smallest and largest finite value of the result, found by computing all of it."""
        counts = self._run(source, None, on_progress, "measuring")
        if counts.low > counts.high:
            return 0.0, 0.0
        return counts.low, counts.high

    def _run(
        self,
        source: Stack,
        write: Write | None,
        on_progress: OnProgress,
        step: str,
    ) -> _Counts:
        """Run all slabs; without `write`, only measure the range of the result."""
        plan = self.plan
        workers: list[_Worker] = []

        def make_work() -> Callable[[Slab], None]:
            worker = _Worker(self, source, write)
            workers.append(worker)
            return worker.process

        pixel_bytes = self.input.channels * self.input.item_bytes
        total = self.input.data_bytes
        run_workers(
            iter_slabs(self.input, plan.slab_items, plan.slab_pixels),
            make_work,
            plan.threads,
            lambda pixels: on_progress(step, pixels * pixel_bytes, total),
        )
        return _joined(workers)


class _Worker:
    """The buffers of one thread, and what it does with a slab."""

    def __init__(
        self,
        job: ApplyJob,
        source: Stack,
        write: Write | None,
    ) -> None:
        plan = job.plan
        items, pixels, tile = plan.slab_items, plan.slab_pixels, plan.tile_pixels
        self._source = source
        self._write = write
        self._convolution = job._convolution
        self._cast = job._cast
        self._collapse = {"": None, "argmax": argmax, "rms": rms}[job._settings.collapse]
        nodata = job._settings.nodata
        self._marks = None if nodata is None else source.marks(nodata)
        self._tile = tile
        number = job.input.dtype
        self._x = np.empty((items, job.input.channels, pixels), number)
        self._out = np.empty((items, job.output.channels, pixels), job.output.dtype)
        self._scratch = np.empty(source.scratch_bytes, np.uint8)
        self._hidden = self._convolution.hidden_buffers(items, tile)
        self._in_place = job._computes_in_place()
        if not self._in_place:
            self._y = np.empty((items, self._convolution.out_channels, tile), number)
        self.counts = _Counts()

    def process(self, slab: Slab) -> None:
        """Read, convolve and write one slab."""
        x = self._x[: slab.items]
        # Overflow and NaN are results here, counted where they matter; numpy need not warn.
        with np.errstate(all="ignore"):
            self._source.read(slab, x[:, :, : slab.pixels], self._scratch)
            # The last tile is padded to the shape of all others; zeros are as good as any number.
            whole = -(-slab.pixels // self._tile) * self._tile
            x[:, :, slab.pixels : whole] = 0
            for start in range(0, slab.pixels, self._tile):
                stop = min(start + self._tile, slab.pixels)
                self._process_tile(x[:, :, start : start + self._tile], start, stop)
        if self._write is not None:
            self._write(slab, self._out[: slab.items, :, : slab.pixels])

    def _process_tile(self, x: NDArray[Any], start: int, stop: int) -> None:
        items, pixels = x.shape[0], stop - start
        place = self._out[:, :, start : start + self._tile] if self._in_place else self._y
        y = place[:items]
        self._convolution.apply(x, y, self._hidden)
        self._mark_invalid(x, y, pixels)
        if self._collapse is not None:
            self._collapse(y, y[:, :1])
            y = y[:, :1]
        if self._write is None:
            self._measure(y[:, :, :pixels])
        elif not self._in_place:
            out = self._out[:items, :, start:stop]
            self.counts.casts.add(self._cast.apply(y, out, pixels))

    def _mark_invalid(self, x: NDArray[Any], y: NDArray[Any], pixels: int) -> None:
        """Make invalid pixels NaN in every output channel, and count them.

        NaN in any input channel makes NaN in all output channels, so without a nodata value the
        input is searched only where the first output channel has NaN.
        """
        if self._marks is None and not np.isnan(y[:, 0, :pixels]).any():
            return
        invalid = np.isnan(x[:, :, :pixels]).any(axis=1)
        if self._marks is not None:
            invalid |= (x[:, :, :pixels] == self._marks).any(axis=1)
        self.counts.invalid_pixels += int(np.count_nonzero(invalid))
        y[:, :, :pixels].swapaxes(0, 1)[:, invalid] = np.nan

    def _measure(self, y: NDArray[Any]) -> None:
        finite = y[np.isfinite(y)]
        if finite.size:
            self.counts.low = min(self.counts.low, float(finite.min()))
            self.counts.high = max(self.counts.high, float(finite.max()))


def _joined(workers: Sequence[_Worker]) -> _Counts:
    whole = _Counts()
    for worker in workers:
        whole.invalid_pixels += worker.counts.invalid_pixels
        whole.casts.add(worker.counts.casts)
        whole.low = min(whole.low, worker.counts.low)
        whole.high = max(whole.high, worker.counts.high)
    return whole


def _check_channels(
    spec: StackSpec, inputs: Sequence[Reader | StreamReader], layers: Sequence[Layer]
) -> None:
    names = " + ".join(reader.path for reader in inputs)
    wanted = layers[0].map.in_channels
    try:
        layers[0].map.check_channels(spec.channels, names)
    except ShapeMismatchError as error:
        layout = "HWC" if wanted == spec.width else "HCW" if wanted == spec.height else ""
        if not layout or len(inputs) > 1:
            raise
        hint = f"; if it is stored {'×'.join(layout)}, say --layout {layout}"
        raise ShapeMismatchError(error.message + hint, error.path) from error


def _output_spec(spec: StackSpec, convolution: Convolution, settings: ApplySettings) -> StackSpec:
    channels, dtype = convolution.out_channels, settings.dtype
    if not dtype and settings.scale is not None:
        dtype = "uint8"
    if settings.collapse == "argmax":
        dtype = dtype or argmax_dtype(channels)
    if settings.collapse:
        channels = 1
    return replace(spec, channels=channels, dtype=dtype or spec.dtype)
