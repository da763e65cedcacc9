"""Channels by name: of weights and stacks, of selections and kernels."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import Completed, onebyone
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from onebyone_cli import apply, fit, open_stack
from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.stack.name_matching import match_names
from onebyone_cli.stack.wavelengths import find, parse_wavelengths
from onebyone_cli.weights.expression import parse_expression
from onebyone_cli.weights.typed import parse_kernel

S2 = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"]
SHORT = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A"]


def places(wanted: str, names: str, **how: bool) -> list[int | None]:
    return match_names(wanted.split(), names.split(), **how).places


def run_in(folder: Path, *args: str, check: bool = True, **how: Any) -> Completed:
    done = onebyone(*args, cwd=folder, **how)
    assert done.returncode == 0 or not check, done.stderr
    return done


# ----------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("wanted", "names", "expected"),
    [
        ("b a", "a b c", [1, 0]),
        ("B1 B8A", "T32_B01 T32_B02 T32_B8A", [0, 2]),
        ("B4 B8", "B04.tif B08.tif SCL.tif", [0, 1]),
        ("red NIR", "s_Red_10m s_nir_10m s_blue_10m", [0, 1]),
        ("T31_B03 T31_B02", "T32_B02_20m T32_B03_20m T32_B04_20m", [1, 0]),
        ("t10 t9", "t009 t010 t011", [1, 0]),
        # Numbers are never cut, and decimals are not numbers of their own.
        ("B1 B2", "B11 B12 B13", [None, None]),
        ("0.05 0.5", "0.5 0.50 0.05", [2, 0]),
        ("a", "x y", [None]),
    ],
)
def test_names_are_compared_without_what_they_share(
    wanted: str, names: str, expected: list[int | None]
) -> None:
    assert places(wanted, names) == expected


def test_typed_names_count_whole() -> None:
    assert places("B08", "T_B07 T_B08", as_typed=True) == [1]
    assert places("8", "T_B07 T_B08", as_typed=True) == [1]
    assert places("C08", "T_B07 T_B08", as_typed=True) == [None]
    assert places("T_B08", "T_B07 T_B08", as_typed=True) == [1]
    assert places("S_B08", "T_B07 T_B08", as_typed=True) == [None]


def test_names_that_could_be_several_channels() -> None:
    found = match_names(["b1", "b2"], ["B1", "B01", "b2"])
    assert (found.places, found.ambiguous) == ([None, 2], ["b1"])
    assert match_names(["a", "a"], ["a", "b"]).ambiguous == ["a", "a"]


@given(st.permutations(S2), st.sampled_from(["", "T32_", "x/9_"]), st.sampled_from(["", "_20m"]))
def test_every_order_is_found(names: Sequence[str], before: str, after: str) -> None:
    stack = [f"{before}{name}{after}" for name in names]
    found = match_names(SHORT, stack).places
    own = [name.replace("B0", "B") for name in names]
    assert [own[at] for at in found if at is not None] == SHORT


# ----------------------------------------------------------------------- weights and stacks


def scene(folder: Path, names: Sequence[str] = S2, seed: int = 0, suffix: str = ".png") -> Any:
    """A folder of grey images; returns them by name."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    found = {}
    for name in names:
        found[name] = rng.integers(0, 4000, (6, 7)).astype("u2")
        Image.fromarray(found[name]).save(folder / f"T00_{name}{suffix}")
    return found


def cube(path: Path, stack: Any, names: Sequence[str] = (), **attributes: Any) -> Path:
    with h5py.File(path, "w") as file:
        data = file.create_dataset("x", data=stack)
        if names:
            data.attrs["band_names"] = list(names)
        data.attrs.update(attributes)
    return path


def model(path: Path, weight: Any, names: Sequence[str], **arrays: Any) -> Path:
    np.savez(path, weight=weight, channels=list(names), **arrays)
    return path


