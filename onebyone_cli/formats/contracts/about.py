"""Description of an input besides its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from onebyone_cli.formats.contracts.metadata import Metadata


class Container(NamedTuple):
    """How a file stores numbers, for reports; readers do not use it.

    Attributes
    ----------
    title : str
        As in ``"HDF5 dataset"``.
    shape : tuple of int
        Sizes of the axes as stored.
    axes : str
        A letter for each, as in ``"CHW"``, ``"HW"`` or ``"NHWC"``; see `axes.stored_axes`.
    big_endian, fortran_order : bool
    chunk : tuple of int
        Shape of a storage chunk; empty if there are none.
    filters : tuple of str
        Filters of chunks or images in order, such as ``"gzip 4"``.
    stored_bytes : int or None
        Size of the numbers on disk; None if only that of the file is known.
    coded : str
        Type of the stored numbers if they are read as another; a key of `spec.CODED_BYTES`.
    labels : tuple of str
        Names that the file gives to its axes, if they decided their order.
    is_assumed : bool
        Whether neither the user nor the file tells the order of the axes.
    """

    title: str
    shape: tuple[int, ...]
    axes: str
    big_endian: bool = False
    fortran_order: bool = False
    chunk: tuple[int, ...] = ()
    filters: tuple[str, ...] = ()
    stored_bytes: int | None = None
    coded: str = ""
    labels: tuple[str, ...] = ()
    is_assumed: bool = False


class Dataset(NamedTuple):
    """A dataset of a file that could be a stack.

    Attributes
    ----------
    name : str
        Its path in the file.
    shape : tuple of int
    dtype : str
        A key of `spec.ITEM_BYTES`; empty for any other type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str


class RawSpec(NamedTuple):
    """Shape and dtype of an input without a header, as the user gave them.

    Attributes
    ----------
    shape : tuple of int
        As stored: H, W or C, H, W with leading batch axes, in the order of the layout. Empty for
        inputs with a header that does not name the type of the numbers.
    dtype : str
        A key of `spec.ITEM_BYTES` or `spec.CODED_BYTES`.
    big_endian : bool
    offset : int
        Bytes before the first number.
    may_be_named : bool
        Whether inputs whose header names the type are read as well, as others of several inputs.
    """

    shape: tuple[int, ...]
    dtype: str
    big_endian: bool = False
    offset: int = 0
    may_be_named: bool = False


class About(NamedTuple):
    """Description of an input besides its shape, dtype and numbers.

    Attributes
    ----------
    path : str
        The input as the user wrote it, for messages.
    files : tuple of str
        Every file of the input; none may become the output.
    inner : str
        Dataset inside the file, or empty.
    axes : str
        A letter for each axis as stored; see `axes.stored_axes`.
    raw : RawSpec or None
        For numbers without a header.
    series : str
        Name of the stream, if the input is one of several in it; else empty.
    container : Container or None
    selected : tuple of int
        Channels of the file that are read, if not all.
    identity : str
        What names the input besides its files, such as a subdataset; a job that is resumed has
        the same.
    masks : tuple of callable
        Each opens a mask that the file itself has, and returns its `Reader` or `StreamReader`: one
        channel, 0 where pixels are invalid.
    notes : tuple of str
        What was done to the numbers, or left out, that users may not expect; a line each.
    count_bytes : callable or None
        Returns the bytes of the input on disk, where they are not those of `files`.
    load_metadata : callable
        Returns the `Metadata`; formats that read it on demand cache it.
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
    notes: tuple[str, ...] = ()
    identity: str = ""
    masks: tuple[Callable[[], Any], ...] = ()
    count_bytes: Callable[[], int] | None = None

    @property
    def metadata(self) -> Metadata:
        """Metadata of the input."""
        return self.load_metadata()
