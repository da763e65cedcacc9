"""Positions of the numbers of a stack in a file, for any order of axes and bytes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.axes import MAP, places_of, stored_axes
from onebyone_cli.errors import DataError
from onebyone_cli.spec import CODED_BYTES, ITEM_BYTES, StackSpec

if TYPE_CHECKING:
    import numpy as np

#: Scratch for numbers of another dtype, byte order or axis order. It fits the cache of a core: for
#: 50×600×600 in HWC order 256 KiB to 1 MiB were equally fast, 64 KiB a quarter and 4 MiB a seventh
#: slower (medians of 9, in turns).
SCRATCH_BYTES = 1 << 19

#: Piece in which streams are copied: the largest buffer of a Linux pipe.
PIECE_BYTES = 1 << 20


class ArrayLayout(NamedTuple):
    """Positions of the numbers of a stack in a file.

    Attributes
    ----------
    spec : StackSpec
    strides : tuple of int
        Bytes from one number to the next along each axis of ``spec.shape``.
    offset : int
        Bytes before the first number.
    big_endian : bool
    shape : tuple of int
        Sizes of the axes as stored; empty if not needed.
    fortran_order : bool
        Whether the first axis of `shape` varies fastest.
    axes : str
        A letter for each axis of `shape`; see `axes.stored_axes`.
    coded : str
        A key of `spec.CODED_BYTES` if the numbers are stored as such, and read as float32.
    """

    spec: StackSpec
    strides: tuple[int, ...]
    offset: int = 0
    big_endian: bool = False
    shape: tuple[int, ...] = ()
    fortran_order: bool = False
    axes: str = ""
    coded: str = ""

    @property
    def item_bytes(self) -> int:
        """Bytes of one stored number."""
        return CODED_BYTES[self.coded] if self.coded else self.spec.item_bytes

    @property
    def data_bytes(self) -> int:
        """Bytes of all stored numbers."""
        return prod(self.spec.shape) * self.item_bytes

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the stored numbers; of coded ones, that of their bits."""
        import numpy as np

        name = f"u{self.item_bytes}" if self.coded else self.spec.dtype
        return np.dtype(name).newbyteorder(">" if self.big_endian else "<")

    @property
    def is_plain(self) -> bool:
        """Whether the order is that of a C-order ``(*batch, C, H, W)`` array."""
        return self.strides == _strides(self.spec.shape, self.item_bytes, fortran_order=False)

    @property
    def run_pixels(self) -> int:
        """Number of pixels stored together, channel by channel, before the next pixels.

        One in HWC, a row in HCW, a plane in CHW; 0 in any other order, and of coded numbers.
        """
        if self.coded:
            return 0
        *batch, c, h, w = self.strides
        spec = self.spec
        channels, height, width = (spec.channels, c), (spec.height, h), (spec.width, w)
        for run, axes in (
            (1, (height, width, channels)),
            (spec.width, (height, channels, width)),
            (spec.pixels, (channels, height, width)),
        ):
            sizes = (*spec.batch, *(size for size, _ in axes))
            strides = (*batch, *(stride for _, stride in axes))
            plain = _strides(sizes, spec.item_bytes, fortran_order=False)
            # The stride of an axis of size 1 does not matter.
            if all(
                size == 1 or stride == usual
                for size, stride, usual in zip(sizes, strides, plain, strict=True)
            ):
                return run
        return 0

    @property
    def interleaved(self) -> int:
        """Number of items of the batch whose numbers lie between two pixels of one; 1 for none."""
        batch, pixel = self.strides[: len(self.spec.batch)], self.strides[-1]
        sizes = zip(self.spec.batch, batch, strict=True)
        return prod(size for size, stride in sizes if stride < pixel)

    @property
    def end(self) -> int:
        """Offset of the first byte after the numbers."""
        return self.offset + self.data_bytes


def plain_strides(spec: StackSpec) -> tuple[int, ...]:
    """Return the strides in bytes of a C-order ``(*batch, C, H, W)`` array."""
    return _strides(spec.shape, spec.item_bytes, fortran_order=False)


def array_layout(
    shape: tuple[int, ...],
    dtype: str,
    path: str,
    *,
    layout: str = "",
    fortran_order: bool = False,
    big_endian: bool = False,
    offset: int = 0,
) -> ArrayLayout:
    """Interpret a stored array as a stack.

    Parameters
    ----------
    shape : tuple of int
        As stored.
    dtype : str
        A key of `spec.ITEM_BYTES` or `spec.CODED_BYTES`.
    path : str
        Name for messages.
    layout : str
        From `axes.checked_layout`; see `axes.stored_axes`.
    offset : int
        Bytes before the first number.

    Raises
    ------
    DataError
        If there are fewer than two axes (one of a map), one is of size 0, or their number is not
        that of `layout`.
    """
    shown = "×".join(map(str, shape))
    if len(shape) < (1 if layout == MAP else 2):
        found = f"a line of {shown} numbers" if shape else "a single number"
        raise DataError(f"holds {found}; expected H×W, C×H×W or N×C×H×W", path)
    if 0 in shape:
        raise DataError(f"has shape {shown}: an axis of size 0 holds no pixels", path)
    coded, dtype = (dtype, "float32") if dtype in CODED_BYTES else ("", dtype)
    item_bytes = CODED_BYTES[coded] if coded else ITEM_BYTES[dtype]
    axes = stored_axes(shape, layout, path)
    places = places_of(axes)
    missing = {"C", "H"} - set(axes)
    sizes = [1] * (len(axes) + len(missing))
    strides = [0] * len(sizes)
    steps = _strides(shape, item_bytes, fortran_order=fortran_order)
    for place, size, step in zip(places, shape, steps, strict=True):
        sizes[place], strides[place] = size, step
    # The stride of an axis of size 1 does not matter; these are those of a plain array.
    if "H" in missing:
        strides[-2] = strides[-1] * sizes[-1]
    if "C" in missing:
        strides[-3] = max(strides[-2] * sizes[-2], strides[-1] * sizes[-1])
    *batch, channels, height, width = sizes
    spec = StackSpec(channels, height, width, dtype, tuple(batch))
    return ArrayLayout(
        spec, tuple(strides), offset, big_endian, shape, fortran_order, axes=axes, coded=coded
    )


def _strides(shape: tuple[int, ...], item_bytes: int, *, fortran_order: bool) -> tuple[int, ...]:
    strides = [0] * len(shape)
    step = item_bytes
    for axis in range(len(shape)) if fortran_order else reversed(range(len(shape))):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)


def plain_layout(spec: StackSpec, offset: int = 0) -> ArrayLayout:
    """Return the layout of a C-order, little-endian CHW array."""
    return ArrayLayout(spec, plain_strides(spec), offset)


def ordered_layout(
    spec: StackSpec, order: str, *, big_endian: bool = False, offset: int = 0
) -> ArrayLayout:
    """Return the layout of a C-order array ``(*batch, ...)`` whose last axes are in this order.

    `order` is CHW, HWC or HCW.
    """
    sizes = {"C": spec.channels, "H": spec.height, "W": spec.width}
    shape = (*spec.batch, *(sizes[axis] for axis in order))
    found = array_layout(shape, spec.dtype, "", layout=order, big_endian=big_endian, offset=offset)
    # The stride of an axis of size 1 does not matter.
    return found._replace(strides=plain_strides(spec)) if spec.channels == 1 else found