def test_published_weights_find_the_bands_of_a_folder(tmp_path: Path) -> None:
    images = scene(tmp_path / "scene")
    run_in(tmp_path, "weights", "new", "tasselled-cap-msi13", "-o", "cap.npz")
    run_in(tmp_path, "apply", "scene", "-w", "cap.npz", "-o", "tc.npy", "--compute", "float64")
    with np.load(tmp_path / "cap.npz") as weights:
        stack = np.stack([images[f"B{name[1:].zfill(2)}"] for name in weights["channels"]])
        right = np.einsum("kc,chw->khw", weights["weight"], stack.astype("f8"))
    np.testing.assert_allclose(np.load(tmp_path / "tc.npy"), right, rtol=1e-12)


@given(
    data=st.data(),
    channels=st.integers(1, 6),
    more=st.integers(0, 3),
    seed=st.integers(0, 99),
    layout=st.sampled_from(["CHW", "HWC", "HCW"]),
)
def test_matching_by_name_is_moving_columns_by_hand(
    data: st.DataObject,
    channels: int,
    more: int,
    seed: int,
    layout: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    rng = np.random.default_rng(seed)
    total, folder = channels + more, tmp_path_factory.mktemp("named")
    order = data.draw(st.permutations(range(total)))
    weight = rng.normal(size=(3, channels)) * (rng.random((1, channels)) < 0.8)
    stack = rng.normal(size=(total, 5, 6)).astype("f4")
    stack[rng.random(stack.shape) < 0.02] = np.nan
    axes = ["CHW".index(axis) for axis in layout]
    named = cube(folder / "n.h5", stack.transpose(axes), [f"c{at:02}" for at in order])
    plain = cube(folder / "p.h5", stack.transpose(axes))
    weights = model(folder / "w.npz", weight, [f"C{at}" for at in range(channels)])
    by_hand = np.zeros((3, total))
    for column in range(channels):
        by_hand[:, order.index(column)] = weight[:, column]
    one = apply(named, weights, layout=layout)
    if not weight.any():
        return
    assert one.tobytes() == apply(plain, by_hand, layout=layout).tobytes()
    some = stack[[order.index(at) for at in range(channels)]]
    used = weight.any(axis=0)
    assert np.array_equal(np.isnan(one).any(axis=0), np.isnan(some[used]).any(axis=0))


@pytest.mark.parametrize("container", ["h5", "folder", "files"])
def test_what_a_model_does_not_know_is_left_unread(tmp_path: Path, container: str) -> None:
    images = scene(tmp_path / "scene")
    model(tmp_path / "w.npz", [[1.0, -1.0]], ["B8", "B4"])
    given: Any = str(tmp_path / "scene")
    if container == "files":
        given = sorted(map(str, (tmp_path / "scene").iterdir()))
    elif container == "h5":
        given = str(cube(tmp_path / "x.h5", np.stack(list(images.values())), S2))
    found = apply(given, tmp_path / "w.npz")
    np.testing.assert_array_equal(found[0], images["B08"].astype("f4") - images["B04"])


def test_a_missing_channel_is_named(tmp_path: Path) -> None:
    scene(tmp_path / "scene", S2[:5])
    model(tmp_path / "w.npz", [[1.0, -1.0, 1.0, 1.0, 1.0]], ["B1", "B2", "B3", "B4", "B8"])
    done = run_in(tmp_path, "apply", "scene", "-w", "w.npz", "-o", "y.npy", check=False)
    assert done.returncode == 65
    assert "takes the channel B8, and the stack has none of that name" in done.stderr
    assert "--by-position" in done.stderr
    assert not (tmp_path / "y.npy").exists()
    run_in(tmp_path, "apply", "scene", "-w", "w.npz", "-o", "y.npy", "--by-position")
    with pytest.raises(DataError, match="by_position= takes channels in their order"):
        apply(tmp_path / "scene", tmp_path / "w.npz")
    by_position = apply(tmp_path / "scene", tmp_path / "w.npz", by_position=True)
    assert np.array_equal(np.load(tmp_path / "y.npy"), by_position)


def test_a_channel_without_weight_does_not_have_to_be_there(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).normal(size=(3, 4, 5))
    cube(tmp_path / "x.h5", stack, ["b3", "b2", "b1"])
    model(tmp_path / "w.npz", [[1.0, 0.0, 2.0]], ["B1", "B9", "B2"])
    run_in(tmp_path, "apply", "x.h5", "-w", "w.npz", "-o", "y.npy")
    np.testing.assert_allclose(np.load(tmp_path / "y.npy")[0], stack[2] + 2 * stack[1])
    model(tmp_path / "w.npz", [[0.0, 0.0, 0.0]], ["B1", "B9", "B2"])
    done = run_in(tmp_path, "apply", "x.h5", "-w", "w.npz", "-o", "z.npy", check=False)
    assert done.returncode == 65


def test_layers_of_a_chain_are_matched_by_name(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).normal(size=(2, 4, 5))
    np.save(tmp_path / "x.npy", stack)
    meta = json.dumps({"outputs": ["one", "two"]})
    np.savez(tmp_path / "w.npz", weight=np.eye(2), meta=meta)
    for names, status, first in (
        (["two", "one"], 0, 1),
        (["red", "green"], 0, 0),  # of another kind: by position
        (["two", "three"], 65, 0),
    ):
        model(tmp_path / "v.npz", [[1.0, 0.0]], names)
        chain = ("apply", "x.npy", "-w", "w.npz", "-w", "v.npz", "--force")
        done = run_in(tmp_path, *chain, "-o", "y.npy", check=False)
        assert done.returncode == status, done.stderr
        if status:
            assert "v.npz: takes the channel three, and w.npz has no output" in done.stderr
        else:
            np.testing.assert_allclose(np.load(tmp_path / "y.npy")[0], stack[first])
            run_in(tmp_path, "weights", "compose", "w.npz", "v.npz", "-o", "c.npz", "--force")
            run_in(tmp_path, "apply", "x.npy", "-w", "c.npz", "-o", "c.npy", "--force")
            np.testing.assert_allclose(np.load(tmp_path / "c.npy")[0], stack[first])
        run_in(tmp_path, *chain, "-o", "z.npy", "--by-position")
        np.testing.assert_allclose(np.load(tmp_path / "z.npy")[0], stack[0])


def test_names_of_another_kind_are_told_and_do_not_count(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).normal(size=(2, 4, 5))
    cube(tmp_path / "x.h5", stack, ["morning", "evening"])
    model(tmp_path / "w.npz", [[1.0, 2.0]], ["B2", "B1"])
    done = run_in(tmp_path, "apply", "x.h5", "-w", "w.npz", "-o", "y.npy")
    assert "none of its channels (B2, B1) is one of the stack (morning, evening)" in done.stderr
    assert "matched by position" in done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy")[0], stack[0] + 2 * stack[1])
    cube(tmp_path / "twins.h5", stack, ["b1", "B01"])
    done = run_in(tmp_path, "apply", "twins.h5", "-w", "w.npz", "-o", "z.npy")
    assert "could be several channels; matched by position" in done.stderr


def test_another_order_is_told_to_those_who_ask(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).normal(size=(3, 4, 5))
    cube(tmp_path / "x.h5", stack, ["r", "g", "b"])
    model(tmp_path / "w.npz", [[1.0, 2.0]], ["B", "R"])
    command = ("apply", "x.h5", "-w", "w.npz", "-o", "y.npy", "-f")
    assert "matched by name" not in run_in(tmp_path, *command).stderr
    told = run_in(tmp_path, *command, "-v").stderr
    assert "matched by name: B is b, R is r" in told
    assert "reads 2 of 3 channels" in told


def test_every_stack_is_matched_by_itself(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).normal(size=(3, 4, 5))
    cube(tmp_path / "one.h5", stack, ["r", "g", "b"])
    cube(tmp_path / "two.h5", stack[[2, 0, 1]], ["b", "r", "g"])
    model(tmp_path / "w.npz", [[1.0, 2.0, 3.0]], ["r", "g", "b"])
    command = ("apply", "one.h5", "two.h5", "--each", "-w", "w.npz", "-o", "out")
    run_in(tmp_path, *command, "--format", "npy")
    one, two = (np.load(tmp_path / "out" / f"{name}.npy") for name in ("one", "two"))
    np.testing.assert_allclose(one, two)


def test_a_denoised_stack_has_the_order_of_the_model(tmp_path: Path) -> None:
    """Its names are those of the numbers, whatever the order in the input."""
    rng = np.random.default_rng(3)
    stack = rng.normal(size=(2, 40)).T @ rng.normal(size=(2, 4)) + 5
    stack = stack.T.reshape(4, 5, 8)
    stack[2] = 7.0
    cube(tmp_path / "x.h5", stack, ["a", "b", "c", "d"], wavelength=[1.0, 2.0, 3.0, 4.0])
    order = [3, 0, 2, 1]
    waves = [4.0, 1.0, 3.0, 2.0]
    cube(tmp_path / "z.h5", stack[order], ["d", "a", "c", "b"], wavelength=waves)
    run_in(tmp_path, "fit", "x.h5", "-k", "2", "-o", "m.npz")
    run_in(tmp_path, "apply", "z.h5", "-w", "m.npz", "--denoise", "-o", "back.h5")
    with open_stack(tmp_path / "back.h5") as back:
        assert back.channels == ("a", "b", "c", "d")
        np.testing.assert_allclose(np.asarray(back), stack, atol=1e-5)
    with h5py.File(tmp_path / "back.h5") as file:
        (data,) = file.values()
        (found,) = (data.attrs[name] for name in data.attrs if name.startswith("wavelength"))
        assert list(found) == [1.0, 2.0, 3.0, 4.0]


def test_reduce_and_a_saved_model_write_the_same(tmp_path: Path) -> None:
    """Though constant channels have no weight, and only the saved model has names."""
    stack = np.random.default_rng(0).normal(size=(5, 30, 40)).astype("f4")
    stack[[0, 3]] = 2.0
    cube(tmp_path / "x.h5", stack, list("abcde"))
    run_in(tmp_path, "reduce", "x.h5", "-k", "2", "-o", "y.npy", "--save", "m.npz")
    run_in(tmp_path, "apply", "x.h5", "-w", "m.npz", "-o", "z.npy")
    assert (tmp_path / "y.npy").read_bytes() == (tmp_path / "z.npy").read_bytes()
    learned = fit(tmp_path / "x.h5", 2)
    assert learned.map.meta["channels"] == list("abcde")
    moved = cube(tmp_path / "moved.h5", stack[::-1], list("edcba"))
    np.testing.assert_allclose(learned.apply(moved), np.load(tmp_path / "y.npy"), atol=1e-6)


# -------------------------------------------------------------------- channels without weight


@pytest.mark.parametrize("dtype", ["f4", "i2"])
@pytest.mark.parametrize("layout", ["CHW", "HWC", "HCW"])
def test_bad_channels_without_weight_spoil_nothing(tmp_path: Path, dtype: str, layout: str) -> None:
    stack = np.random.default_rng(0).normal(3000, 100, (12, 20, 30)).astype(dtype)
    stack[6:8] = np.nan if dtype == "f4" else -32768
    np.save(tmp_path / "x.npy", stack.transpose(["CHW".index(axis) for axis in layout]))
    good = "0,1,2,3,4,5,8,9,10,11"
    run_in(tmp_path, "weights", "new", "select", "-c", "12", "--channels", good, "-o", "w.npz")
    options = f"--layout {layout} --nodata -32768 -w w.npz -o y.npy -f".split()
    run_in(tmp_path, "apply", "x.npy", *options)
    right = np.delete(stack, [6, 7], axis=0)
    assert np.array_equal(np.load(tmp_path / "y.npy"), right.astype("f4"))
    # As a pipe, in pixel order without a spool.
    run_in(tmp_path, "apply", "-", *options, input=(tmp_path / "x.npy").read_bytes())
    assert np.array_equal(np.load(tmp_path / "y.npy"), right.astype("f4"))


def test_a_shard_and_a_resumed_job_match_as_the_whole_does(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).normal(size=(4, 60, 70))
    cube(tmp_path / "x.h5", stack, list("abcd"))
    model(tmp_path / "w.npz", [[1.0, 0.0, 2.0]], ["D", "B", "A"])
    run_in(tmp_path, "apply", "x.h5", "-w", "w.npz", "-o", "whole.npy")
    for shard in ("0/2", "1/2"):
        run_in(tmp_path, "apply", "x.h5", "-w", "w.npz", "-o", "y.npy", "--shard", shard)
    run_in(tmp_path, "merge", "y.npy")
    assert (tmp_path / "y.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    # Another order of the names is another job.
    run_in(tmp_path, "apply", "x.h5", "-w", "w.npz", "-o", "z.npy", "--shard", "0/2")
    model(tmp_path / "w.npz", [[1.0, 0.0, 2.0]], ["C", "B", "A"])
    run_in(tmp_path, "apply", "x.h5", "-w", "w.npz", "-o", "z.npy", "--shard", "1/2")
    done = run_in(tmp_path, "merge", "z.npy", check=False)
    assert done.returncode != 0
    assert "the channels that are used" in done.stderr


# ----------------------------------------------------------------------------- selections


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("B08,B04", [7, 3]),
        ("b8,t00_b04", [7, 3]),
        ("'B8A',2", [8, 2]),
        ("!B01,!1:12", [12]),
        ("842nm", [7]),
        ("0.842um", [7]),
        ("650nm:850nm", [3, 4, 5, 6, 7]),
        (":500nm", [0, 1]),
        ("good,!B01", [2]),
    ],
)
def test_channels_by_name_and_wavelength(tmp_path: Path, text: str, channels: list[int]) -> None:
    stack = np.random.default_rng(0).integers(0, 99, (13, 3, 4)).astype("u2")
    waves = [443, 490, 560, 665, 705, 740, 783, 842, 865, 945, 1375, 1610, 2190]
    path = cube(
        tmp_path / "x.h5",
        stack,
        [f"T00_{name}" for name in S2],
        wavelength=np.array(waves) / 1e3,
        wavelength_units="Micrometers",
        bbl=[1, 0, 1] + [0] * 10,
    )
    with open_stack(path, channels=text) as opened:
        assert np.array_equal(np.asarray(opened), stack[channels])
        assert opened.channels == tuple(f"T00_{S2[at]}" for at in channels)
    run_in(tmp_path, "stats", "x.h5", "--channels", text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("B13", "B13 is not a channel; there are B1, B2"),
        ("700nm", "no channel is at 700nm; the wavelengths are from 450 to 550 nm"),
        ("600nm:700nm", "no channel is at 600nm:700nm"),
        ("900nm:700nm", "the range 900nm:700nm is empty"),
        ("good", "the stack has no list of bad channels"),
        ("B1,b01", "selects channel 0 twice"),
    ],
)
def test_what_the_stack_does_not_have(tmp_path: Path, text: str, message: str) -> None:
    stack = np.ones((2, 3, 4))
    path = cube(tmp_path / "x.h5", stack, ["B1", "B2"], wavelength=[450.0, 550.0])
    with pytest.raises(UsageError, match=message):
        open_stack(path, channels=text)
    done = run_in(tmp_path, "stats", "x.h5", "--channels", text, check=False)
    assert done.returncode == 2


