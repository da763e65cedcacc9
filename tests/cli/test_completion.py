"""Names of datasets at a Tab, in the shells themselves."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import PROGRAM, environment, run
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.cli.manual import all_pages
from onebyone_cli.cli.terminal.completion import offer_datasets

#: A shell that has not answered by then hangs.
DEADLINE_S = 60.0


@pytest.fixture
def work(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "cube.h5", "w") as file:
        file["radiance"] = np.zeros((2, 3, 4), "f4")
        file["geo/lat"] = np.zeros((3, 4))
        file["with space"] = np.zeros((3, 4))
        file["a line"] = np.zeros(4)  # no stack
    shutil.copy(tmp_path / "cube.h5", tmp_path / "my cube.h5")
    (tmp_path / "broken.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\xff" * 600)
    (tmp_path / "folder.h5").mkdir()
    os.mkfifo(tmp_path / "pipe.h5")
    np.save(tmp_path / "stack.npy", np.zeros((2, 3, 4)))
    return tmp_path


def need(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")


def script(shell: str, folder: Path) -> Path:
    """Write what ``--install-completion`` installs for a shell."""
    env = environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1", HOME=str(folder))
    done = run([PROGRAM, "--show-completion", shell], cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    path = folder / f"completion.{shell}"
    path.write_bytes(done.stdout)
    return path


class Typist:
    """Somebody at a terminal in which a shell runs."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self.seen = ""

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def wait_for(self, pattern: str) -> str:
        """Wait until what is shown matches, and give all of it since the last time."""
        end = time.monotonic() + DEADLINE_S
        while not re.search(pattern, self.seen, re.DOTALL):
            assert time.monotonic() < end, self.seen
            if select.select([self._terminal], [], [], 0.5)[0]:
                self.seen += os.read(self._terminal, 65536).decode(errors="replace")
        seen, self.seen = self.seen, ""
        return seen


@contextmanager
def typing(command: list[str], work: Path, setup: str) -> Iterator[Typist]:
    """Start a shell in a terminal, with completion set up."""
    near, far = pty.openpty()
    env = environment(HOME=str(work), PS1="ready> ", TERM="xterm", HISTFILE="")
    process = subprocess.Popen(
        command, cwd=work, env=env, stdin=far, stdout=far, stderr=far, start_new_session=True
    )
    os.close(far)
    typist = Typist(near)
    try:
        typist.type(f"{setup}; PS1='now> '; echo set''up\n")
        typist.wait_for("setup\r.*now> ")
        yield typist
    finally:
        process.kill()
        process.wait()
        os.close(near)


def typed_in(shell: str, keys: str, work: Path) -> list[str]:
    """Type the beginning of a command and Tab, and give the words that the shell has then."""
    need(shell)
    path = script(shell, work)
    command, setup = {
        "bash": (["bash", "--norc", "-i"], f"source '{path}'"),
        "zsh": (["zsh", "-f", "-i"], f"autoload -Uz compinit; compinit -u -D; source '{path}'"),
    }[shell]
    with typing(command, work, setup) as typist:
        # Ctrl-A and Ctrl-E go to either end of the line: in place of running, it is shown.
        typist.type(f"{keys}\t\x01printf '<%s>' \x05 END\n")
        shown = typist.wait_for("<END>")
    return re.findall("<([^<>%]*)>", shown)[:-1]


def offered_in_fish(typed: str, work: Path) -> list[str]:
    """Ask fish what it would offer."""
    need("fish")
    path = script("fish", work)
    ask = "source $argv[1]; complete --do-complete $argv[2]"
    env = environment(HOME=str(work), XDG_CONFIG_HOME=str(work / "config"))
    done = run(["fish", "--no-config", "-c", ask, str(path), typed], cwd=work, env=env)
    assert done.stderr == ""
    return sorted(line.split("\t")[0] for line in done.stdout.decode().splitlines())


TYPED = [
    ("cube.h5:/ra", "cube.h5:/radiance"),
    ("cube.h5:ra", "cube.h5:radiance"),
    ("cube.h5:/geo", "cube.h5:/geo/lat"),
    ("./cube.h5:/w", "./cube.h5:/with space"),
    ("my\\ cube.h5:/ra", "my cube.h5:/radiance"),
    ('"my cube.h5:/w', "my cube.h5:/with space"),
    ("sta", "stack.npy"),
]


@pytest.mark.parametrize(("keys", "expected"), TYPED)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_tab_completes_datasets_and_files(
    shell: str, keys: str, expected: str, work: Path
) -> None:
    assert typed_in(shell, f"onebyone apply {keys}", work) == ["onebyone", "apply", expected]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize("keys", ["~/cube.h5:/ra", "-w w.npy -o out.h5 cube.h5:/ra"])
def test_a_tab_completes_wherever_an_input_may_stand(shell: str, keys: str, work: Path) -> None:
    last = typed_in(shell, f"onebyone apply {keys}", work)[-1]
    assert last == keys.rsplit(maxsplit=1)[-1].replace("~", str(work)) + "diance"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize("name", ["broken", "folder", "pipe", "missing"])
def test_what_can_not_be_read_offers_and_says_nothing(shell: str, name: str, work: Path) -> None:
    assert typed_in(shell, f"onebyone apply {name}.h5:/x", work)[-1] == f"{name}.h5:/x"


