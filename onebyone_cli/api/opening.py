"""Open files as arrays, and read only the parts that are asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.api.telling import tell
from onebyone_cli.axes import checked_layout
from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.formats.contracts.reader import Reader, StreamReader
from onebyone_cli.operations.hints import Hints
from onebyone_cli.operations.inputs import Reading
from onebyone_cli.operations.machine import memory_of
from onebyone_cli.spec import Slab
from onebyone_cli.stack.folded import fold
from onebyone_cli.stack.in_memory import ArrayInput
from onebyone_cli.stack.selected import select
from onebyone_cli.stack.selection import selection_of
from onebyone_cli.stack.sources import hold_streams
from onebyone_cli.stack.stack import channel_names, stacked_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self, TypeAlias

    from numpy.typing import NDArray

    from onebyone_cli.spec import StackSpec

    Path: TypeAlias = str | os.PathLike[str]
    OnProgress: TypeAlias = Callable[[str, int, int], None]
    Index: TypeAlias = "int | slice | Any | tuple[int | slice | Any, ...]"
    #: One input, or several that are stacked along the channels.
    OneStack: TypeAlias = "NDArray[Any] | Path | OpenStack"
    StackLike: TypeAlias = OneStack | Sequence[OneStack]
    #: A selection of channels; None for all.
    Channels: TypeAlias = str | int | Sequence[int | str] | None


def open_stack(
    path: Path | Sequence[Path],
    *,
    channels: Channels = None,
    layout: str | None = None,
    grid: tuple[int, int] | None = None,
    memory: int | str | None = None,
) -> OpenStack:
    """Open a file, or several stacked along the channels; only headers are read.

    Parameters
    ----------
    path : str, PathLike, or sequence of them
        ``.npy``, ``.h5`` (``"file.h5:/dataset"``), an image or a folder of images.
    channels : str, int, or sequence of int and str, optional
        The channels of the stack, as in `apply`.
    layout : str, optional
        Order of the axes in the files, as in `apply`.
    grid : (int, int), optional
        Height and width to which the pixels of a table, which are one row, are folded.
    memory : int or str, optional
        Most bytes for caches and decoders, as in ``"256M"``; the default is that of the command.

    Returns
    -------
    OpenStack
        To be closed, best by ``with``.

    Raises
    ------
    InputMissingError, DataError, PolicyError
        If a file does not exist, is malformed, or refers to other files.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    return OpenStack(paths, reading_of(layout, memory_of(memory), channels, grid))


class OpenStack:
    """Open files as one array of shape (..., C, H, W).

    Indexing with integers, slices and ``...`` returns arrays: ``stack[3]`` is a channel, ``stack[:,
    10:20, :]`` some rows of all channels, ``np.asarray(stack)`` everything. From ``.npy`` files,
    contiguous and chunked ``.h5`` datasets only those channels and whole rows are read, or the
    chunks with them. Images, and chunks whose rows do not fit the memory, are spooled when the
    first part is asked for: in memory, or to a nameless file under ``$TMPDIR``.

    Attributes
    ----------
    shape : tuple of int
        (C, H, W), after the axes of a batch if there are any.
    dtype : numpy.dtype
        As in the file; of several, the type that holds them all.
    channels : tuple of str
        Names of the channels, if files name them; else empty.
    """

    def __init__(self, paths: Sequence[Path], reading: Reading) -> None:
        if not paths:
            raise UsageError("no input; name one")
        self._files = ExitStack()
        self._memory = reading.memory
        with ExitStack() as stack:
            self._inputs = open_readers(paths, reading, stack)
            self._spec = _spec_of(self._inputs)
            self._files = stack.pop_all()
        self._held: list[Reader] | None = None
        self._closed = False
        self.shape = self._spec.shape
        self.dtype = np.dtype(self._spec.dtype)
        self.channels = channel_names(self._inputs)

    @property
    def ndim(self) -> int:
        """Number of axes, 3 or more."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all values as an array."""
        return self._spec.data_bytes

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        names = " ".join(reader.path for reader in self._inputs)
        return f"<OpenStack {names}: {self._spec.size} {self._spec.dtype}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read everything."""
        if copy is False:
            raise ValueError("a stack in a file can't be converted to an array without a copy")
        array = self[...]
        return array if dtype is None else array.astype(dtype, copy=False)

    def __getitem__(self, index: Index) -> NDArray[Any]:
        """Read a part.

        Raises
        ------
        IndexError
            If the index is out of range, or not made of integers, slices and ``...``.
        ReadWriteError
            If reading fails, or the file was changed since it was opened.
        """
        axes = _axes_of(index, self.shape)
        return self._read(axes)

    def close(self) -> None:
        """Close the files. May be called twice."""
        self._closed = True
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def readers(self) -> list[Reader]:
        """Return readers for any order; inputs with only one order are spooled."""
        if self._closed:
            raise UsageError("the stack was closed; open it again")
        if self._held is None:
            self._held, _ = hold_streams(self._inputs, self._memory, self._files, unheard)
        return self._held

    def _read(self, axes: Sequence[_Axis]) -> NDArray[Any]:
        *batch, channels, rows, columns = axes
        readers, width = self.readers(), self._spec.width
        items = [
            int(np.ravel_multi_index(at, self._spec.batch)) if at else 0
            for at in product(*(axis.ascending for axis in batch))
        ]
        height = len(rows.ascending)
        flat = np.empty((len(items), len(channels.ascending), height * width), self.dtype)
        scratch = np.empty(max(reader.scratch_bytes for reader in readers), np.uint8)
        for place, item in enumerate(items):
            for first, last, reader, at in _parts(readers, channels):
                done = 0
                for row, end in rows.runs:
                    slab = Slab(item, 1, row * width, end * width)
                    part = flat[place : place + 1, at : at + last - first]
                    some = part[:, :, done : done + slab.pixels]
                    reader.read_channels(slab, first, last, some, scratch)
                    done += slab.pixels
        for reader in readers:
            reader.check_unchanged()
        whole = flat.reshape(*(len(axis.ascending) for axis in axes[:-1]), width)
        turned = whole[(*(axis.turn for axis in axes[:-1]), columns.whole)]
        # A view would keep all of `flat` in memory.
        return turned if turned.size == flat.size else turned.copy()