def test_names_of_a_folder_in_any_order(tmp_path: Path) -> None:
    images = scene(tmp_path / "scene")
    found = apply(tmp_path / "scene", np.eye(2), channels=["B08", 3])
    np.testing.assert_array_equal(found, np.stack([images["B08"], images["B04"]]))
    with open_stack(tmp_path / "scene", channels="B08,B04") as opened:
        assert opened.channels == ("T00_B08", "T00_B04")


def test_wavelengths() -> None:
    assert parse_wavelengths("B08") is None
    assert parse_wavelengths("3:5") is None
    wanted = parse_wavelengths("450:900 nm")
    assert wanted is not None
    assert find(wanted, [400.0, 450.0, 900.0, 901.0]) == [1, 2]


# -------------------------------------------------------------------------------- kernels


@pytest.mark.parametrize(
    ("text", "names", "weight", "bias"),
    [
        ("B08 - B04", ["B08", "B04"], [[1, -1]], [0]),
        (
            "B08-B04; 0.3*B03 + B02*0.7 - 100;",
            ["B08", "B04", "B03", "B02"],
            [[1, -1, 0, 0], [0, 0, 0.3, 0.7]],
            [0, -100],
        ),
        ("-2*'a-b' + 1e2 + 3", ["a-b"], [[-2]], [103]),
        ("a + a*2; 5", ["a"], [[3], [0]], [0, 5]),
        ("650nm - - a[1]*2*3", ["650nm", "a[1]"], [[1, 6]], [0]),
    ],
)
def test_kernels_of_names(text: str, names: list[str], weight: Any, bias: Any) -> None:
    found = parse_kernel(text)
    assert found.meta["channels"] == names
    assert found.weight.tolist() == weight
    assert found.bias.tolist() == bias