def test_fish_offers_datasets_and_files(work: Path) -> None:
    every = ["cube.h5:/geo/lat", "cube.h5:/radiance", "cube.h5:/with space"]
    assert offered_in_fish("onebyone apply cube.h5:", work) == every
    assert offered_in_fish("onebyone apply cube.h5:/ra", work) == ["cube.h5:/radiance"]
    assert offered_in_fish("onebyone apply my\\ cube.h5:/ra", work) == ["my cube.h5:/radiance"]
    assert offered_in_fish("onebyone apply stac", work) == ["stack.npy"]
    assert offered_in_fish("onebyone appl", work) == ["apply"]
    for name in ("broken", "folder", "pipe", "missing"):
        assert offered_in_fish(f"onebyone apply {name}.h5:/x", work) == []


# ------------------------------------------------------------------------- the answers themselves


def asked_by_bash(words: list[str], at: int) -> dict[str, str]:
    names = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(at)}
    return {"_ONEBYONE_COMPLETE": "complete_bash", **names}


def asked_by(shell: str, line: str) -> dict[str, str]:
    action = {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    return {"_ONEBYONE_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": line, **action}


def test_bash_without_colons_between_words_gets_whole_ones(work: Path) -> None:
    path = f"{work}/cube.h5"
    words = ["onebyone", "apply", f"{path}:/ra"]
    assert offer_datasets(asked_by_bash(words, 2)) == f"{path}:/radiance"
    words = ["onebyone", "apply", path, ":", "/ra"]
    assert offer_datasets(asked_by_bash(words, 4)) == "/radiance"


def test_a_colon_in_a_name_is_only_a_colon(work: Path) -> None:
    with h5py.File(work / "t=1:2.h5", "w") as file:
        file["a:b"] = np.zeros((2, 3))
    path = f"{work}/t=1:2.h5"
    assert offer_datasets(asked_by("fish", f"onebyone apply {path}:/a:")) == f"{path}:/a:b"
    zsh = offer_datasets(asked_by("zsh", f"onebyone apply {path}:/a:"))
    assert zsh == "compset -P '*:' && compadd -- b"


def test_names_that_would_be_commands_are_quoted(work: Path) -> None:
    with h5py.File(work / "hostile.h5", "w") as file:
        for name in ("$(touch bad)", "`id`", "a'b", "a\x1b[31m", "a\nb", ";ls"):
            file[name] = np.zeros((2, 3))
    line = f"onebyone apply {work}/hostile.h5:"
    asked = asked_by("zsh", line)
    text = offer_datasets(asked)
    assert text is not None
    words = ["/$(touch bad)", "/;ls", "/`id`", "/a'b"]  # none that writes to a terminal
    done = run(
        ["bash", "-c", f"compset() {{ :; }}; compadd() {{ printf '%s\\n' \"$@\"; }}; {text}"],
        cwd=work,
    )
    assert done.stdout.decode().splitlines() == ["--", *words]
    in_bash = offer_datasets(asked_by_bash(["onebyone", "apply", f"{work}/hostile.h5", ":"], 3))
    done = run(
        ["bash", "-c", "\n".join(f"printf '%s\\n' {word}" for word in str(in_bash).splitlines())],
        cwd=work,
    )
    assert done.stdout.decode().splitlines() == words
    assert not (work / "bad").exists()


@given(st.text(max_size=30), st.integers(-2, 9), st.sampled_from(["bash", "zsh", "fish", "odd"]))
def test_whatever_is_typed_nothing_is_raised(text: str, at: int, shell: str) -> None:
    typed = {"COMP_WORDS": text, "COMP_CWORD": str(at), "_TYPER_COMPLETE_ARGS": text}
    assert offer_datasets({"_ONEBYONE_COMPLETE": f"complete_{shell}", **typed}) is None


@given(st.binary(max_size=400))
def test_a_file_of_anything_offers_nothing(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    path = tmp_path_factory.mktemp("noise") / "noise.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + noise)
    assert offer_datasets(asked_by("fish", f"onebyone apply {path}:")) is None


def offered(line: str, work: Path) -> list[str]:
    """What bash is offered at the end of a line."""
    words = line.split(" ")
    env = environment(
        _ONEBYONE_COMPLETE="complete_bash",
        COMP_WORDS="\n".join(words),
        COMP_CWORD=str(len(words) - 1),
    )
    done = run([PROGRAM], cwd=work, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.decode().splitlines()


def options_with_lists() -> Iterator[tuple[str, str, list[str]]]:
    for page in all_pages():
        for record in page.records:
            if record.flags and record.offered():
                yield " ".join(page.path), record.flags[-1], list(record.offered())


@pytest.mark.parametrize(("command", "flag", "values"), list(options_with_lists()))
def test_values_of_options(command: str, flag: str, values: list[str], tmp_path: Path) -> None:
    assert offered(f"{command} {flag} ", tmp_path) == values
    first = values[0]
    fitting = [value for value in values if value.startswith(first)]
    assert offered(f"{command} {flag} {first}", tmp_path) == fitting


def test_kinds_of_weights(tmp_path: Path) -> None:
    kinds = offered("onebyone weights new ", tmp_path)
    assert {"identity", "standardize", "grey-709", "tasselled-cap-oli"} <= set(kinds)
    assert offered("onebyone weights new grey-7", tmp_path) == ["grey-709"]


def test_pages_of_the_manual(tmp_path: Path) -> None:
    assert offered("onebyone man re", tmp_path) == ["reduce"]
