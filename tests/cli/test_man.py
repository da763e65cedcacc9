"""``onebyone man`` shows what man would."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from command import PROGRAM, Terminal, environment, onebyone, run

from onebyone_cli.cli.manual import all_pages

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "man").glob("*.1"))


def test_every_command_has_its_page(tmp_path: Path) -> None:
    for page in all_pages():
        words = page.path[1:]
        done = onebyone("man", *words, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == onebyone(*words, "--help", cwd=tmp_path).stdout


def test_on_a_terminal_man_shows_it(tmp_path: Path) -> None:
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    viewer = bin_ / "man"
    viewer.write_text('#!/bin/sh\necho "man was given $1"\nexit 3\n')
    viewer.chmod(0o755)
    env = environment(PATH=f"{bin_}{os.pathsep}{environment()['PATH']}")
    with Terminal() as terminal:
        process = subprocess.run(
            [PROGRAM, "man", "fit"], cwd=tmp_path, env=env, stdout=terminal.near, check=False
        )
        shown = terminal.shown()
    assert process.returncode == 3  # man's own
    assert b"man was given " in shown
    assert b"/onebyone-fit.1" in shown
    # No pager where nobody is watching.
    assert b"man was given" not in run([PROGRAM, "man", "fit"], cwd=tmp_path, env=env).stdout


def test_a_terminal_without_man_gets_plain_text(tmp_path: Path) -> None:
    env = environment(PATH=str(tmp_path))
    with Terminal() as terminal:
        subprocess.run(
            [PROGRAM, "man", "fit"], cwd=tmp_path, env=env, stdout=terminal.near, check=True
        )
        assert b"Usage: onebyone fit " in terminal.shown()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with our wheel, and the libraries of this one."""
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    folder = tmp_path_factory.mktemp("installed")
    (built,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", *options, built]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip can't install here: {done.stderr}")
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    libraries = [path for path in sys.path if path.endswith("-packages")]
    (packages / "libraries.pth").write_text("\n".join(libraries))
    return folder / "env"


def test_man_finds_the_pages_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    folder = installed / "share" / "man"
    assert sorted(path.name for path in (folder / "man1").iterdir()) == [p.name for p in PAGES]
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    env = environment(MANPAGER="cat", MANWIDTH="78")
    done = run(["man", "-M", str(folder), "onebyone-apply"], cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert "onebyone-apply - apply a 1x1 convolution" in done.stdout.decode()
    # man looks beside every folder of PATH by itself.
    path = f"{installed / 'bin'}{os.pathsep}{os.environ['PATH']}"
    where = run(["man", "-w", "onebyone-apply"], cwd=tmp_path, env={**env, "PATH": path})
    if where.returncode == 0:
        assert where.stdout.decode().strip() == str(folder / "man1" / "onebyone-apply.1")


def test_the_installed_program_shows_its_own_pages(installed: Path, tmp_path: Path) -> None:
    done = run([str(installed / "bin" / "onebyone"), "man", "fit"], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(b"Usage: onebyone fit ")