def test_numbers_alone_keep_their_meaning() -> None:
    assert parse_kernel("1 -1 0; 1e3,+.5 -2").weight.tolist() == [[1, -1, 0], [1000, 0.5, -2]]
    assert "channels" not in parse_kernel("1 -1 0").meta
    with pytest.raises(DataError, match=r"row 1, column 2 .character 3.: 'ten' is not a number"):
        parse_kernel("1 ten")
    assert parse_kernel("100 -2*B1").bias.tolist() == [100]
    with pytest.raises(DataError, match=r"row 1, column 3 .character 5.: 'x' is not a number"):
        parse_kernel("1 2 x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("B1/B2", "character 3: found '/'; expected .*"),
        ("B1 B2", "character 4: found 'B2'; expected "),
        ("B1*B2", "can't be multiplied by another"),
        ("B1 +", "character 5: found the end; expected a number or the name of a channel"),
        ("B1;;B2", "character 4: found ';'"),
        ("B1 + 9e999*B2", "overflows"),
        ("''+1", "expected a number or the name"),
    ],
)
def test_malformed_kernels(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_expression(text, "kernel")


def test_kernels_by_name_on_files(tmp_path: Path) -> None:
    images = scene(tmp_path / "scene")
    run_in(tmp_path, *("apply", "scene", "--kernel", "B08 - b4; 0.5*B03 - 100", "-o", "y.npy"))
    right = [images["B08"] - images["B04"].astype("f4"), 0.5 * images["B03"] - 100]
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), np.stack(right))
    waves = {"wavelength": [450.0, 550.0, 650.0], "wavelength_units": "nm"}
    stack = np.random.default_rng(0).normal(size=(3, 4, 5))
    cube(tmp_path / "w.h5", stack, **waves)
    run_in(tmp_path, "apply", "w.h5", "--kernel", "640nm - 455nm", "-o", "z.npy")
    np.testing.assert_allclose(np.load(tmp_path / "z.npy")[0], stack[2] - stack[0])


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ("B8 - B13", "names B13, and the stack has r, g"),
        ("r - R", "r and R are one channel"),
    ],
)
def test_a_kernel_needs_its_names(tmp_path: Path, kernel: str, message: str) -> None:
    cube(tmp_path / "x.h5", np.ones((2, 3, 4)), ["r", "g"])
    np.save(tmp_path / "x.npy", np.ones((2, 3, 4)))
    kernel = kernel.replace("B8", "g")
    done = run_in(tmp_path, "apply", "x.h5", "--kernel", kernel, "-o", "y.npy", check=False)
    assert (done.returncode, message in done.stderr) == (65, True), done.stderr
    done = run_in(tmp_path, "apply", "x.npy", "--kernel", kernel, "-o", "y.npy", check=False)
    assert "the stack has no names of channels" in done.stderr


