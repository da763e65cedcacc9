"""The shape and type of a stack, and parts of it, as plain data."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Bytes of one number, by the names of types in this program.
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

#: Bytes of one number of types that are read, as float32, and not written.
CODED_BYTES = {"bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1}

#: The usual orders of axes; `axes.checked_layout` takes others.
LAYOUTS = ("CHW", "HWC", "HCW")

#: Types whose values float32 represents exactly.
_FLOAT32_HOLDS = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")


class StackSpec(NamedTuple):
    """The shape and type of a stack, in any file format.

    Attributes
    ----------
    channels, height, width : int
        C, H and W.
    dtype : str
        A key of `ITEM_BYTES`, without the byte order of a file.
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
    def several(self) -> tuple[int, ...]:
        """The batch; ``()`` for a batch of one stack, which is that stack."""
        return self.batch if self.items > 1 else ()

    @property
    def item_bytes(self) -> int:
        """Bytes of one number."""
        return ITEM_BYTES[self.dtype]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape ``(*batch, C, H, W)``."""
        return (*self.batch, self.channels, self.height, self.width)

    @property
    def data_bytes(self) -> int:
        """Bytes of all numbers."""
        return prod(self.shape) * self.item_bytes

    @property
    def size(self) -> str:
        """The shape for messages, as in ``50×600×600``."""
        return "×".join(map(str, self.shape))


class Slab(NamedTuple):
    """The part of a stack that a worker processes at a time.

    A range of pixels of one item of the batch, or all pixels of several items with small planes.

    Attributes
    ----------
    item, items : int
        First item of the batch, and their number.
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
    """Return the type of the arithmetic for inputs of these types.

    `compute` is ``"float32"``, ``"float64"``, or ``"auto"``: float32 if it represents every input
    value exactly, else float64.
    """
    if compute != "auto":
        return compute
    return "float32" if all(dtype in _FLOAT32_HOLDS for dtype in dtypes) else "float64"
