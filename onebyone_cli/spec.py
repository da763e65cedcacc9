"""What a stack is and which part of it is meant, as plain data."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Bytes of one number, by the name the program uses for the type everywhere.
ITEM_BYTES = {
    "bool": 1,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "uint16": 2,
    "int32": 4,
    "uint32": 4,
    "int64": 8,
    "uint64": 8,
    "float16": 2,
    "float32": 4,
    "float64": 8,
}

LAYOUTS = ("CHW", "HWC", "HCW")

#: Types whose every value float32 holds exactly.
_FLOAT32_HOLDS = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")


class StackSpec(NamedTuple):
    """The shape and type of a stack, whatever file it is in.

    Attributes
    ----------
    channels, height, width : int
        C, H and W.
    dtype : str
        A key of `ITEM_BYTES`. The byte order of a file is the file's affair.
    batch : tuple of int
        Leading axes; ``()`` for a single stack.
    """

    channels: int
    height: int
    width: int
    dtype: str
    batch: tuple[int, ...] = ()

    @property
    def pixels(self) -> int:
        """Pixels of one channel, H·W."""
        return self.height * self.width

    @property
    def items(self) -> int:
        """Number of stacks in the batch; 1 without batch axes."""
        return prod(self.batch)

    @property
    def item_bytes(self) -> int:
        """Bytes of one number."""
        return ITEM_BYTES[self.dtype]

    @property
    def shape(self) -> tuple[int, ...]:
        """The whole shape, ``(*batch, C, H, W)``."""
        return (*self.batch, self.channels, self.height, self.width)

    @property
    def data_bytes(self) -> int:
        """Bytes of all numbers together."""
        return prod(self.shape) * self.item_bytes

    @property
    def size(self) -> str:
        """The shape for people, as in ``50×600×600``."""
        return "×".join(map(str, self.shape))


class Slab(NamedTuple):
    """The part of a stack that one worker holds at a time.

    Either a range of pixels of one item of the batch, or all pixels of several items (small
    planes travel together).

    Attributes
    ----------
    item, items : int
        First item of the batch, and how many.
    start, stop : int
        Range of pixels in row-major order, the same in every item and channel.
    """

    item: int
    items: int
    start: int
    stop: int

    @property
    def pixels(self) -> int:
        """Pixels per item."""
        return self.stop - self.start


class PixelGrid(NamedTuple):
    """Pixels of some channels that lie far apart, at the crossings of rows and columns.

    Attributes
    ----------
    item : int
        Of the batch.
    channels : sequence of int
        Which, in the order wanted.
    rows, columns : range
        Which, ascending; not empty.
    """

    item: int
    channels: Sequence[int]
    rows: range
    columns: range


def arithmetic_dtype(dtypes: Sequence[str], compute: str = "auto") -> str:
    """Type in which pixels are multiplied and added.

    Parameters
    ----------
    dtypes : sequence of str
        Types of the inputs that are stacked.
    compute : str
        ``"float32"`` or ``"float64"`` to insist; ``"auto"`` is float32 where it holds every input
        value exactly, else float64.
    """
    if compute != "auto":
        return compute
    return "float32" if all(dtype in _FLOAT32_HOLDS for dtype in dtypes) else "float64"