# ------------------------------------------------------------------------- several inputs


def test_several_inputs_are_named_after_their_files(tmp_path: Path) -> None:
    for name in ("red", "nir"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).normal(size=(3, 4)))
    np.save(tmp_path / "two.npy", np.random.default_rng(1).normal(size=(2, 3, 4)))
    shutil.copytree(tmp_path, tmp_path / "day2")
    with open_stack([tmp_path / name for name in ("red.npy", "two.npy", "nir.npy")]) as opened:
        assert opened.channels == ("red", "two[0]", "two[1]", "nir")
    with open_stack([tmp_path / "red.npy", tmp_path / "day2" / "red.npy"]) as opened:
        assert opened.channels == (str(tmp_path / "red.npy"), str(tmp_path / "day2" / "red.npy"))
    run_in(tmp_path, "apply", "red.npy", "nir.npy", "--kernel", "nir - red", "-o", "y.npy")
    run_in(tmp_path, "apply", "nir.npy", "red.npy", "--kernel", "1 -1", "-o", "z.npy")
    assert np.array_equal(np.load(tmp_path / "y.npy"), np.load(tmp_path / "z.npy"))
    # A model knows them, and so does an output of selected channels.
    run_in(tmp_path, "fit", "red.npy", "nir.npy", "-k", "1", "-o", "m.npz")
    with np.load(tmp_path / "m.npz") as saved:
        assert saved["channels"].tolist() == ["red", "nir"]
    words = ("red.npy", "two.npy", "nir.npy", "--channels", "nir,two[1]")
    run_in(tmp_path, "apply", *words, "--kernel", "1 0;0 1", "-o", "out.h5")
    with open_stack(tmp_path / "out.h5") as opened:
        assert opened.channels == ("nir", "two[1]")


