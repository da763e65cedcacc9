"""``onebyone man`` shows what man would."""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from command import PROGRAM, Terminal, environment, onebyone, run

from onebyone_cli import cli
from onebyone_cli.cli.commands import weights
from onebyone_cli.cli.terminal.man_text import plain_text

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "man").glob("*.1"))


def letters(text: str) -> str:
    """What is said, whatever the lines, which mandoc breaks at hyphens, and the fonts."""
    return "".join(re.sub(".\x08", "", text).replace("‐", "-").split())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_plain_text_says_what_mandoc_shows(path: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    command = ["mandoc", "-T", "utf8", "-O", "width=78", str(path)]
    shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    body = shown.split("\n", 1)[1].rstrip().rsplit("\n", 1)[0]  # without header and footer
    assert letters(plain_text(path.read_text())) == letters(body)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
@pytest.mark.parametrize("columns", [78, 60])
def test_lines_fit(path: Path, columns: int) -> None:
    text = plain_text(path.read_text(), columns)
    examples = text.partition("\nEXAMPLES\n")[2].partition("\nSEE ALSO")[0]
    long = [line for line in text.splitlines() if len(line) > columns]
    # Terms and examples are not broken.
    assert [line for line in long if line.startswith(" " * 14) and line not in examples] == []
    assert "\n\n\n" not in text
    assert "\\" not in text.replace(" \\\n", "").replace("\\n", "")


def test_requests_that_are_not_known_are_not_passed_over() -> None:
    with pytest.raises(ValueError, match="nf"):
        plain_text(".SH NAME\nx\n.nf\ny\n")


def test_every_command_has_its_page(tmp_path: Path) -> None:
    below = [["weights", name] for name in weights.NAMES]
    for words in ([], *([name] for name in cli.NAMES), *below):
        done = onebyone("man", *words, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        page = "-".join(["onebyone", *words])
        assert f"\n       {page} - " in done.stdout.decode()


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
        assert b"onebyone-fit - " in terminal.shown()


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
    (installed / "share/man/man1/onebyone-fit.1").write_text(".SH NAME\nour own\n")
    done = run([str(installed / "bin" / "onebyone"), "man", "fit"], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.decode() == "NAME\n       our own\n"
    (installed / "share/man/man1/onebyone-fit.1").unlink()
    done = run([str(installed / "bin" / "onebyone"), "man", "fit"], cwd=tmp_path)
    assert done.returncode == 66
    assert done.stderr.startswith("onebyone: onebyone-fit.1: the man pages are not there;")
