"""Settings of a pass of learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.operations.meaning import Asked

if TYPE_CHECKING:
    from onebyone_cli.plan.shards import Shard


class Wanted(NamedTuple):
    """Statistics that a learner needs.

    Attributes
    ----------
    pixels : bool
        Moments of the pixels.
    per_channel : bool
        Statistics of each channel by itself.
    differences : tuple of str
        Moments of the differences of neighbours in these directions, see `learners.differences`.
    rows, columns : (int, int) or None
        Window in which neighbours are compared: the first, and the one after the last.
    sample : bool
        The pixels of the chosen runs themselves.
    """

    pixels: bool = True
    per_channel: bool = False
    differences: tuple[str, ...] = ()
    rows: tuple[int, int] | None = None
    columns: tuple[int, int] | None = None
    sample: bool = False


class LearnSettings(NamedTuple):
    """Choices about the machine, and about which pixels count.

    Attributes
    ----------
    memory, threads : int
        Budget in bytes; most workers.
    asked : Asked
        What the user says about the numbers.
    runs_only : bool
        Whether only the chosen runs are read.
    shard : Shard or None
        The share of the tiles to read; None for all of them.
    """

    memory: int
    threads: int
    asked: Asked = Asked()
    wanted: Wanted = Wanted()
    runs_only: bool = False
    shard: Shard | None = None
