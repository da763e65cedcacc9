"""What is known of an input besides its numbers, as one record."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from onebyone_cli.formats.contracts.metadata import Metadata


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


class RawSpec(NamedTuple):
    """What the user says of an input that says nothing itself: numbers without a header.

    Attributes
    ----------
    shape : tuple of int
        Sizes of the axes as stored: H, W or C, H, W with leading batch axes, in the order that
        the layout says.
    dtype : str
        A key of `spec.ITEM_BYTES`.
    big_endian : bool
        Byte order of the numbers.
    """

    shape: tuple[int, ...]
    dtype: str
    big_endian: bool = False


class About(NamedTuple):
    """What is known of an input besides its shape, its type and its numbers.

    Attributes
    ----------
    path : str
        The input as the user wrote it, for messages.
    files : tuple of str
        Every file that holds part of the input: none of them may become the output.
    inner : str
        Name of the dataset inside the file, or empty.
    axes : str
        Order of the last three axes as stored: one of `spec.LAYOUTS`.
    raw : RawSpec or None
        What the user said of numbers without a header.
    series : str
        Name of the stream if this is one of several that come through it; else empty.
    container : Container or None
        How the file keeps the numbers, where the format tells.
    selected : tuple of int
        The channels of the file that are read, where they are not all.
    load_metadata : callable
        Gives the `Metadata`. A format that reads them when they are wanted keeps them.
    """

    path: str
    files: tuple[str, ...] = ()
    inner: str = ""
    axes: str = "CHW"
    raw: RawSpec | None = None
    series: str = ""
    container: Container | None = None
    selected: tuple[int, ...] = ()
    load_metadata: Callable[[], Metadata] = Metadata

    @property
    def metadata(self) -> Metadata:
        """What the file says about its numbers."""
        return self.load_metadata()
