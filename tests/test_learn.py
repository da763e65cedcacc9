"""The pass that learning needs: moments, whatever the container, memory and threads."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from onebyone_cli import formats
from onebyone_cli.errors import ShapeMismatchError, UsageError
from onebyone_cli.fit.evidence import Evidence
from onebyone_cli.fit.moments import Moments
from onebyone_cli.pipeline.learn import LearnJob, LearnSettings
from onebyone_cli.pipeline.sampling import choose_runs


def gather(
    paths: list[Path],
    *,
    memory: int = 1 << 26,
    threads: int = 2,
    layout: str = "CHW",
    mask: Path | None = None,
    labels: Path | None = None,
    sample: int = 0,
    **more: Any,
) -> Evidence:
    with ExitStack() as stack:

        def opened(path: Path, layout: str = "CHW"):
            reader = formats.open_input(str(path), layout=layout)
            stack.callback(reader.close)
            return reader

        job = LearnJob(
            [opened(path, layout) for path in paths],
            LearnSettings(memory, threads, **more),
            mask=mask and opened(mask),
            labels=labels and opened(labels),
        )
        assert job.plan.total_bytes <= memory
        (chosen,) = choose_runs([job], sample, seed=1) if sample else [None]
        return job.run(lambda step, done, total: None, chosen)


def learn(paths: list[Path], **more: Any) -> Moments:
    return gather(paths, **more).pixels


def bits(moments: Moments) -> tuple[int, int, bytes, bytes]:
    return moments.count, moments.invalid, moments.mean.tobytes(), moments.comoment.tobytes()


@given(
    npst.arrays(
        st.sampled_from(["uint8", "int16", "float32", "float64", "int32"]),
        npst.array_shapes(min_dims=3, max_dims=4, max_side=6),
        elements=st.integers(0, 100),
    )
)
def test_moments_are_those_of_numpy(tmp_path_factory: pytest.TempPathFactory, x: np.ndarray):
    path = tmp_path_factory.mktemp("learn") / "x.npy"
    np.save(path, x)
    moments = learn([path])
    channels = x.shape[-3]
    pixels = np.moveaxis(x.astype(np.float64), -3, 0).reshape(channels, -1)
    assert moments.count == pixels.shape[1]
    assert np.allclose(moments.mean, pixels.mean(axis=1), rtol=1e-13)
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    assert np.allclose(moments.comoment, centred @ centred.T, rtol=1e-12, atol=1e-9)


def test_bits_depend_on_neither_memory_nor_threads_nor_layout(tmp_path: Path):
    x = np.random.default_rng().normal(1e4, 1, (7, 90, 131)).astype(np.float32)
    x[3, 5, :40] = np.nan
    np.save(tmp_path / "chw.npy", x)
    np.save(tmp_path / "hwc.npy", np.ascontiguousarray(x.transpose(1, 2, 0)))
    np.save(tmp_path / "f.npy", np.asfortranarray(x))
    expected = bits(learn([tmp_path / "chw.npy"]))
    assert expected[1] == 40
    for memory in (2_000_000, 3_000_000, 5_000_000, 9_000_000, 1 << 26):
        for threads in (1, 2, 4):
            assert bits(learn([tmp_path / "chw.npy"], memory=memory, threads=threads)) == expected
    assert bits(learn([tmp_path / "hwc.npy"], layout="HWC")) == expected
    assert bits(learn([tmp_path / "f.npy"])) == expected


def test_stacked_inputs_are_one_stack(tmp_path: Path):
    x = np.random.default_rng().normal(size=(5, 20, 30))
    np.save(tmp_path / "all.npy", x)
    np.save(tmp_path / "a.npy", x[:2])
    np.save(tmp_path / "b.npy", x[2:])
    whole = learn([tmp_path / "all.npy"])
    assert bits(learn([tmp_path / "a.npy", tmp_path / "b.npy"])) == bits(whole)


def test_invalid_pixels_are_left_out_and_counted(tmp_path: Path):
    x = np.random.default_rng().normal(size=(3, 40, 50))
    np.save(tmp_path / "valid.npy", x[:, 2:])
    x[0, 0], x[1, 1, :7], x[2, 1, 7:] = np.nan, np.inf, -9999
    np.save(tmp_path / "x.npy", x)
    moments = learn([tmp_path / "x.npy"], nodata=-9999)
    valid = learn([tmp_path / "valid.npy"])
    assert (moments.count, moments.invalid) == (valid.count, 100)
    assert np.allclose(moments.mean, valid.mean, rtol=1e-12, atol=1e-15)
    assert np.allclose(moments.comoment, valid.comoment, rtol=1e-12, atol=1e-9)


def test_a_large_mean_leaves_no_trace(tmp_path: Path):
    rng = np.random.default_rng()
    x = (1e6 + rng.integers(-3, 4, (4, 100, 100))).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    pixels = x.reshape(4, -1).astype(np.float64)
    assert np.allclose(learn([tmp_path / "x.npy"]).covariance, np.cov(pixels), rtol=1e-11)


def test_sizes_that_disagree_and_too_little_memory(tmp_path: Path):
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4)))
    np.save(tmp_path / "b.npy", np.zeros((2, 3, 5)))
    with pytest.raises(ShapeMismatchError, match="3×5"):
        learn([tmp_path / "a.npy", tmp_path / "b.npy"])
    with pytest.raises(UsageError, match="--memory"):
        learn([tmp_path / "a.npy"], memory=1000)
