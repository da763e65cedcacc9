"""What this process still reads where a cluster gathers."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onebyone_cli.formats import opening
from onebyone_cli.learners.statistics import Statistics
from onebyone_cli.operations.learn import run as learning
from onebyone_cli.operations.learn.sampling import ICA_PIXELS
from onebyone_cli.operations.learn.settings import LearnSettings, Wanted
from onebyone_cli.spec import Slab
from onebyone_cli.stack.stack import Stack


def gather(paths: list[Path], mask: Path, elsewhere: Statistics | None) -> Statistics:
    """Gather, all of it here or what another place has not gathered."""
    settings = LearnSettings(1 << 26, 1, wanted=Wanted(sample=True))
    way = learning.LearnPass(settings, str(mask), seed=3)
    if elsewhere is not None:
        moments = Statistics(elsewhere.pixels)
        way = way._replace(gather=lambda jobs: moments)
    with ExitStack() as stack:
        stacks = [
            opening.open_inputs([str(path)], layout="CHW", memory=1 << 26, stack=stack)
            for path in paths
        ]
        return learning.gather(stacks, way, lambda known: None, lambda *_: None).statistics


def test_a_sample_is_drawn_here_and_little_else_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng()
    paths = [tmp_path / "a.npy", tmp_path / "b.npy"]
    for path in paths:
        np.save(path, rng.random((2, 400, 500), np.float32))
    np.save(tmp_path / "mask.npy", rng.random((400, 500)) < 0.9)
    expected = gather(paths, tmp_path / "mask.npy", None)
    read, read_here = Stack.read, 0

    def count(self: Stack, slab: Slab, *rest: Any) -> None:
        nonlocal read_here
        read_here += slab.items * slab.pixels
        read(self, slab, *rest)

    monkeypatch.setattr(Stack, "read", count)
    found = gather(paths, tmp_path / "mask.npy", expected)
    assert np.array_equal(found.sampled, expected.sampled)
    assert (found.count, found.invalid) == (expected.count, expected.invalid)
    assert np.array_equal(found.pixels.comoment, expected.pixels.comoment)
    # Of the stack and of the mask.
    assert 2 * (ICA_PIXELS - 64) < read_here < 2 * (ICA_PIXELS + 2 * 64)
