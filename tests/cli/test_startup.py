"""What is imported when: help, version and completion must not wait for numpy.

Looked at in fresh interpreters, since the tests themselves have long imported everything.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from command import PROGRAM, TAKEN, environment

HEAVY = {"numpy", "h5py", "PIL", "rich", "distributed"}

#: Runs the program in this interpreter; it says on descriptor 3 what was imported by its end. The
#: program leaves by ``os._exit``, which nothing but this can see.
_PROBE = """
import json, os, sys

real = os._exit

def leave(status):
    with os.fdopen(3, "w") as report:
        json.dump([name for name, module in sys.modules.items() if module], report)
    real(status)

os._exit = leave
sys.argv[0] = "onebyone"
from onebyone_cli.__main__ import main
main()
"""


def imported_by(
    args: list[str], work: Path, env: Mapping[str, str] | None = None
) -> tuple[set[str], str]:
    """Run the program and give the modules it imported, and its standard output."""
    report = work / "report.json"
    line = f'exec "$0" "$@" 3> {report.name}'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, "-c", _PROBE, *args],
        cwd=work,
        env=environment(**(env or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(report.read_text())), done.stdout


@pytest.mark.parametrize(
    "args",
    [
        ["--version"],
        ["--help"],
        ["-h"],
        ["apply", "--help"],
        ["view", "-h"],
        ["compare", "--help"],
        ["weights", "--help"],
        ["weights", "new", "--help"],
    ],
)
def test_help_is_light(args: list[str], tmp_path: Path) -> None:
    modules, shown = imported_by(args, tmp_path)
    assert not modules & HEAVY
    assert "onebyone" in shown


def test_naming_kernels_is_light(tmp_path: Path) -> None:
    modules, shown = imported_by(["weights", "new", "--list"], tmp_path)
    assert not modules & HEAVY
    assert "tasselled-cap-oli" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("onebyone app", "apply"),
        ("onebyone apply --ker", "--kernel"),
        ("onebyone weights sh", "show"),
    ],
)
def test_completion_is_light(shell: str, typed: str, expected: str, tmp_path: Path) -> None:
    env = {
        "_ONEBYONE_COMPLETE": f"complete_{shell}",
        # bash says what was typed in one way, the others in another.
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": typed.rsplit(maxsplit=1)[-1],
    }
    modules, shown = imported_by([], tmp_path, env)
    assert not modules & HEAVY
    assert expected in shown


def test_the_installed_command_is_light(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, "--version"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in modules
    assert not modules & HEAVY


@pytest.mark.parametrize("more", [[], ["--json", "--dry-run"], ["-v", "--progress"]])
def test_arrays_need_neither_hdf5_nor_images(more: list[str], tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", np.zeros((2, 3, 4)))
    args = ["apply", "stack.npy", "--kernel", "1 1", "-o", "out.npy", *more]
    modules, _ = imported_by(args, tmp_path)
    assert "numpy" in modules
    assert not modules & (HEAVY - {"numpy"})


@pytest.mark.parametrize(
    "args",
    [
        ["info", "stack.npy"],
        ["info", "--json", "stack.npy"],
        ["info", "--get", "channels", "stack.npy", "stack.npy"],
        ["cost", "-c", "50", "-k", "20", "-s", "600x600"],
        ["cost", "stack.npy", "-k", "20", "--json"],
        ["man", "apply"],
    ],
)
def test_headers_need_no_numpy(args: list[str], tmp_path: Path) -> None:
    np.save(tmp_path / "stack.npy", np.zeros((2, 3, 4)))
    modules, shown = imported_by(args, tmp_path)
    assert not modules & HEAVY
    assert shown


def test_hdf5_needs_no_images(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file["stack"] = np.zeros((2, 3, 4))
    args = ["apply", "stack.h5", "--kernel", "1 1", "-o", "out.h5"]
    modules, _ = imported_by(args, tmp_path)
    assert not modules & {"PIL", "rich"}


def test_images_need_no_hdf5(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / "map.png")
    args = ["apply", "map.png", "--kernel", "1", "--dtype", "uint8", "-o", "out.png"]
    modules, _ = imported_by(args, tmp_path)
    assert not modules & {"h5py", "rich"}


def test_data_beside_the_program_is_not_imported(tmp_path: Path) -> None:
    # A folder of data may hold a numpy.py that somebody else put there.
    np.save(tmp_path / "stack.npy", np.zeros((2, 3, 4)))
    (tmp_path / "numpy.py").write_text("raise SystemExit('the folder was searched for modules')")
    done = subprocess.run(
        [PROGRAM, "apply", "stack.npy", "--kernel", "1 1", "-o", "out.npy"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, TAKEN.sub("", done.stderr)) == (0, "out.npy: 1×3×4 float64\n")
