"""What a file says beside its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    pass


class Container(NamedTuple):
    """How a file keeps numbers, for people to know; no reader needs it.

    Attributes
    ----------
    title : str
        What it is, as in ``"HDF5 dataset"``.
    shape : tuple of int
        Sizes of the axes as stored.
    axes : str
        Their order, as in ``"CHW"``, ``"HW"`` or ``"NHWC"``.
    big_endian, fortran_order : bool
        Order of the bytes of a number; whether the first axis varies fastest.
    chunk : tuple of int
        Sizes of a storage chunk along the axes; empty where there are none.
    filters : tuple of str
        What chunks or images went through, in that order, such as ``"gzip 4"``.
    stored_bytes : int or None
        What the numbers take on the disk; None where only the whole file is known.
    """

    title: str
    shape: tuple[int, ...]
    axes: str
    big_endian: bool = False
    fortran_order: bool = False
    chunk: tuple[int, ...] = ()
    filters: tuple[str, ...] = ()
    stored_bytes: int | None = None


class Dataset(NamedTuple):
    """A dataset of a file that could be a stack.

    Attributes
    ----------
    name : str
        Its path in the file.
    shape : tuple of int
        Sizes of its axes.
    dtype : str
        A key of `spec.ITEM_BYTES`; empty if it is of another type of number.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
