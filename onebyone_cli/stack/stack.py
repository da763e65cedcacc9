"""Several inputs as one stack, channel after channel.

A 1×1 convolution combines the same pixel of all channels, so heights and widths must agree.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import ShapeMismatchError
from onebyone_cli.formats.contracts.about import About
from onebyone_cli.formats.contracts.metadata import Part, joined_metadata, joined_names
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.spec import StackSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onebyone_cli.formats.contracts.metadata import Metadata
    from onebyone_cli.formats.contracts.reader import StreamReader
    from onebyone_cli.spec import PixelGrid, Slab


def stacked_spec(inputs: Sequence[Reader | StreamReader], dtype: str) -> StackSpec:
    """Return the spec of the inputs, stacked along the channel axis and read as `dtype`.

    Raises `ShapeMismatchError`, naming the first pair that disagrees, and both sizes.
    """
    first = inputs[0]
    for other in inputs[1:]:
        one, two = first.spec, other.spec
        if (one.height, one.width) != (two.height, two.width):
            raise ShapeMismatchError(
                f"has {two.height}×{two.width} pixels (height×width) and {first.path} has "
                f"{one.height}×{one.width}; all channels must have the same height and width",
                other.path,
            )
        if one.several != two.several:
            raise ShapeMismatchError(
                f"has shape {two.size} and {first.path} has {one.size}; "
                "stacked inputs must have the same leading axes",
                other.path,
            )
    channels = sum(reader.spec.channels for reader in inputs)
    spec = first.spec
    return StackSpec(channels, spec.height, spec.width, dtype, spec.batch)


def stacked_metadata(inputs: Sequence[Reader | StreamReader]) -> Metadata:
    """Join the metadata of the inputs; see `joined_metadata`."""
    return joined_metadata(_parts(inputs))


def channel_names(inputs: Sequence[Reader | StreamReader]) -> tuple[str, ...]:
    """Name the channels of the inputs; see `joined_names`."""
    return joined_names(_parts(inputs))


def _parts(inputs: Sequence[Reader | StreamReader]) -> list[Part]:
    abouts = [each.about for each in inputs]
    return [
        Part(
            about.path, each.spec.channels, about.metadata, next(iter(about.files), ""), about.inner
        )
        for each, about in zip(inputs, abouts, strict=True)
    ]


class Stack(Reader):
    """Several readers, in channel order, as one that reads slabs as `dtype`.

    The caller closes them.
    """

    def __init__(self, readers: Sequence[Reader], dtype: str) -> None:
        self.about = About(
            " ".join(reader.path for reader in readers),
            tuple(name for reader in readers for name in reader.about.files),
            load_metadata=partial(stacked_metadata, readers),
        )
        self.spec = stacked_spec(readers, dtype)
        self.scratch_bytes = max(reader.scratch_bytes for reader in readers)
        self.cache_bytes = sum(reader.cache_bytes for reader in readers)
        self._parts = []
        channel = 0
        for reader in readers:
            self._parts.append((reader, channel, channel + reader.spec.channels))
            channel += reader.spec.channels

    def read(self, slab: Slab, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read a slab of every input into its channels; see `Reader.read`."""
        for reader, start, stop in self._parts:
            reader.read(slab, out[:, start:stop], scratch)

    def read_grid(self, grid: PixelGrid, out: NDArray[Any], scratch: NDArray[Any]) -> None:
        """Read some pixels of the inputs that have the channels; see `Reader.read_grid`."""
        channels = grid.channels
        ends = [stop for _, _, stop in self._parts]
        owners = [bisect_right(ends, channel) for channel in channels]
        done = 0
        for owner, run in groupby(owners):
            reader, start, _ = self._parts[owner]
            end = done + len(list(run))
            own = [channel - start for channel in channels[done:end]]
            reader.read_grid(grid._replace(channels=own), out[done:end], scratch)
            done = end

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if any input was changed since it was opened."""
        for reader, _, _ in self._parts:
            reader.check_unchanged()

    def abandon(self) -> None:
        """Cancel pending reads after a failure."""
        for reader, _, _ in self._parts:
            reader.abandon()

    def close(self) -> None:
        """Close nothing."""
