"""What users of ``fit``, ``reduce`` and ``stats`` see that a golden case can't show."""

import io
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from command import (
    PROGRAM,
    TAKEN,
    Completed,
    Terminal,
    environment,
    files_in,
    onebyone,
    shell,
    start,
)
from PIL import Image

from onebyone_cli.npy_header import format_header

#: Orthogonal patterns with variances 4 and 1; the mean is the last pixel.
PATTERNS = [[[2, -2, 2, -2, 0]], [[1, 1, -1, -1, 0]]]
STACK = np.array(PATTERNS, np.float32)

FIT = ("fit", "stack.npy", "-k", "1", "-o", "model.npz")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Make a folder with a small stack, where nothing else may appear unasked."""
    np.save(tmp_path / "stack.npy", STACK)
    return tmp_path


def on_a_terminal(stream: str, *args: str, cwd: Path, **env: str) -> str:
    """Run with one standard stream on a terminal, and give what is seen there."""
    with Terminal() as terminal:
        with os.fdopen(os.dup(terminal.near), "wb") as shown:
            done = subprocess.run(
                [PROGRAM, *args],
                cwd=cwd,
                env=environment(**env),
                stdin=subprocess.DEVNULL,
                check=False,
                **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: shown},
            )
        seen = terminal.shown().decode()
    assert done.returncode == 0, seen
    return TAKEN.sub("", seen.replace("\r\n", "\n"))


# Tables

PLAIN = {
    "stderr": """\
component  eigenvalue   share  cumulative
        0           4  80.00%      80.00%
model.npz: 2 channels to 1, learned from 5 pixels
""",
    "stdout": """\
channel  valid  min  max  mean  sd
      0      5   -2    2     0   2
      1      5   -1    1     0   1
""",
}
DRAWN = {
    "stderr": """\
component   eigenvalue    share   cumulative
────────────────────────────────────────────
        0            4   80.00%       80.00%
model.npz: 2 channels to 1, learned from 5 pixels
""",
    "stdout": """\
channel   valid   min   max   mean   sd
───────────────────────────────────────
      0       5    -2     2      0    2
      1       5    -1     1      0    1
""",
}
SHOWING = {"stderr": FIT, "stdout": ("stats", "stack.npy")}


@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_a_table_is_drawn_on_a_terminal(stream: str, work: Path) -> None:
    seen = on_a_terminal(stream, *SHOWING[stream], cwd=work, TERM="xterm-256color")
    assert "\x1b[1m" in seen  # the heading
    seen = on_a_terminal(stream, *SHOWING[stream], "-f", cwd=work, TERM="xterm", NO_COLOR="1")
    assert seen == DRAWN[stream]


@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_a_table_is_plain_elsewhere(stream: str, work: Path) -> None:
    assert on_a_terminal(stream, *SHOWING[stream], cwd=work, TERM="dumb") == PLAIN[stream]
    done = onebyone(*SHOWING[stream], "-f", cwd=work, env=environment(TERM="xterm-256color"))
    assert PLAIN[stream] in (done.stdout.decode(), TAKEN.sub("", done.stderr))


def test_numbers_stay_whole_on_a_narrow_terminal(work: Path) -> None:
    env = {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "20"}
    assert on_a_terminal("stdout", *SHOWING["stdout"], cwd=work, **env) == DRAWN["stdout"]


def test_names_of_channels_are_only_names(work: Path) -> None:
    (work / "bands").mkdir()
    for name in (":smile:", "[bold]x", "\x1b[31m"):
        Image.fromarray(np.eye(3, dtype=np.uint8)).save(work / "bands" / f"{name}.png")
    env = {"TERM": "xterm", "NO_COLOR": "1"}
    seen = on_a_terminal("stdout", "stats", "bands", cwd=work, **env)
    assert "\x1b" not in seen
    assert all(name in seen for name in (":smile:", "[bold]x", r"\x1b[31m"))


# Pipes


def test_a_pipe_one_byte_at_a_time(work: Path) -> None:
    args = ("reduce", "-", "-k", "1", "-o", "-")
    process = start(*args, cwd=work, stdin=subprocess.PIPE)
    assert process.stdin is not None
    for value in (work / "stack.npy").read_bytes():
        process.stdin.write(bytes([value]))
        process.stdin.flush()
        time.sleep(0.001)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert np.array_equal(np.load(io.BytesIO(out)), STACK[:1])


@pytest.mark.parametrize("option", ["--mask", "--labels"])
def test_a_map_from_a_named_pipe(option: str, work: Path) -> None:
    # It is opened once, though it is needed for checking and for learning: a second time would
    # wait for ever.
    np.save(work / "map.npy", np.array([[1, 1, 2, 2, 0]], np.uint8))
    os.mkfifo(work / "pipe")
    args = ["reduce", "stack.npy", "-k", "1", "-q"]
    args += ["--method", "lda"] if option == "--labels" else []
    piped = shell(
        'cat map.npy > pipe & exec "$0" "$@"', *args, option, "pipe", "-o", "a.npy", cwd=work
    )
    named = onebyone(*args, option, "map.npy", "-o", "b.npy", cwd=work)
    assert piped == named
    assert (work / "a.npy").exists() == (work / "b.npy").exists() == (named.returncode == 0)


# Scree plots

BEGINNINGS = {"scree.png": b"\x89PNG\r\n\x1a\n", "scree.svg": b"<?xml version="}


def test_a_plot_is_the_same_every_time(work: Path) -> None:
    pytest.importorskip("matplotlib")
    plots: dict[str, list[bytes]] = {name: [] for name in BEGINNINGS}
    for home in ("a", "b"):
        (work / home).mkdir()  # in a new one matplotlib takes seconds to look at all fonts
        env = environment(HOME=str(work / home))
        for name in BEGINNINGS:
            done = onebyone(*FIT, "--plot", name, "-q", "-f", cwd=work, env=env)
            assert (done.returncode, done.stdout, done.stderr) == (0, b"", "")
            plots[name].append((work / name).read_bytes())
    for name, (first, second) in plots.items():
        assert first.startswith(BEGINNINGS[name])
        assert first == second


def test_a_plot_without_a_home(work: Path) -> None:
    # matplotlib wants a place for its cache; where there is none it makes one and talks about it.
    pytest.importorskip("matplotlib")
    (work / "tmp").mkdir()
    env = environment(HOME="/dev/null/home", TMPDIR=str(work / "tmp"))
    done = onebyone(*FIT, "--plot", "scree.png", "-q", cwd=work, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert files_in(work) == ["model.npz", "scree.png", "stack.npy"]
    assert not list((work / "tmp").iterdir())


# Optional libraries

#: Makes imports of the modules named in ``MISSING`` fail, and notes which modules were imported.
_SITE = """
import os, sys
for name in os.environ.get("MISSING", "").split():
    sys.modules[name] = None
