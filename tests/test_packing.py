"""Outputs are computed from the numbers that stored ones stand for."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from strategies import Array, new_folder, seeds

from onebyone_cli.api import apply, fit

SHAPE = (3, 20, 30)


def packed(path: Path, dtype: str, seed: int = 0, **attributes: Any) -> Array:
    """Write a packed stack; return the numbers that it means, in float64."""
    x = np.random.default_rng(seed).integers(1, 20000, SHAPE).astype(dtype)
    with h5py.File(path, "w") as file:
        file["sr"] = x
        file["sr"].attrs.update(attributes)
    scale, offset = (
        np.reshape(attributes.get(name, default), (-1, 1, 1))
        for name, default in (("scale_factor", 1.0), ("add_offset", 0.0))
    )
    return x * scale + offset


def close(found: Array, exact: Array, terms: Array | None = None) -> bool:
    """Whether numbers agree as float32 does; `terms` are the sizes of what cancels in them."""
    size = np.abs(exact if terms is None else terms).max()
    return np.allclose(found, exact, rtol=1e-5, atol=1e-5 * size)


@given(seeds, st.sampled_from(["u2", "i2", "f4", "i4"]), st.booleans(), st.booleans())
def test_meant_numbers_are_combined(seed: int, dtype: str, scaled: bool, shifted: bool) -> None:
    rng = np.random.default_rng(seed)
    attributes: dict[str, Any] = {}
    if scaled:
        attributes["scale_factor"] = float(np.exp(rng.normal(0, 4)))
    if shifted:
        attributes["add_offset"] = float(rng.normal(0, 1e4))
    weight, bias = rng.standard_normal((2, 3)), rng.standard_normal(2)
    hidden = rng.standard_normal((2, 2))
    with new_folder() as folder:
        meant = packed(folder / "x.h5", dtype, seed, **attributes)
        stored = meant if not attributes else np.asarray(h5py.File(folder / "x.h5")["sr"])
        for numbers, options in ((meant, {}), (stored, {"stored": True})):
            exact = np.einsum("kc,chw->khw", weight, numbers) + bias[:, None, None]
            assert close(apply(folder / "x.h5", weight, bias=bias, **options), exact)
            before = np.maximum(np.einsum("kc,chw->khw", weight, numbers), 0)
            right = np.maximum(np.einsum("kc,chw->khw", hidden, before), 0)
            # ReLU may leave nothing but the small rest of large numbers.
            terms = np.einsum("kc,chw->khw", np.abs(hidden) @ np.abs(weight), np.abs(numbers))
            chained = {"activation": "relu", **options}
            chain = apply(folder / "x.h5", [weight, hidden], **chained)
            assert close(chain, right, terms)
            chain = apply(folder / "x.h5", [weight, hidden], compute="float64", **chained)
            assert np.allclose(chain, right, rtol=1e-12, atol=1e-12 * terms.max())


def test_inputs_of_different_packing_are_combined(tmp_path: Path) -> None:
    one = packed(tmp_path / "a.h5", "u2", 1, scale_factor=2.75e-5, add_offset=-0.2)
    two = packed(tmp_path / "b.h5", "i2", 2, scale_factor=1e-4)
    three = packed(tmp_path / "c.h5", "f4", 3)
    weight = np.random.default_rng(0).standard_normal((2, 9))
    found = apply([tmp_path / f"{name}.h5" for name in "abc"], weight, compute="float64")
    exact = np.einsum("kc,chw->khw", weight, np.concatenate([one, two, three]))
    assert np.allclose(found, exact, rtol=1e-12)


def test_what_was_learned_from_meant_numbers_gives_them_back(tmp_path: Path) -> None:
    meant = packed(tmp_path / "x.h5", "u2", scale_factor=2.75e-5, add_offset=-0.2)
    model = fit(tmp_path / "x.h5", k=3)
    model.save(tmp_path / "m.npz")
    for args in (
        ("apply", "x.h5", "-w", "m.npz", "--denoise", "-o", "d.npy"),
        ("reduce", "x.h5", "-k", "3", "-o", "s.npy", "--residual", "r.npy"),
        ("apply", "s.npy", "-w", "m.npz", "--inverse", "-o", "i.npy"),
    ):
        done = onebyone(*args, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    for name in ("d.npy", "i.npy"):
        assert np.allclose(np.load(tmp_path / name), meant, atol=1e-6)
    assert np.abs(np.load(tmp_path / "r.npy")).max() < 1e-6


def test_the_packing_that_is_used_is_told_once(tmp_path: Path) -> None:
    packed(tmp_path / "x.h5", "u2", scale_factor=0.5, add_offset=2.0)
    command = ("apply", "x.h5", "--kernel", "1 -1 0", "-f", "-o", "y.npy")
    done = onebyone(*command, cwd=tmp_path)
    assert done.stderr.count("scale 0.5, from scale_factor") == 1
    assert done.stderr.count("offset 2, from add_offset") == 1
    for more in ("--stored", "-q"):
        assert "scale_factor" not in onebyone(*command, more, cwd=tmp_path).stderr


@pytest.mark.parametrize("change", ["scale_factor", "add_offset", "_FillValue", "valid_range"])
def test_a_job_is_resumed_only_if_the_numbers_mean_the_same(tmp_path: Path, change: str) -> None:
    """Of two datasets in one file, the names alone differ; the meaning is compared as well."""
    values = {"scale_factor": 0.5, "add_offset": 1.0, "_FillValue": np.uint16(3)}
    values["valid_range"] = np.array([2, 9000], "u2")
    from onebyone_cli.api.asked import asked_of
    from onebyone_cli.formats import opening
    from onebyone_cli.operations.apply.fingerprint import fingerprint_of
    from onebyone_cli.operations.apply.settings import ApplySettings
    from onebyone_cli.operations.meaning import meaning_of

    found = []
    for given_values in (values, values | {change: np.asarray(values[change]) + 1}):
        packed(tmp_path / "x.h5", "u2", **given_values)
        with opening.open_input(str(tmp_path / "x.h5"), layout="", memory=1 << 20) as reader:
            assert meaning_of([reader], asked_of()).notes
            describe = fingerprint_of(
                *([reader], None, ApplySettings(1, 1)),
                mask=None,
                source=reader.spec,
                used=(0, 1, 2),
                output=reader.spec,
                container="",
                tile_pixels=1,
            )
            found.append(describe())
    one, two = ({**each, "the input": None} for each in found)
    assert [name for name in one if one[name] != two[name]]


# ------------------------------------------------------------------------ packing of outputs

SCALES = ["0,40000", "auto", "2%,98%", "each"]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("suffix", ["h5", "h5 in chunks", "img"])
def test_reading_an_output_gives_the_meant_numbers_back(
    tmp_path: Path, scale: str, dtype: str, suffix: str
) -> None:
    packed(tmp_path / "x.h5", "u2", scale_factor=0.5, add_offset=-7.0)
    # One channel: HDF5 and ENVI have a place for one scale.
    result = apply(tmp_path / "x.h5", [[1, 0.25, 0]])
    name = f"y.{suffix[:3].strip()}"
    more = ("--chunks", "1x5x30") if "chunks" in suffix else ()
    command = ("apply", "x.h5", "--kernel", "1 .25 0", "--scale", scale, "--dtype", dtype)
    done = onebyone(*command, *more, "-o", name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    back = apply(tmp_path / name, [[1.0]])
    low, high = result.min(), result.max()
    if "%" in scale:
        low, high = np.percentile(result, [2, 98])
    elif "," in scale:
        low, high = 0, 40000
    steps = np.iinfo(dtype).max - np.iinfo(dtype).min
    # A percentile is exact to the width of a bin of its histogram.
    slack = 1.001 * (high - low) / steps / 2 + np.ptp(result) * (2e-5 if "%" in scale else 1e-6)
    inside = (result >= low) & (result <= high)
    assert np.abs(back - result)[inside].max() <= slack


def test_a_constant_result_is_given_back_as_well(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((1, 3, 4), 5.0, "f4"))
    done = onebyone(
        "apply", "x.npy", "--kernel", "2", "--scale", "auto", "-o", "y.h5", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (apply(tmp_path / "y.h5", [[1.0]]) == 10).all()


def test_a_stopped_job_states_the_range_that_it_measured_before(tmp_path: Path) -> None:
    """Bytes are those of a job that was not stopped: the range is in the journal."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(2, 300, 400)).astype("f4"))
    command = ("apply", "x.npy", "--kernel", "1 1", "--scale", "auto", "--memory", "1M")
    assert onebyone(*command, "-o", "whole.h5", cwd=tmp_path).returncode == 0
    with h5py.File(tmp_path / "whole.h5") as file:
        assert file["data"].attrs["scale_factor"] > 0
    again = ("--checkpoint-every", "0", "-o", "again.h5")
    assert onebyone(*command, *again, cwd=tmp_path).returncode == 0
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
