"""What makes `onebyone` a good step of a build: depfiles, and outputs that keep their time."""

import contextlib
import os
import re
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from command import Completed, onebyone, run
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from strategies import examples, new_folder

from onebyone_cli.errors import UsageError
from onebyone_cli.operations.depfile import DepFile

LONG_AGO = 1_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stack of every kind, two channels of 3×4 each, with numbers that differ."""
    numbers = np.random.default_rng(5)
    np.save(tmp_path / "a.npy", numbers.random((2, 3, 4), np.float32))
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["cube"] = numbers.random((2, 3, 4), np.float32)
    (tmp_path / "images").mkdir()
    for name in ("0.png", "1.png"):
        image = Image.fromarray(numbers.integers(0, 255, (3, 4), np.uint8))
        image.save(tmp_path / "images" / name)
    np.save(tmp_path / "mask.npy", np.ones((1, 3, 4), np.uint8))
    np.savetxt(tmp_path / "w.csv", np.ones((2, 6)), delimiter=",")
    np.savetxt(tmp_path / "bias.csv", [1, 2], delimiter=",")
    return tmp_path


def done(*args: str, cwd: Path, input: bytes = b"") -> Completed:
    """Run a command that must succeed."""
    completed = onebyone(*args, cwd=cwd, input=input)
    assert completed.returncode == 0, completed.stderr
    return completed


def refused(*args: str, cwd: Path) -> tuple[int, str]:
    """Run a command that must fail with one line."""
    completed = onebyone(*args, cwd=cwd)
    assert completed.stderr.count("\n") == 1, completed.stderr
    return completed.returncode, completed.stderr


def age(path: Path) -> None:
    """Make a file, or a folder and all that is in it, look old."""
    for each in [*path.glob("*"), path]:
        os.utime(each, (LONG_AGO, LONG_AGO))


def is_old(path: Path) -> bool:
    return path.stat().st_mtime == LONG_AGO


# -------------------------------------------------------------------------------- depfiles


def rule_in(depfile: Path) -> tuple[str, list[str]]:
    """Read a depfile: its target and the files it depends on, each of which has an empty rule."""
    rule, *empty = depfile.read_text().replace(" \\\n", "").split("\n\n")
    target, _, names = rule.partition(": ")
    files = names.split()
    assert [line.strip() for line in empty] == [f"{name}:" for name in files]
    return target, files


def test_the_depfile_names_everything_that_apply_reads(folder: Path) -> None:
    inputs = ["a.npy", "b.h5:/cube", "images"]
    more = ["-w", "w.csv", "--bias", "bias.csv", "-o", "out.h5:/result", "--depfile", "out.d"]
    done("apply", *inputs, *more, cwd=folder)
    read = ["a.npy", "b.h5", "images", "images/0.png", "images/1.png", "w.csv", "bias.csv"]
    assert rule_in(folder / "out.d") == ("out.h5", read)


def test_the_depfile_names_everything_that_is_learned_from(folder: Path) -> None:
    more = ["--method", "mnf", "--noise-from", "images", "-k", "1", "--mask", "mask.npy"]
    done("fit", "a.npy", *more, "-o", "m.npz", "--depfile", "m.d", cwd=folder)
    read = ["a.npy", "images", "images/0.png", "images/1.png", "mask.npy"]
    assert rule_in(folder / "m.d") == ("m.npz", read)
    done("reduce", "images", "-k", "1", "-o", "r.npy", "--depfile", "r.d", cwd=folder)
    assert rule_in(folder / "r.d") == ("r.npy", read[1:4])
    done("stats", "a.npy", "-o", "part.npz", cwd=folder)
    done("fit", "part.npz", "-k", "1", "-o", "n.npz", "--depfile", "n.d", cwd=folder)
    assert rule_in(folder / "n.d") == ("n.npz", ["part.npz"])


def test_what_is_no_file_is_not_in_the_depfile(folder: Path) -> None:
    command = ["apply", "-", "--kernel", "1 1", "--bias", "1", "-o", "out.npy"]
    done(*command, "--depfile", "d", cwd=folder, input=(folder / "a.npy").read_bytes())
    assert (folder / "d").read_text() == "out.npy:\n"


def test_each_output_has_a_rule(folder: Path) -> None:
    more = ["--each", "--kernel", "1 1", "-o", "out", "--depfile", "d"]
    done("apply", "a.npy", "images", *more, cwd=folder)
    assert (folder / "d").read_text() == (
        "out/a.npy: a.npy\n"
        "out/images.npy: images images/0.png images/1.png\n"
        "\na.npy:\n\nimages:\n\nimages/0.png:\n\nimages/1.png:\n"
    )


def test_long_lists_are_continued(tmp_path: Path) -> None:
    names = [f"channel_{index:03}.npy" for index in range(40)]
    for name in names:
        (tmp_path / name).touch()
    rules = DepFile(str(tmp_path / "d"))
    rules.add("out.npy", [str(tmp_path / name) for name in names])
    rules.write()
    rule = (tmp_path / "d").read_text().partition("\n\n")[0]
    assert max(map(len, rule.split("\n"))) <= max(80, len(str(tmp_path)) + 20)
    assert rule.count(" \\\n") > 5


def test_nothing_is_written_unless_the_output_is(folder: Path) -> None:
    command = ["apply", "a.npy", "-o", "out.npy", "--depfile", "d"]
    refused(*command, "--kernel", "1 1 1", cwd=folder)
    refused(*command, "--kernel", "1e9 1", "--dtype", "uint8", "--scale", "2,1", cwd=folder)
    done(*command, "--kernel", "1 1", "--dry-run", cwd=folder)
    np.save(folder / "out.npy", np.zeros(1))
    refused(*command, "--kernel", "1 1", cwd=folder)
    assert not (folder / "d").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["-o", "-", "--depfile", "d"], "--depfile names the output for make"),
        (["-o", "out.npy", "--depfile", "-"], "--depfile - does not name a file"),
        (["-o", "out.npy", "--depfile", "/dev/null"], "--depfile /dev/null does not name a file"),
        (["-o", "out.npy", "--depfile", "./out.npy"], "two outputs have the same name"),
        (["-o", "out.npy", "--depfile", "a.npy", "-f"], "a.npy: is an input"),
        (["-o", "out.npy", "--depfile", "images/d"], "images/d: lies in the folder images"),
        (["-o", "out.npy", "--depfile", "bias.csv"], "bias.csv: exists already; use --force"),
        (["-o", "out.npy", "--depfile", "no/d"], "the folder .* does not exist"),
        (["-o", "a;b.npy", "--depfile", "d"], "make can't read the name a;b.npy"),
        (["-o", "-", "--if-changed"], "--if-changed compares with an existing file"),
    ],
)
def test_refusals(folder: Path, more: list[str], said: str) -> None:
    before = sorted(folder.rglob("*"))
    status, message = refused("apply", "a.npy", "images", "--kernel", "1 1 1 1", *more, cwd=folder)
    assert status in (2, 73)
    assert re.search(said, message), message
    assert sorted(folder.rglob("*")) == before


def test_the_depfile_is_not_written_into_a_folder_of_images(folder: Path) -> None:
    command = ["apply", "images", "--kernel", "1 1; 1 0", "--dtype", "uint8", "-o", "out/"]
    done(*command, cwd=folder)
    status, said = refused(*command, "-f", "--depfile", "out/d", cwd=folder)
    assert (status, "is written as a whole" in said) == (73, True)


# ------------------------------------------------------- names of files, as make understands them

# No d, which the depfile is called.
LETTERS = st.sampled_from("ab .#$:%=*?[]~&!'\"()<>,@+^`{}-é;|\\\t\n\udcff")
NAMES = st.lists(LETTERS, min_size=1, max_size=6).map("".join).filter(lambda n: n.strip("."))


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@settings(max_examples=examples(15))
@given(st.lists(NAMES, min_size=3, max_size=3, unique=True))
@example(["a b", "c$#d", "e:f=g%*?[h]"])
@example(["year=2020", "=", "$(x)y"])
@example(["%", "a%b", ":"])
def test_make_understands_every_name(names: list[str]) -> None:
    with new_folder() as folder:
        check_with_make(folder, *names)


def check_with_make(folder: Path, output: str, *inputs: str) -> None:
    """Have make decide what to do, with a depfile that our own output includes."""
    paths = {name: folder / name for name in (output, *inputs)}
    for path in paths.values():
        path.touch()
        os.utime(path, (1, 1))
    os.utime(paths[output], (5, 5))
    goal, rules = DepFile("goal.d"), DepFile("d")
    with contextlib.chdir(folder):
        try:
            goal.add("goal", [output])
            rules.add(output, inputs)
        except UsageError:  # make can't be told one of them
            return
        goal.write()
        rules.write()
    rule, *others = (folder / "d").read_bytes().split(b"\n\n")
    made = b"\n\n".join([rule + b"\n\t@echo made again", *others])
    (folder / "Makefile").write_bytes((folder / "goal.d").read_bytes() + made)
    assert is_made_again(folder) is False
    for name in inputs:
        os.utime(paths[name], (9, 9))
        assert is_made_again(folder) is True
        os.utime(paths[name], (1, 1))
    paths[inputs[0]].unlink()
    assert is_made_again(folder) is True


def is_made_again(folder: Path) -> bool:
    completed = run(["make", "goal"], cwd=folder)
    assert completed.returncode == 0, (completed.stderr, (folder / "Makefile").read_bytes())
    return b"made again" in completed.stdout


# ------------------------------------------------------------------------------ --if-changed


def apply(folder: Path, output: str, kernel: str, *more: str) -> str:
    """Apply to images, whose sums and differences an image can hold; give what was said."""
    command = ["apply", "images", "--kernel", kernel, "--dtype", "uint8", "-o", output, *more]
    if output == "gzip.h5":
        command += ["--compression", "gzip"]
    return done(*command, cwd=folder).stderr


@pytest.mark.parametrize(
    ("output", "more"),
    [
        ("out.npy", []),
        ("out.npy", ["--fsync"]),
        ("out.npy", ["--resume", "off"]),
        ("out.h5", ["--checkpoint-every", "0"]),
        ("gzip.h5", []),
        ("out.png", []),
        ("out/", []),
        ("out/", ["--fsync"]),
    ],
)
def test_an_equal_output_keeps_its_time(folder: Path, output: str, more: list[str]) -> None:
    options = ["--if-changed", *more]
    assert "unchanged" not in apply(folder, output, "1 0", *options)
    age(folder / output)
    assert ", unchanged\n" in apply(folder, output, "1 0", *options)
    assert is_old(folder / output)
    before = sorted(folder.rglob("*"))
    assert "unchanged" not in apply(folder, output, "0.5 0.5", *options)
    assert not is_old(folder / output)
    assert sorted(folder.rglob("*")) == before
    assert not list(folder.rglob("*.part*"))


def test_a_folder_with_another_number_of_images_has_changed(folder: Path) -> None:
    apply(folder, "out/", "1 0; 0 1")
    assert "unchanged" not in apply(folder, "out/", "1 0", "--if-changed")
    assert [path.name for path in (folder / "out").iterdir()] == ["0.png"]


def test_force_replaces_what_is_equal(folder: Path) -> None:
    apply(folder, "out.npy", "1 0")
    age(folder / "out.npy")
    apply(folder, "out.npy", "1 0", "--force")
    assert not is_old(folder / "out.npy")


@pytest.mark.parametrize("more", [[], ["--force"], ["--if-changed"]])
def test_the_time_moves_only_with_success(folder: Path, more: list[str]) -> None:
    apply(folder, "out.npy", "1 0")
    age(folder / "out.npy")
    (folder / "images" / "1.png").write_bytes((folder / "images" / "1.png").read_bytes()[:-30])
    refused("apply", "images", "--kernel", "1 1", "-o", "out.npy", *more, cwd=folder)
    assert is_old(folder / "out.npy")


def test_learned_models_keep_their_time(folder: Path) -> None:
    command = ["fit", "a.npy", "-o", "m.npz", "--if-changed", "--plot", "m.svg", "--depfile", "m.d"]
    done(*command, "-k", "1", cwd=folder)
    for name in ("m.npz", "m.svg", "m.d"):
        age(folder / name)
    assert ", unchanged\n" in done(*command, "-k", "1", cwd=folder).stderr
    assert all(is_old(folder / name) for name in ("m.npz", "m.svg", "m.d"))
    assert "unchanged" not in done(*command, "-k", "2", cwd=folder).stderr
    assert not is_old(folder / "m.npz")


def test_all_outputs_of_reduce_keep_their_time(folder: Path) -> None:
    command = ["reduce", "a.npy", "-k", "1", "-o", "r.npy", "--save", "m.npz"]
    command += ["--residual", "e.h5", "--if-changed"]
    done(*command, cwd=folder)
    for name in ("r.npy", "m.npz", "e.h5"):
        age(folder / name)
    assert done(*command, cwd=folder).stderr.count(", unchanged\n") == 2
    assert all(is_old(folder / name) for name in ("r.npy", "m.npz", "e.h5"))


@pytest.mark.parametrize(
    "command",
    [
        ["apply", "a.npy", "--kernel", "1 1", "-o", "out.npy"],
        ["fit", "a.npy", "-k", "1", "-o", "out.npz"],
        ["reduce", "a.npy", "-k", "1", "-o", "out.npy"],
    ],
)
def test_programs_are_told(folder: Path, command: list[str]) -> None:
    for changed in (b"true", b"false"):
        told = done(*command, "--if-changed", "--json", cwd=folder).stdout
        assert b'"changed": ' + changed in told


def test_a_link_stays_and_what_it_points_to_is_compared(folder: Path) -> None:
    (folder / "link.npy").symlink_to("out.npy")
    apply(folder, "link.npy", "1 0", "--if-changed")
    age(folder / "out.npy")
    assert "unchanged" in apply(folder, "link.npy", "1 0", "--if-changed")
    assert (folder / "link.npy").is_symlink()
    assert is_old(folder / "out.npy")


def test_shards_are_published_by_merge(folder: Path) -> None:
    for option in (["--if-changed"], ["--depfile", "d"]):
        command = ["apply", "a.npy", "--kernel", "1 1", "-o", "out.npy", "--shard", "0/2", *option]
        assert refused(*command, cwd=folder)[0] == 2
