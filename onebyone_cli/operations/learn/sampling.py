"""Choose the runs of pixels that are a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onebyone_cli.operations.learn.job import LearnJob

#: Default sample of independent component analysis, in pixels.
ICA_PIXELS = 50_000


def choose_runs(jobs: Sequence[LearnJob], pixels: int, seed: int) -> list[NDArray[np.int64]]:
    """Draw runs of neighbouring pixels from several stacks, uniformly and without replacement.

    Parameters
    ----------
    jobs : sequence of LearnJob
        All of their pixels together are drawn from.
    pixels : int
        About how many, rounded up to whole runs; everything if there are no more.
    seed : int
        Of the PCG64 generator; the same seed gives the same sample.

    Returns
    -------
    list of ndarray of int64
        For each job the numbers of its runs, ascending.
    """
    ends = np.cumsum([job.runs for job in jobs])
    # Runs differ in length: draw the share of runs that is wanted of the pixels.
    everything = sum(job.input.items * job.input.pixels for job in jobs)
    wanted = -(-pixels * int(ends[-1]) // everything)
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = generator.choice(ends[-1], min(wanted, ends[-1]), replace=False, shuffle=False)
    starts = [0, *ends[:-1]]
    parts = np.split(np.sort(drawn), np.searchsorted(np.sort(drawn), ends[:-1]))
    return [part - start for part, start in zip(parts, starts, strict=True)]