def test_datasets_of_one_file_name_the_channels(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name in ("red", "nir"):
            file[f"bands/{name}"] = np.zeros((3, 4))
    paths = [f"{tmp_path}/x.h5:/bands/{name}" for name in ("red", "nir")]
    with open_stack(paths) as opened:
        assert opened.channels == ("red", "nir")


# ------------------------------------------------------------------- what is never read


@pytest.mark.parametrize("shape", [(5, 400, 300), (2, 5, 400, 300)])
@pytest.mark.parametrize("chunk", ["channel", "block"])
@pytest.mark.parametrize("order", ["1,3", "3,1"])
def test_chunks_of_other_channels_are_not_decoded(
    tmp_path: Path, shape: tuple[int, ...], chunk: str, order: str
) -> None:
    """Their bytes are damaged here."""
    stack = np.random.default_rng(0).integers(0, 99, shape).astype("u2")
    sizes = (400, 300) if chunk == "channel" else (64, 100)
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        chunks = (*(1 for _ in shape[:-2]), *sizes)
        data = file.create_dataset("x", data=stack, chunks=chunks, compression="gzip")
        places = [data.id.get_chunk_info(at) for at in range(data.id.get_num_chunks())]
    content = bytearray(path.read_bytes())
    for place in places:
        if place.chunk_offset[-3] not in (1, 3):
            content[place.byte_offset : place.byte_offset + 20] = bytes(20)
    path.write_bytes(content)
    command = ("apply", "x.h5", "--kernel", "1 0;0 1", "-o", "y.npy", "--memory", "3M")
    run_in(tmp_path, *command, "--channels", order)
    wanted = [int(channel) for channel in order.split(",")]
    assert np.array_equal(np.load(tmp_path / "y.npy"), stack[..., wanted, :, :].astype("f4"))
    done = run_in(tmp_path, "apply", "x.h5", "--kernel", "1 1 1 1 1", "-o", "z.npy", check=False)
    assert done.returncode == 65


def test_images_of_other_channels_are_not_decoded(tmp_path: Path) -> None:
    images = scene(tmp_path / "scene", S2[:4])
    path = tmp_path / "scene" / "T00_B02.png"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    found = apply(tmp_path / "scene", [[1.0, 0.0, -1.0, 0.5]])
    right = images["B01"] - images["B03"].astype("f4") + 0.5 * images["B04"]
    np.testing.assert_allclose(found[0], right)
    with pytest.raises(DataError, match="T00_B02"):
        apply(tmp_path / "scene", np.ones((1, 4)))


def test_channels_without_names_are_shown_by_their_wavelengths(tmp_path: Path) -> None:
    meta = json.dumps({"wavelengths": [0.45, 0.55, 0.66], "wavelength_unit": "um"})
    np.savez(tmp_path / "w.npz", weight=[[1.0, 0.5, 2.0]], meta=meta)
    done = run_in(tmp_path, "weights", "show", "w.npz")
    assert b"660 nm +2" in done.stdout
    assert b"550 nm" in done.stdout
