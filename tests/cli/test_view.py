"""``onebyone view``: pictures of what is in a file, whatever it is shown on."""

import io
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from command import BIN, Terminal, environment, files_in, onebyone, peak_memory, start
from PIL import Image

from onebyone_cli.npy_header import format_header
from onebyone_cli.picture.colormap import MAGENTA
from onebyone_cli.picture.terminal import PALETTE_16

MEBIBYTE = 1 << 20
RAMP = np.linspace(0, 255, 12).round().astype(np.uint8).reshape(1, 3, 4)


def picture(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def viewed(work: Path, *args: str) -> np.ndarray[Any, Any]:
    """The picture that a run writes."""
    done = onebyone("view", *args, "-o", "out.png", "-f", cwd=work)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    return picture(work / "out.png")


# ------------------------------------------------------------------------------------------ PNG


def test_a_channel_is_stretched_and_enlarged(tmp_path: Path):
    np.save(tmp_path / "x.npy", RAMP)
    rgb = viewed(tmp_path, "x.npy", "--scale", "each", "--size", "10")
    np.testing.assert_array_equal(rgb, RAMP[0, :, :, None].repeat(2, 0).repeat(2, 1).repeat(3, 2))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64", ">i2"])
def test_any_type_is_seen(dtype: str, tmp_path: Path):
    stack = np.zeros((1, 2, 2), dtype)
    stack[0, 1, 0] = 1
    np.save(tmp_path / "x.npy", stack)
    rgb = viewed(tmp_path, "x.npy", "--size", "2")
    assert rgb[:, :, 0].tolist() == [[0, 0], [255, 0]]


def test_three_channels_are_red_green_and_blue(tmp_path: Path):
    stack = np.arange(4 * 6, dtype=np.float32).reshape(4, 2, 3)
    stack[2] *= -1
    np.save(tmp_path / "x.npy", stack)
    rgb = viewed(tmp_path, "x.npy", "--rgb", "3,2,1", "--scale", "-17,23", "--size", "3")
    expected = np.clip((np.moveaxis(stack[[3, 2, 1]], 0, -1) + 17) / 40, 0, 1)
    np.testing.assert_array_equal(rgb, (expected * 255).round())


def test_shown_channels_are_numbers_names_or_wavelengths(tmp_path: Path):
    stack = np.arange(4 * 6, dtype=np.float32).reshape(4, 2, 3)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("data", data=stack)
        data.attrs["channels"] = ["blue", "green", "red", "near infrared"]
        data.attrs["wavelength"] = [450.0, 550.0, 650.0, 850.0]
        data.attrs["wavelength_units"] = "nm"
    options = ("--scale", "0,23", "--size", "3")
    by_number = viewed(tmp_path, "x.h5", "--rgb", "3,1,1", *options)
    for names in ("near infrared,green,1", "860nm,550nm,green"):
        np.testing.assert_array_equal(viewed(tmp_path, "x.h5", "--rgb", names, *options), by_number)
    alone = viewed(tmp_path, "x.h5", "--channel", "3", *options)
    for name in ("near infrared", "860nm"):
        np.testing.assert_array_equal(viewed(tmp_path, "x.h5", "--channel", name, *options), alone)
    for option, value in (("--channel", "good"), ("--channel", "0:1,2"), ("--rgb", "0,!1,2")):
        assert onebyone("view", "x.h5", option, value, cwd=tmp_path).returncode == 2
    refused = onebyone("view", "x.h5", "--rgb", "red,green,violet", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--rgb red,green,violet: violet is not a channel" in refused.stderr


def test_components_are_those_of_fit(tmp_path: Path):
    rng = np.random.default_rng(5)
    mixed = rng.normal(size=(5, 3)) @ (rng.normal(size=(3, 400)) * [[9], [3], [1]])
    np.save(tmp_path / "x.npy", mixed.reshape(5, 20, 20))
    rgb = viewed(tmp_path, "x.npy", "--pca", "--scale", "each", "--size", "20")
    onebyone("reduce", "x.npy", "-k", "3", "-o", "scores.npy", cwd=tmp_path)
    scores = np.load(tmp_path / "scores.npy")
    low, high = (getattr(scores, f)(axis=(1, 2), keepdims=True) for f in ("min", "max"))
    expected = np.moveaxis((scores - low) / (high - low) * 255, 0, -1)
    np.testing.assert_allclose(rgb, expected, atol=0.51)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_components_in_which_nothing_varies_have_one_colour(dtype: str, tmp_path: Path):
    plane = np.random.default_rng(7).normal(size=(1, 9, 9)) * [[[1]], [[2]], [[0.3]], [[-1]]] + 5
    plane[0, 2, 3] = np.nan
    np.save(tmp_path / "x.npy", plane.astype(dtype))
    rgb = viewed(tmp_path, "x.npy", "--pca", "--size", "9")
    assert (rgb[2, 3] == MAGENTA).all()
    valid = np.isfinite(plane[0])
    assert len(np.unique(rgb[valid][:, 0])) > 9
    assert len(np.unique(rgb[valid][:, 1:], axis=0)) == 1


def test_invalid_pixels_have_a_colour_of_their_own(tmp_path: Path):
    stack = RAMP.astype(np.float32)
    stack[0, 0] = [np.nan, np.inf, -np.inf, -9999]
    np.save(tmp_path / "x.npy", stack)
    rgb = viewed(tmp_path, "x.npy", "--nodata", "-9999", "--scale", "each", "--size", "4")
    assert (rgb[0] == MAGENTA).all()
    assert rgb[1, 0].tolist() == [0, 0, 0]
    assert rgb[2, 3].tolist() == [255, 255, 255]
    three = np.concatenate([stack, RAMP, RAMP])
    np.save(tmp_path / "x.npy", three)
    rgb = viewed(tmp_path, "x.npy", "--rgb", "2,1,0", "--size", "4", "--nodata", "-9999")
    assert (rgb == MAGENTA).all(axis=-1).tolist() == [[True] * 4, [False] * 4, [False] * 4]


def test_files_and_masks_say_what_is_invalid_and_what_numbers_mean(tmp_path: Path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("x", data=RAMP[:, :, :].astype("i2"))
        data.attrs["_FillValue"] = np.int16(RAMP[0, 1, 1])
        data.attrs["scale_factor"], data.attrs["add_offset"] = -0.5, 3.0
        data.attrs["wavelength"] = [550.0]
        data.attrs["wavelength_units"] = "nm"
    np.save(tmp_path / "mask.npy", np.arange(12).reshape(3, 4) != 7)
    args = ("view", "x.h5", "--mask", "mask.npy", "--scale", "each", "--size", "4", "--json")
    done = onebyone(*args, "-o", "out.png", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert told["ranges"] == [{"low": 3 - 255 / 2, "high": 3.0}]
    assert told["names"] == ["0 550 nm"]
    magenta = (picture(tmp_path / "out.png") == MAGENTA).all(axis=-1)
    assert np.flatnonzero(magenta).tolist() == [5, 7]
    rgb = viewed(tmp_path, "x.h5", "--nodata", "none", "--stored", "--size", "4", "--scale", "each")
    np.testing.assert_array_equal(rgb[:, :, 0], RAMP[0])


def test_a_channel_without_any_valid_pixel(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.full((2, 3, 4), np.nan))
    done = onebyone("view", "x.npy", "-o", "out.png", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["ranges"] == [{"low": None, "high": None}] * 2
    assert (picture(tmp_path / "out.png") == MAGENTA).all(axis=-1).any()


def test_the_document_says_what_was_drawn(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.stack([np.eye(40), 3 * np.eye(40)]))
    done = onebyone("view", "x.npy", "-o", "out.png", "--json", "--size", "200", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert done.stderr == ""
    assert told["channels"] == [0, 1]
    assert told["ranges"] == [{"low": 0.0, "high": 1.0}, {"low": 0.0, "high": 3.0}]
    assert picture(tmp_path / "out.png").shape == (told["height"], told["width"], 3)
    assert max(told["height"], told["width"]) <= 200


def test_a_diverging_map_has_zero_in_its_middle(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.array([[[-1.0, 0.0, 3.0]]]))
    rgb = viewed(tmp_path, "x.npy", "--colormap", "coolwarm", "--scale", "each", "--size", "3")
    assert np.ptp(rgb[0, 1].astype(int)) < 12
    assert rgb[0, 2].tolist() == [180, 4, 38]
    assert rgb[0, 0, 2] > rgb[0, 0, 0]


def test_an_item_of_a_batch(tmp_path: Path):
    stack = np.zeros((2, 3, 1, 2, 2), np.uint8)
    stack[1, 2, 0, 0, 1] = 9
    np.save(tmp_path / "x.npy", stack)
    assert viewed(tmp_path, "x.npy", "--item", "5", "--size", "2")[0, 1, 0] == 255
    assert np.ptp(viewed(tmp_path, "x.npy", "--item", "4", "--size", "2")) == 0


def test_whatever_holds_the_numbers_the_picture_is_the_same(tmp_path: Path):
    stack = np.random.default_rng(3).integers(0, 256, (3, 50, 70), np.uint8)
    np.save(tmp_path / "x.npy", stack)
    (tmp_path / "x.raw").write_bytes(np.moveaxis(stack, 0, -1).tobytes())
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=stack, chunks=(2, 7, 70), compression="gzip")
    (tmp_path / "folder").mkdir()
    for channel, plane in enumerate(stack):
        Image.fromarray(plane).save(tmp_path / "folder" / f"{channel}.png")
        np.save(tmp_path / f"{channel}.npy", plane)
    raw = ("--raw", "--shape", "50,70,3", "--dtype-in", "u1", "--layout", "HWC")
    sources = [("x.npy",), ("x.raw", *raw), ("x.h5",), ("folder",), ("0.npy", "1.npy", "2.npy")]
    for more in (["--rgb", "0,1,2"], ["--channel", "1", "--size", "30"], ["--pca"]):
        expected = viewed(tmp_path, "x.npy", *more)
        for source in sources:
            np.testing.assert_array_equal(viewed(tmp_path, *source, *more), expected)
        args = ("view", "-", *more, "-o", "-")
        done = onebyone(*args, cwd=tmp_path, input=(tmp_path / "x.npy").read_bytes())
        with Image.open(io.BytesIO(done.stdout)) as image:
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_a_sheet_has_every_channel(tmp_path: Path):
    stack = np.arange(6, dtype=np.uint8).reshape(6, 1, 1) * np.ones((1, 40, 40), np.uint8)
    np.save(tmp_path / "x.npy", stack)
    rgb = viewed(tmp_path, "x.npy", "--scale", "0,5", "--size", "200")
    found = {tuple(pixel) for pixel in rgb.reshape(-1, 3).tolist()}
    assert {(51 * channel,) * 3 for channel in range(6)} <= found
    assert (rgb == (48, 48, 48)).all(axis=-1).any(), "something is written"


# -------------------------------------------------------------------------------------- how much


def sparse(path: Path, shape: tuple[int, ...]) -> None:
    header = format_header(shape, "float32")
    path.write_bytes(header)
    os.truncate(path, len(header) + 4 * int(np.prod(shape, dtype=object)))


def test_a_terabyte_is_seen_in_little_memory(tmp_path: Path):
    try:
        sparse(tmp_path / "x.npy", (1000, 16_000, 16_000))
    except OSError:
        pytest.skip("the file system has no files of a terabyte")
    np.save(tmp_path / "small.npy", np.zeros((2, 3, 4)))
    args = ("-q", "-o", "out.png", "-f", "--size", "256", "--memory", "16M")
    base = peak_memory("view", "small.npy", *args, cwd=tmp_path)
    peak = peak_memory("view", "x.npy", *args, cwd=tmp_path)
    assert peak - base < 24 * MEBIBYTE


def test_a_picture_that_does_not_fit_the_memory_is_refused(tmp_path: Path):
    np.save(tmp_path / "x.npy", RAMP)
    done = onebyone(
        "view", "x.npy", "-o", "out.png", "--size", "9999", "--memory", "64M", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "give a smaller --size or a larger --memory" in done.stderr
    assert files_in(tmp_path) == ["x.npy"]


# -------------------------------------------------------------------------------------- terminals


def on_terminal(work: Path, *args: str, **env: str) -> str:
    """What a run shows on a terminal of 80×24."""
    with Terminal() as terminal:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(terminal.near, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        surroundings = environment(TERM="xterm-256color", **env)
        del surroundings["COLUMNS"]
        process = start("view", *args, cwd=work, env=surroundings, stdout=terminal.near)
        assert process.wait() == 0
        assert process.stderr is not None
        process.stderr.close()
        return terminal.shown().decode().replace("\r\n", "\n")


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture
def flower(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    np.save(tmp_path / "x.npy", rng.random((7, 120, 160), np.float32))
    return tmp_path


@pytest.mark.parametrize("more", [[], ["--rgb", "0,1,2"], ["--channel", "3"], ["--pca"]])
def test_a_picture_fits_the_terminal(more: list[str], flower: Path):
    lines = bare(on_terminal(flower, "x.npy", *more)).splitlines()
    assert 15 <= len(lines) <= 22
    assert 50 <= max(map(len, lines)) <= 80


def test_colours_are_what_the_terminal_says(flower: Path):
    shown = on_terminal(flower, "x.npy", COLORTERM="truecolor")
    assert "\x1b[38;2;" in shown
    shown = on_terminal(flower, "x.npy")
    assert ";5;" in shown
    assert ";2;" not in shown


@pytest.mark.parametrize(
    "env", [{"NO_COLOR": "1"}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}]
)
def test_without_colours_there_is_plain_text(env: dict[str, str], flower: Path):
    shown = on_terminal(flower, "x.npy", **env)
    assert shown.isascii()
    assert "\x1b" not in shown
    assert len(shown.splitlines()) <= 22


def test_a_png_is_not_thrown_at_a_terminal(flower: Path):
    with Terminal() as terminal:
        process = start("view", "x.npy", "-o", "-", cwd=flower, stdout=terminal.near)
        _, stderr = process.communicate()
        assert process.returncode == 2
        assert b"a PNG is binary" in stderr
        assert terminal.shown() == b""


def tmux(socket: Path, *args: str, **env: str) -> str:
    done = subprocess.run(
        ["tmux", "-S", str(socket), "-f", os.devnull, *args],
        env=environment(**env),
        capture_output=True,
        check=True,
        timeout=30,
    )
    return done.stdout.decode()


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_real_terminal_shows_the_pixels(tmp_path: Path):
    """What tmux has understood of the text is what was in the file."""
    rng = np.random.default_rng(2)
    stack = rng.integers(0, 256, (3, 40, 60), np.uint8)
    np.save(tmp_path / "x.npy", stack)
    command = "onebyone view x.npy --rgb 0,1,2 --scale 0,255 2> told; touch done; sleep 60"
    socket = tmp_path / "s"
    surroundings = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    new = ("new-session", "-d", "-x", "80", "-y", "24", "-c", str(tmp_path))
    path = f"PATH={BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    # tmux sets the size of the window; COLUMNS would hide it.
    tmux(socket, *new, "-e", path, f"env -u COLUMNS sh -c '{command}'", **surroundings)
    try:
        end = time.monotonic() + 30
        while not (tmp_path / "done").exists() and time.monotonic() < end:
            time.sleep(0.05)
        assert (tmp_path / "told").read_text().startswith("x.npy: 3×40×60; red 0, green 1, blue 2")
        shown = tmux(socket, "capture-pane", "-e", "-p")
    finally:
        tmux(socket, "kill-server")
    lines = shown.rstrip("\n").split("\n")[:20]
    np.testing.assert_array_equal(decoded(lines, 60), np.moveaxis(stack, 0, -1))


def decoded(lines: list[str], width: int) -> np.ndarray[Any, Any]:
    """Pixels of half blocks in 24-bit colours; tmux lets colours last from line to line."""
    rgb = np.zeros((2 * len(lines), width, 3), int)
    now: list[tuple[int, ...]] = [PALETTE_16[0], PALETTE_16[0]]
    for row, line in enumerate(lines):
        column = 0
        for codes, character in re.findall(r"\x1b\[([0-9;]*)m|(.)", line):
            for layer, *colour in re.findall(r"([34])8;2;(\d+);(\d+);(\d+)", codes):
                now[layer == "4"] = tuple(map(int, colour))
            if character == "▀":
                rgb[2 * row, column], rgb[2 * row + 1, column] = now
                column += 1
        assert column == width
    return rgb


# -------------------------------------------------------------------------------------- numbers


def test_numbers_are_printed_as_they_are(tmp_path: Path):
    stack = np.array([[[1, 0.1], [-2e20, np.nan]], [[123456789, 0], [1, 2]]])
    np.save(tmp_path / "x.npy", stack)
    done = onebyone("view", "x.npy", "--numbers", cwd=tmp_path)
    lines = done.stdout.decode().splitlines()
    assert lines[:3] == ["0", "        1        0.1", "   -2e+20        nan"]
    assert lines[4].split() == ["123456789", "0"]
    assert done.stderr == "x.npy: 2×2×2; 2 channels\n"
    printed = np.array([line.split() for line in (*lines[1:3], *lines[4:])], float)
    np.testing.assert_array_equal(printed.reshape(2, 2, 2), stack)


def test_numbers_have_every_pixel_of_a_wide_stack(tmp_path: Path):
    stack = np.arange(4 * 7 * 90, dtype=np.int16).reshape(4, 7, 90)
    np.save(tmp_path / "x.npy", stack)
    done = onebyone("view", "x.npy", "--numbers", "--json", cwd=tmp_path)
    assert np.array_equal(json.loads(done.stdout)["numbers"], stack)
    one = onebyone("view", "x.npy", "--numbers", "--channel", "2", cwd=tmp_path)
    assert np.array_equal(np.loadtxt(one.stdout.splitlines()), stack[2])


@pytest.mark.parametrize("more", [["--rgb", "0,0,0"], ["--size", "9"], ["-o", "x.png"]])
def test_numbers_are_no_picture(more: list[str], tmp_path: Path):
    np.save(tmp_path / "x.npy", RAMP)
    done = onebyone("view", "x.npy", "--numbers", *more, cwd=tmp_path)
    assert done.returncode == 2
    assert "--numbers prints" in done.stderr
    assert (done.stdout, files_in(tmp_path)) == (b"", ["x.npy"])


def test_too_many_numbers_are_refused(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.zeros((3, 60, 60), np.uint8))
    done = onebyone("view", "x.npy", "--numbers", cwd=tmp_path)
    assert done.returncode == 2
    assert "has 10800 (3×60×60); choose channels with --channels" in done.stderr
    assert onebyone("view", "x.npy", "--numbers", "--channels", "0:2", cwd=tmp_path).stdout
