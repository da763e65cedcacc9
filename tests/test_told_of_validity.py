"""What commands say of numbers that are invalid, or that are not where the user thinks."""

from pathlib import Path

import numpy as np
import pytest
from command import onebyone

from onebyone_cli.operations.meaning import range_text
from onebyone_cli.stack.validity import parse_nodata


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stack = np.random.default_rng(0).normal(size=(5, 9, 9))
    np.save(tmp_path / "whole.npy", stack)
    stack[2] = np.nan
    np.save(tmp_path / "x.npy", stack)
    np.save(tmp_path / "none.npy", np.zeros((9, 9), np.uint8))
    return tmp_path


def test_components_name_the_channel_without_a_value(folder: Path):
    done = onebyone("view", "x.npy", "--pca", cwd=folder)
    assert done.returncode == 65
    assert "channel 2 has no valid value; leave it out with --channels '!2'" in done.stderr


def test_statistics_say_that_all_is_masked(folder: Path):
    done = onebyone("stats", "x.npy", "--mask", "none.npy", cwd=folder)
    assert done.returncode == 0
    assert "warning: x.npy: has no valid pixel" in done.stderr


def test_compare_warns_of_a_nodata_value_that_is_nowhere(folder: Path):
    done = onebyone("compare", "whole.npy", "whole.npy", "--nodata", "77", cwd=folder)
    assert "warning: --nodata 77 occurs nowhere in the input" in done.stderr
    np.save(folder / "y.npy", np.full((5, 9, 9), 77.0))
    done = onebyone("compare", "whole.npy", "y.npy", "--nodata", "77", cwd=folder)
    assert "warning" not in done.stderr


def test_integers_of_64_bits_are_exact(tmp_path: Path):
    most, least = 2**64 - 1, -(2**63) + 1
    np.save(tmp_path / "u.npy", np.array([[[0, 5, most]]], np.uint64))
    np.save(tmp_path / "i.npy", np.array([[[0, 5, least]]], np.int64))
    for name, value in (("u.npy", most), ("i.npy", least)):
        done = onebyone("stats", name, "--nodata", str(value), "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert b'"valid": 2' in done.stdout
    done = onebyone("stats", "u.npy", "--nodata", str(2**65), cwd=tmp_path)
    assert done.returncode == 2
    assert f"no number of the input can be {float(2**65):.10g}" in done.stderr


def test_nodata_as_typed():
    found = parse_nodata(["-9999,18446744073709551615,1e3"])
    assert found is not None
    assert [type(low) for low, _ in found.ranges] == [float, int, float]
    assert found.ranges[1] == (2**64 - 1, 2**64 - 1)


def test_a_range_with_one_end():
    assert range_text(float("-inf"), 5) == "at most 5"
    assert range_text(-0.5, float("inf")) == "at least -0.5"
    assert range_text(0, 10000) == "0 to 10000"


def test_results_that_overflow_are_told(tmp_path: Path) -> None:
    """As with a fill value near the largest float32 that no one names."""
    x = np.random.default_rng(0).normal(size=(2, 30, 40)).astype("f4")
    x[:, 0, :5] = -3.4e38
    x[0, 1, 0] = np.nan
    np.save(tmp_path / "x.npy", x)
    command = ("apply", "x.npy", "--kernel", "1 1", "-o", "y.npy", "--force")
    done = onebyone(*command, cwd=tmp_path)
    assert "warning: results of valid pixels overflow float32; if the input has" in done.stderr
    assert "1 invalid pixel" in done.stderr
    for more in (("--nodata=-3.4e38",), ("--compute", "float64", "--dtype", "float64")):
        done = onebyone(*command, *more, cwd=tmp_path)
        assert done.returncode == 0
        assert "overflow" not in done.stderr
