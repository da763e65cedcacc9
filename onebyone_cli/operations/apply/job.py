"""Apply a chain of 1×1 convolutions to a stack."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from onebyone_cli.arithmetic.cast import Cast
from onebyone_cli.arithmetic.conv1x1 import Convolution
from onebyone_cli.arithmetic.ranges import (
    find_range,
    range_before,
    range_of_journal,
)
from onebyone_cli.commit.checkpoint import Checkpoint, Ledger
from onebyone_cli.commit.publishing import noted_of
from onebyone_cli.commit.unfinished import Unfinished
from onebyone_cli.errors import (
    DataError,
    OneByOneError,
    ReadWriteError,
    Stopped,
    UsageError,
    setting,
)
from onebyone_cli.formats.contracts.writer import ResumableWriter, Writer
from onebyone_cli.operations.apply.band_ledger import BandLedger
from onebyone_cli.operations.apply.fill import choose_fill
from onebyone_cli.operations.apply.fingerprint import fingerprint_of
from onebyone_cli.operations.apply.invalid import Watches, rules_of
from onebyone_cli.operations.apply.matching import match
from onebyone_cli.operations.apply.passes import Passes
from onebyone_cli.operations.apply.planning import plan_memory
from onebyone_cli.operations.apply.settings import (
    _COUNTED,
    ApplyReport,
    ApplySettings,
    _check_channels,
    _output_spec,
)
from onebyone_cli.operations.apply.value_watch import OverflowWatch, ValueWatch, counted_none
from onebyone_cli.operations.apply.worker import Steps, write_share
from onebyone_cli.operations.channel_labels import labels_of
from onebyone_cli.operations.meaning import meaning_of
from onebyone_cli.operations.nodata_watch import NodataWatch
from onebyone_cli.plan.tiles import (
    count_tiles,
)
from onebyone_cli.spec import arithmetic_dtype
from onebyone_cli.stack.own_masks import with_own_masks
from onebyone_cli.stack.pixel_map import PixelMap
from onebyone_cli.stack.sources import Sources
from onebyone_cli.stack.spool import Spool
from onebyone_cli.stack.stack import stacked_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from onebyone_cli.arithmetic.conv1x1 import Layer
    from onebyone_cli.arithmetic.ranges import Range
    from onebyone_cli.arithmetic.scale import Scale
    from onebyone_cli.formats.contracts.metadata import Metadata
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.formats.contracts.writer import AnyTarget
    from onebyone_cli.operations.apply.worker import Measure
    from onebyone_cli.operations.metadata import Lost
    from onebyone_cli.stack.sources import OnProgress


class ApplyJob:
    """A checked and planned job; nothing has been read or created yet.

    Parameters
    ----------
    inputs : sequence of Reader or StreamReader
        Open, in channel order. The caller closes them.
    layers : sequence of Layer
        The chain to apply.
    target : Target or AnyTarget
        Where the result goes.
    settings : ApplySettings
        The choices.
    mask : Reader, optional
        One channel, open in a form that can be read several times: pixels where it is 0 or invalid
        are invalid. The caller closes it.
    is_rehearsal : bool
        Whether the layers stand in for others that are unknown yet. Everything else is checked, and
        the job is not run.

    Attributes
    ----------
    stack, input, output : StackSpec
        The stack in the type of the arithmetic; the channels of it that are read; the result.
    input_bytes : int
        Bytes of all pixels that are read, in the types of the inputs.
    match : Match
        The channels that are read, and the weights for them.
    path : str
        The output, as the user wrote it.
    meaning : Meaning
        What the numbers of the inputs mean.
    fill : Fill
        What invalid pixels are in the output.

    Raises
    ------
    ShapeMismatchError
        If inputs disagree in height or width, or with the weights in channels.
    UsageError
        If choices contradict each other, or the memory is too small.
    OutputRefusedError
        If the target can't be written.
    """

    def __init__(
        self,
        inputs: Sequence[Reader | StreamReader],
        layers: Sequence[Layer],
        target: AnyTarget,
        settings: ApplySettings,
        *,
        mask: Reader | StreamReader | None = None,
        is_rehearsal: bool = False,
    ) -> None:
        self.is_rehearsal = is_rehearsal
        # The type must be that of the rehearsal, which does not know what will be used.
        dtype = arithmetic_dtype([reader.spec.dtype for reader in inputs], settings.compute)
        self.stack, given = stacked_spec(inputs, dtype), inputs
        self.match = match(inputs, layers, settings.by_position, is_rehearsal=is_rehearsal)
        inputs, layers = self.match.inputs, self.match.layers
        # A measured range takes a second pass; shards and resumed jobs do not read in order.
        measured = settings.scale is not None and settings.scale.is_measured
        once = not (measured or settings.checkpoints or settings.shard)
        self._sources = Sources(inputs, in_order=once, memory=settings.memory)
        self.settings = settings
        self.input = stacked_spec(inputs, dtype)
        self.input_bytes = sum(reader.spec.data_bytes for reader in inputs)
        _check_channels(self.input, inputs, layers)
        self.meaning = meaning_of(inputs, settings.asked)
        self._mask = None
        mask = with_own_masks(mask, inputs, settings.asked.nodata)
        if mask is not None:
            self._mask = PixelMap(mask, self.input, "mask", settings.asked.nodata)
        rules = rules_of(self.meaning.validity, inputs, self._mask)
        self.convolution = Convolution(layers, dtype, self.meaning.arrays)
        self._watches = Watches(
            NodataWatch(settings.asked.nodata),
            ValueWatch(self.input.channels),
            OverflowWatch(layers, dtype),
        )
        self._steps = Steps(self.convolution, rules, self._watches, settings.collapse)
        self.output = _output_spec(self.input, self.convolution, settings)
        self.fill = choose_fill(
            settings,
            self.meaning.validity,
            self.output.dtype,
            self.convolution.out_channels,
            target.background,
        )
        self.cast = self._cast(range_before(settings.scale) if settings.scale else None)
        self._target = target
        self._writer = target.make_writer(self.output, self._describe)
        self.path = self._writer.path
        self.shard = settings.shard
        if self.shard is not None and not self.takes_shares:
            raise UsageError(
                f"{setting('shard')} needs an output with channel after channel at fixed offsets, "
                f"and {self.path} has none; write .npy, .zarr, or .h5 without compression and "
                "chunks"
            )
        self.plan = plan_memory(
            self.input,
            self._writer,
            self._steps,
            self._sources,
            settings,
            in_place=self._steps.is_in_place(self.cast),
        )
        self._checkpoint = self._make_checkpoint(given, layers)
        self._went_on = False

    @property
    def identity(self) -> Callable[[], Mapping[str, Any]] | None:
        """The fingerprint of the job; None if a later run can't resume it."""
        return None if self._checkpoint is None else self._checkpoint.describe

    @property
    def takes_shares(self) -> bool:
        """Whether several jobs can write the output together."""
        return isinstance(self._writer, ResumableWriter) and self._writer.has_planes

    def _cast(self, scale: Range | tuple[float, float] | None) -> Cast:
        return Cast(
            self.input.dtype,
            self.output.dtype,
            fill=self.fill.value,
            is_nodata=self.fill.is_nodata,
            scale=scale,
        )

    def _describe(self) -> Metadata:
        # Imported here because most outputs have no place for metadata.
        from onebyone_cli.operations.meaning import Packing
        from onebyone_cli.operations.metadata import Made, output_metadata

        layers, found = self.match.given_layers, self.match.metadata()
        packing = None if self.settings.collapse else self.cast.packing(self.output.channels)
        made = Made(self.output.dtype, self.fill, None if packing is None else Packing(*packing))
        return output_metadata(found, layers, self.settings, made)

    def lost(self) -> Lost | None:
        """Find what the output has no place for; None where the inputs have no metadata."""
        if not any(reader.about.metadata.said for reader in self.match.inputs):
            return None
        from onebyone_cli.operations.metadata import lost_in

        suffix = os.path.splitext(self.path.partition(":")[0].rstrip("/"))[1]
        scale = self.settings.scale
        differ = scale is not None and scale.each and self.output.channels > 1
        return lost_in(self._target, self._describe(), suffix or "the output", differ=differ)

    def run(self, on_progress: OnProgress) -> ApplyReport:
        """Run the job, and publish the output at the end.

        `on_progress` is called in the calling thread with a step, its bytes of input done, and all
        bytes.
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
            if self._mask is not None:
                self._mask.open(self.plan, stack, on_progress)
            passes = Passes(self.plan, self._steps, source, on_progress)
            scale, found = self.settings.scale, None
            if scale is not None and scale.is_measured:
                found = self._range(scale, passes)
                self.cast = self._cast(found)
                # The output states how its numbers become the result.
                self._writer = self._target.make_writer(self.output, self._describe)
            stack.enter_context(self._writer)
            stack.enter_context(self._taking_notes(found))
            counts = self._write(passes)
            if self.shard is not None:
                self._finish_share()
                return self._report(counts)
            if self._checkpoint is not None:
                self._checkpoint.end()
            self._writer.commit()
        return self._report(counts)

    def told(self) -> list[str]:
        """Say what is taken from the files, and what the output has no place for."""
        lost = self.lost()
        warnings = (f"warning: {note}" for note in self.match.notes)
        return [*warnings, *self.meaning.notes, *(lost.notes if lost else ())]

    def _report(self, counts: Mapping[str, int]) -> ApplyReport:
        return ApplyReport(
            self.input,
            self.output,
            {name: counts.get(name, 0) for name in _COUNTED},
            changed=self._writer.changed,
            went_on=self._went_on,
            fill=self.fill,
            warnings=tuple(self._warnings(counts)),
        )

    def _warnings(self, counts: Mapping[str, int]) -> Iterator[str]:
        """Describe what was noticed, the most by a job that has seen all pixels itself."""
        if self._went_on and self.shard is None:
            yield from counted_none(self.output, counts.get("invalid_pixels", 0))
        elif self.shard is None:
            if self.input.channels == self.stack.channels:  # it may be in the others
                yield from self._watches.nodata.warnings()
            yield from self._watches.values.warnings(lambda: labels_of(self.match.inputs))
            yield from self._watches.overflow.warnings()

    @contextmanager
    def _taking_notes(self, found: Range | None) -> Iterator[None]:
        """Keep a checkpoint if the job is stopped, unless the data are at fault."""
        checkpoint = self._checkpoint
        if checkpoint is None or not isinstance(self._writer, ResumableWriter):
            yield
            return
        try:
            checkpoint.begin(self._writer.file)
            if found is not None:
                checkpoint.extra["range"] = [end.tolist() for end in found]
            yield
        except DataError:
            raise
        except BaseException as reason:
            if checkpoint.stop():
                _advise_to_resume(reason, checkpoint)
            raise

    def _make_checkpoint(
        self, inputs: Sequence[Reader | StreamReader], layers: Sequence[Layer]
    ) -> Checkpoint | None:
        """Find the checkpoint of an earlier run, or refuse that of another job."""
        policy, writer = self.settings.checkpoints, self._writer
        if policy is None or not isinstance(writer, ResumableWriter):
            return None
        return Checkpoint(
            Unfinished(writer.path, self.shard),
            fingerprint_of(
                inputs,
                None if self.is_rehearsal else layers,
                self.settings,
                mask=self._mask,
                source=self.stack,
                used=self.match.used,
                output=self.output,
                container=writer.container,
                tile_pixels=self.plan.tile_pixels,
            ),
            count_tiles(self.input, self.plan.tile_pixels),
            self._check_unchanged,
            policy,
        )

    def _check_unchanged(self) -> None:
        """Raise `ReadWriteError` if an input or the mask was changed since it was opened."""
        self._sources.check_unchanged()
        if self._mask is not None:
            self._mask.sources.check_unchanged()

    def _finish_share(self) -> None:
        """Mark this share as complete; the output is published when all shares are."""
        if self._checkpoint is not None and isinstance(self._writer, ResumableWriter):
            file = self._writer.file
            self._writer.sync()
            self._checkpoint.complete(**noted_of(file.fd, self._writer.sidecar), complete=True)

    def _write(self, passes: Passes) -> Mapping[str, int]:
        """Write the result; return the counts."""
        writer = self._writer
        if isinstance(writer, Writer):
            return self._write_slabs(passes, writer)
        size, on_progress = self.output.data_bytes, passes.on_progress
        ledger = Ledger()
        with Spool(size, in_memory=self.plan.output_in_memory) as spool:
            passes.run(self.cast, "applying", ledger, write=spool.writer(self.output).write)
            writer.fill(spool.planes(self.output), lambda done: on_progress("writing", done, size))
        return ledger.done.counts

    def _write_slabs(self, passes: Passes, writer: Writer) -> Mapping[str, int]:
        ledger = Ledger() if self._checkpoint is None else self._checkpoint
        self._went_on = bool(ledger.done.ranges)
        share, write = None, writer.write
        if self.shard is not None and isinstance(writer, ResumableWriter):
            from onebyone_cli.plan.shards import Share

            share = Share(self.shard, self.output, writer.data_offset, writer.band_pixels)
            write = partial(write_share, writer, share)
        given = ledger
        if isinstance(writer, ResumableWriter) and writer.band_pixels:
            given = BandLedger(ledger, writer, self.plan.tile_pixels)
        passes.run(self.cast, "applying", given, write=write, share=share)
        return ledger.done.counts

    def _range(self, scale: Scale, passes: Passes) -> Range:
        """Find the range of the result, or take it from the journal of an earlier run."""
        noted = {} if self._checkpoint is None else self._checkpoint.extra
        channels = self.output.channels
        found = range_of_journal(noted.get("range"), channels if scale.each else 1)
        if found is None:

            def look(step: str, measure: Measure) -> None:
                passes.run(self.cast, step, Ledger(), measure=measure)

            found = find_range(scale, channels, look)
        return found


def _advise_to_resume(reason: BaseException, checkpoint: Checkpoint) -> None:
    """Add to a signal or an error that there is a checkpoint."""
    advice = (
        "; what is done is kept: run the same command again to resume, "
        f"or with {setting('resume', 'restart')} to start over"
    )
    if isinstance(reason, Stopped):
        reason.checkpoint = checkpoint.path
    elif isinstance(reason, OneByOneError):
        reason.advise(advice)
    elif isinstance(reason, MemoryError):
        message = f"out of memory; give a smaller {setting('memory')}" + advice
        raise ReadWriteError(message, checkpoint.path) from reason