class _Axis(NamedTuple):
    """The indices along one axis; `is_single` drops the axis."""

    indices: range
    is_single: bool

    @property
    def ascending(self) -> range:
        return self.indices if self.indices.step > 0 else self.indices[::-1]

    @property
    def turn(self) -> int | slice:
        """Index that turns the ascending indices into those asked for."""
        return 0 if self.is_single else slice(None, None, 1 if self.indices.step > 0 else -1)

    @property
    def whole(self) -> int | slice:
        """The same for an axis that was read as a whole."""
        start, stop, step = self.indices.start, self.indices.stop, self.indices.step
        if self.is_single:
            return start
        return slice(start, None if stop < 0 else stop, step) if self.indices else slice(0)

    @property
    def runs(self) -> Iterator[tuple[int, int]]:
        """Ranges of neighbours."""
        found = self.ascending
        if found.step == 1 and found:
            yield found.start, found.stop
        elif found:
            yield from ((at, at + 1) for at in found)


def _axes_of(index: Index, shape: Sequence[int]) -> list[_Axis]:
    """Return the indices along every axis."""
    asked = list(index) if isinstance(index, tuple) else [index]
    dots = [at for at, one in enumerate(asked) if one is Ellipsis]
    if len(dots) > 1 or len(asked) - len(dots) > len(shape):
        raise IndexError(f"too many indices for a stack of {len(shape)} axes")
    rest = [slice(None)] * (len(shape) - len(asked) + len(dots))
    at = dots[0] if dots else len(asked)
    return [
        _axis(one, size)
        for one, size in zip([*asked[:at], *rest, *asked[at + 1 :]], shape, strict=True)
    ]


def _axis(asked: Any, size: int) -> _Axis:
    if isinstance(asked, slice):
        return _Axis(range(*asked.indices(size)), is_single=False)
    if isinstance(asked, bool) or not isinstance(asked, int | np.integer):
        raise IndexError(
            "a stack in a file takes integers, slices and ...; "
            "read it as an array for the rest: numpy.asarray(stack)"
        )
    at = int(asked)
    if not -size <= at < size:
        raise IndexError(f"index {at} is out of range for an axis of {size}")
    return _Axis(range(at % size, at % size + 1), is_single=True)


def _parts(readers: Sequence[Reader], channels: _Axis) -> Iterator[tuple[int, int, Reader, int]]:
    """Split runs of channels at the borders of readers; yield range, reader and place."""
    at = 0
    for start, stop in channels.runs:
        before = 0
        for reader in readers:
            after = before + reader.spec.channels
            first, last = max(start, before), min(stop, after)
            if first < last:
                yield first - before, last - before, reader, at
                at += last - first
            before = after


def reading_of(
    layout: str | None, memory: int, channels: Channels, grid: tuple[int, int] | None
) -> Reading:
    """Return how arguments of those names say that inputs are read."""
    return Reading(
        checked_layout(layout or ""),
        memory,
        selection=selection_of(channels),
        grid=grid,
        hints=Hints(tell),
    )


def open_readers(
    stack_like: StackLike, reading: Reading, stack: ExitStack
) -> list[Reader | StreamReader]:
    """Open arrays, paths, opened stacks, or several of them; `stack` closes files.

    The order of axes and the grid are those of arrays and paths, the selection that of all inputs
    together.
    """
    if isinstance(stack_like, np.ndarray | str | os.PathLike | OpenStack):
        given: list[Any] = [stack_like]
    else:
        given = list(stack_like) if isinstance(stack_like, Sequence) else [stack_like]
    if not given:
        raise UsageError("no input; give an array or a path")
    paths = [os.fspath(each) for each in given if isinstance(each, str | os.PathLike)]
    files = iter(reading._replace(selection=None).open(paths, stack) if paths else ())
    opened: list[Reader | StreamReader] = []
    for number, each in enumerate(given):
        if isinstance(each, str | os.PathLike):
            opened.append(next(files))
        elif isinstance(each, OpenStack):
            opened += each.readers()
        elif isinstance(each, np.ndarray):
            name = "array" if len(given) == 1 else f"array {number}"
            opened.append(fold(ArrayInput(each, reading.layout, name), reading.grid))
        else:
            raise DataError(
                f"a stack can't be made of {type(each).__name__}; expected an array, a path, an "
                "opened stack, or a list of them"
            )
    return select(opened, reading.selection)


def unheard(step: str, done: int, total: int) -> None:
    """Ignore progress."""


def _spec_of(inputs: Sequence[Reader | StreamReader]) -> StackSpec:
    dtypes = [np.dtype(reader.spec.dtype) for reader in inputs]
    return stacked_spec(inputs, np.result_type(*dtypes).name)