leave = os._exit
def note(status):
    with open(os.environ["IMPORTED"], "w") as file:
        file.write(" ".join(name for name, module in sys.modules.items() if module))
    leave(status)
os._exit = note
"""


def run_noting_imports(*args: str, work: Path, missing: str = "") -> tuple[Completed, set[str]]:
    site = work.parent / f"{work.name}-site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(_SITE)
    noted = site / "imported"
    env = environment(PYTHONPATH=str(site), MISSING=missing, IMPORTED=str(noted))
    done = onebyone(*args, cwd=work, env=env)
    return done, set(noted.read_text().split())


@pytest.mark.parametrize(
    "args",
    [
        FIT,
        ("reduce", "stack.npy", "-k", "1", "-o", "out.npy", "--residual", "rest.npy"),
        ("stats", "stack.npy", "-o", "part.npz"),
        ("fit", "stack.npy", "--method", "random", "-k", "3", "-o", "model.npz"),
    ],
    ids=["fit", "reduce", "stats", "random"],
)
def test_optional_libraries_are_left_alone(args: tuple[str, ...], work: Path) -> None:
    done, imported = run_noting_imports(*args, work=work)
    assert done.returncode == 0
    assert "numpy" in imported
    assert not imported & {"matplotlib", "sklearn", "scipy", "rich", "h5py", "PIL"}


@pytest.mark.parametrize(
    ("library", "option"), [("matplotlib", "--plot=scree.png"), ("sklearn", "--method=ica")]
)
@pytest.mark.parametrize("command", ["fit", "reduce"])
def test_a_library_is_missed_before_anything_is_read(
    library: str, option: str, command: str, work: Path
) -> None:
    # A hole of 180 GB, which would take minutes to read.
    (work / "stack.npy").write_bytes(format_header((2, 300_000, 300_000), "uint8"))
    os.truncate(work / "stack.npy", 128 + 2 * 300_000**2)
    output = "model.npz" if command == "fit" else "/dev/null"
    args = (command, "stack.npy", "-k", "1", "-o", output, option)
    done, _ = run_noting_imports(*args, work=work, missing=library)
    assert done.returncode == 69
    assert done.stderr.startswith("onebyone: ")
    assert done.stderr.count("\n") == 1
    assert "pip install 'onebyone-cli[" in done.stderr
    assert files_in(work) == ["stack.npy"]
