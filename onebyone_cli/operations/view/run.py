"""Plan and draw a picture of a stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.operations.channel_labels import labels_of
from onebyone_cli.operations.meaning import Asked, meaning_of
from onebyone_cli.operations.view import drawing
from onebyone_cli.operations.view.thumbnail import Thumbnails
from onebyone_cli.picture.colormap import load
from onebyone_cli.picture.sheet import plan_sheet
from onebyone_cli.spec import arithmetic_dtype
from onebyone_cli.stack.own_masks import with_own_masks
from onebyone_cli.stack.pixel_map import PixelMap
from onebyone_cli.stack.sources import hold_streams
from onebyone_cli.stack.stack import Stack, stacked_metadata, stacked_spec
from onebyone_cli.units import count, format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from onebyone_cli.arithmetic.scale import Scale
    from onebyone_cli.formats.contracts.metadata import Metadata
    from onebyone_cli.formats.contracts.reader import StreamReader
    from onebyone_cli.operations.view.drawing import Drawing
    from onebyone_cli.picture.sheet import Room
    from onebyone_cli.spec import StackSpec
    from onebyone_cli.stack.selection import Selection
    from onebyone_cli.stack.sources import OnProgress


class ViewRequest(NamedTuple):
    """What to show.

    Attributes
    ----------
    kind : {"sheet", "channel", "rgb", "pca"}
        All channels on a contact sheet, one, three in colour, or three principal components.
    channels : tuple of Selection
        Those that are named, one each; empty for a sheet and for components.
    scale : Scale
        What is dark and bright.
    item : int or None
        Of a batch; None for the first.
    colormap : str
        Colours of single channels.
    asked : Asked
        What the user says about the numbers.
    """

    kind: Literal["sheet", "channel", "rgb", "pca"]
    channels: tuple[Selection, ...]
    scale: Scale
    item: int | None = None
    colormap: str = "grey"
    asked: Asked = Asked()

    def check(self, path: str, spec: StackSpec) -> None:
        """Raise `UsageError` if a stack does not have what is wanted."""
        if self.item is not None and self.item >= spec.items:
            raise UsageError(
                f"{setting('item', self.item)} is not there: {path} has "
                f"{count(spec.items, 'item')}, counted from 0"
            )
        if self.kind == "pca" and spec.channels < 3:
            raise UsageError(
                f"{setting('pca')} shows three components, and {path} has "
                f"{count(spec.channels, 'channel')}"
            )


class ViewJob:
    """A planned picture, from headers alone.

    Parameters
    ----------
    opened : sequence of Reader or StreamReader
        Inputs, in channel order. The caller closes them.
    request : ViewRequest
        What to show.
    room : callable
        Returns the room for a sheet of so many cells.
    memory : int
        Budget in bytes.
    mask : Reader, optional
        One channel: pixels where it is 0 or NaN are invalid, as are those of masks in the files.

    Attributes
    ----------
    path : str
        The inputs, for messages.
    spec : StackSpec
    sheet : Sheet
        Where the cells of the picture lie.
    kind : str
        As in the request.
    item : int
    channels : list of int
        Those that are shown, or that components are learned from.
    names : list of str
        Their numbers, with names or wavelengths from files.
    meaning : Meaning

    Raises
    ------
    UsageError
        If the stack does not have what is wanted, or the picture needs too much memory.
    ShapeMismatchError
        If inputs, or the mask, disagree in height or width.
    """

    def __init__(
        self,
        opened: Sequence[Reader | StreamReader],
        request: ViewRequest,
        room: Callable[[int], Room],
        memory: int,
        mask: Reader | None = None,
    ) -> None:
        self._opened, self._request = opened, request
        self.path = " ".join(reader.path for reader in opened)
        dtype = arithmetic_dtype([reader.spec.dtype for reader in opened])
        self.spec = spec = stacked_spec(opened, dtype)
        request.check(self.path, spec)
        self.meaning = meaning_of(opened, request.asked)
        self._mask = None
        every = with_own_masks(mask, opened, request.asked.nodata)
        if isinstance(every, Reader):
            self._mask = PixelMap(every, spec, "mask", request.asked.nodata)
            self._mask.open_reader(every)
        self.kind, self.item = request.kind, request.item or 0
        cells = spec.channels if request.kind == "sheet" else 1
        self.sheet = plan_sheet(cells, spec.height, spec.width, room(cells))
        self.channels = self._asked_for() or _spread(spec.channels, self.sheet.cells)
        if request.kind == "pca":
            self.channels = list(range(spec.channels))
        self.names = self._named()
        self._memory_left = memory - self._needed(memory)

    def run(
        self, stack: ExitStack, on_progress: OnProgress, background: tuple[int, int, int]
    ) -> Drawing:
        """Read and draw; `background` is the colour between cells.

        Streams are spooled, so that all can be read at any place; `stack` closes the spools.
        """
        readers, left = hold_streams(self._opened, self._memory_left, stack, on_progress)
        source = Stack(readers, self.spec.dtype)
        shown = self._draw(self._thumbnails(source, left), background)
        source.check_unchanged()
        return shown

    def numbers(self, stack: ExitStack, on_progress: OnProgress) -> list[list[list[float]]]:
        """Read the numbers, as `run` does: channels, rows, columns; NaN where invalid."""
        readers, left = hold_streams(self._opened, self._memory_left, stack, on_progress)
        source = Stack(readers, self.spec.dtype)
        numbers: list[list[list[float]]] = self._thumbnails(source, left).whole().tolist()
        source.check_unchanged()
        return numbers

    def _draw(self, thumbnails: Thumbnails, background: tuple[int, int, int]) -> Drawing:
        scale = self._request.scale
        if self.kind == "pca":
            return drawing.draw_components(thumbnails, self.sheet, scale, labels_of(self._opened))
        if self.kind == "rgb":
            return drawing.draw_composite(thumbnails, self.sheet, scale)
        colormap = load(self._request.colormap)
        return drawing.draw_sheet(thumbnails, self.sheet, scale, colormap, background)

    def _thumbnails(self, source: Stack, memory: int) -> Thumbnails:
        return Thumbnails(
            source,
            self.item,
            self.channels,
            self.sheet.shown_height,
            self.sheet.shown_width,
            memory,
            meaning=self.meaning,
            stored=[each.spec.dtype for each in self._opened for _ in range(each.spec.channels)],
            by_pixel=self.kind in ("rgb", "pca"),
            mask=self._mask,
        )

    def _needed(self, memory: int) -> int:
        """Return the bytes held besides numbers being read; refuse too many."""
        pixels = self.sheet.height * self.sheet.width
        components = len(self.channels) if self.kind == "pca" else 0
        needed = drawing.picture_bytes(pixels, components)
        needed += sum(getattr(reader, "cache_bytes", 0) for reader in self._opened)
        if needed > memory:
            raise UsageError(
                f"the picture takes {format_bytes(needed)} of memory to draw, and "
                f"{format_bytes(memory)} are allowed; give a smaller {setting('size')} or a "
                f"larger {setting('memory')}"
            )
        return needed

    def _asked_for(self) -> list[int]:
        def load() -> Metadata:
            return stacked_metadata(self._opened)

        asked = self._request.channels
        return [at for each in asked for at in each.indices(self.spec.channels, load)]

    def _named(self) -> list[str]:
        labels = labels_of(self._opened)
        numbers = {at: str(labels.numbers[at]) for at in self.channels}
        if not labels.texts:
            return list(numbers.values())
        texts = labels.texts
        return [n if texts[at] == n else f"{n} {texts[at]}" for at, n in numbers.items()]


def _spread(channels: int, cells: int) -> list[int]:
    """Choose channels if not all fit: the first, the last, and others evenly between."""
    if cells == 1:
        return [0]
    return [cell * (channels - 1) // (cells - 1) for cell in range(cells)]
