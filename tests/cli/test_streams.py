"""Standard input, output and error: pipes that break, close, dawdle, and terminals."""

import io
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    run,
    shell,
    start,
)

SIGPIPE_IN_A_SHELL = 128 + 13
STACK = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
SUM = np.einsum("kc,chw->khw", [[1, 10]], STACK).astype(np.float32)
APPLY = ("apply", "stack.npy", "--kernel", "1 10")

#: Everything that prints, and what it is given to print.
PRINTING = {
    "help": ["--help"],
    "help of apply": ["apply", "--help"],
    "version": ["--version"],
    "plan": [*APPLY, "-o", "out.npy", "--dry-run"],
    "json": [*APPLY, "-o", "out.npy", "--json"],
    "json error": ["apply", "missing.npy", "--kernel", "1", "-o", "out.npy", "--json"],
    "numbers": [*APPLY, "-o", "-"],
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with a small stack, and with a large one that is a hole."""
    np.save(tmp_path / "stack.npy", STACK)
    np.lib.format.open_memmap(tmp_path / "large.npy", "w+", "uint8", (2, 2000, 2000)).flush()
    return tmp_path


def bytes_of(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def read_bytes(data: bytes) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = np.load(io.BytesIO(data))
    return array


def assert_told_in_one_line(done: Completed) -> None:
    assert done.stderr.startswith("onebyone: ")
    assert done.stderr.count("\n") == 1


def inputs_only(work: Path) -> bool:
    return files_in(work) == ["large.npy", "stack.npy"]


# Pipes whose reader goes away


def test_a_reader_that_has_seen_enough(work: Path) -> None:
    line = (
        'onebyone apply large.npy --kernel "1 1" -o - | head -c 100 | wc -c; echo ${PIPESTATUS[*]}'
    )
    done = shell(line, cwd=work)
    assert done.stdout.decode().split() == ["100", str(SIGPIPE_IN_A_SHELL), "0", "0"]
    assert done.stderr == ""
    assert inputs_only(work)


def test_a_reader_that_wants_one_line(work: Path) -> None:
    done = shell("onebyone apply --help | head -1; echo ${PIPESTATUS[*]}", cwd=work)
    assert done.stdout.startswith(b"Usage: onebyone apply")
    # All of it fits into the pipe, so whether it breaks is a matter of luck.
    assert done.stdout.split()[-2:] in ([b"0", b"0"], [str(SIGPIPE_IN_A_SHELL).encode(), b"0"])
    assert done.stderr == ""


@pytest.mark.parametrize("name", PRINTING)
def test_a_reader_that_has_gone_already(name: str, work: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as stdout:
        process = start(*PRINTING[name], cwd=work, stdout=stdout)
    _, said = process.communicate()
    assert process.returncode == -13
    assert said == b"" or name == "json error"
    assert not [path for path in files_in(work) if path.endswith(".part")]


def test_a_named_pipe_whose_reader_goes(work: Path) -> None:
    # A pipe that the user named is a file like others: failing to write to it is an error.
    line = 'mkfifo pipe; head -c 100 pipe > got & onebyone apply large.npy --kernel "1 1" -o pipe'
    done = shell(line, cwd=work)
    assert done.returncode == 74
    assert done.stderr == "onebyone: pipe: writing failed: Broken pipe\n"


# Standard output that takes nothing


@pytest.mark.parametrize("name", PRINTING)
def test_full(name: str, work: Path) -> None:
    with open("/dev/full", "wb") as stdout:
        process = start(*PRINTING[name], cwd=work, stdout=stdout)
    _, said = process.communicate()
    done = Completed(process.returncode, b"", said.decode())
    assert done.returncode == (66 if name == "json error" else 74)
    assert_told_in_one_line(done)
    if name != "json error":
        assert "No space left on device" in done.stderr


@pytest.mark.parametrize("name", PRINTING)
def test_stdout_closed(name: str, work: Path) -> None:
    done = shell('exec "$0" "$@" >&-', *PRINTING[name], cwd=work)
    if name == "json error":
        assert done.returncode == 66
    elif done.stderr or name in ("plan", "json", "numbers"):
        assert done.returncode == 74
    else:
        # Help that has no place to go may be passed over in silence.
        assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 1


def test_stdout_closed_is_no_hindrance_where_it_is_not_needed(work: Path) -> None:
    done = shell('exec "$0" "$@" >&-', *APPLY, "-o", "out.npy", cwd=work)
    assert (done.returncode, TAKEN.sub("", done.stderr)) == (0, "out.npy: 1×3×4 float32\n")
    assert np.array_equal(np.load(work / "out.npy"), SUM)


# Standard error that takes nothing


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("more", [(), ("-v",), ("--progress",)])
def test_nobody_listens(redirection: str, more: tuple[str, ...], work: Path) -> None:
    done = shell(f'exec "$0" "$@" {redirection}', *APPLY, "-o", "out.npy", *more, cwd=work)
    assert done.returncode == 0
    assert np.array_equal(np.load(work / "out.npy"), SUM)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_nobody_listens_to_an_error(redirection: str, work: Path) -> None:
    args = ["apply", "missing.npy", "--kernel", "1", "-o", "out.npy"]
    assert shell(f'exec "$0" "$@" {redirection}', *args, cwd=work).returncode == 66
    assert shell(f'exec "$0" "$@" {redirection}', "aply", cwd=work).returncode == 2
    assert inputs_only(work)


def test_stderr_closed_is_not_taken_for_a_file(work: Path) -> None:
    # The first file that is opened would get its number, and an error message would go into it.
    line = 'exec "$0" "$@" <&- >&- 2>&-'
    assert shell(line, *APPLY, "-o", "out.npy", cwd=work).returncode == 0
    assert np.array_equal(np.load(work / "out.npy"), SUM)
    assert bytes_of(STACK) == (work / "stack.npy").read_bytes()


# Standard input


def test_stdin_closed(work: Path) -> None:
    done = shell('exec "$0" "$@" <&-', "apply", "-", "--kernel", "1 10", "-o", "out.npy", cwd=work)
    assert done.returncode in (66, 74)
    assert_told_in_one_line(done)
    assert "standard input" in done.stderr
    assert inputs_only(work)


def test_stdin_closed_is_not_taken_for_a_file(work: Path) -> None:
    args = ["apply", "stack.npy", "-", "--kernel", "1 1 1 1", "-o", "out.npy"]
    done = shell('exec "$0" "$@" <&-', *args, cwd=work)
    assert done.returncode in (66, 74)
    assert_told_in_one_line(done)
    assert "standard input" in done.stderr
    assert inputs_only(work)


def test_one_byte_at_a_time(work: Path) -> None:
    process = start("apply", "-", "--kernel", "1 10", "-o", "-", cwd=work, stdin=subprocess.PIPE)
    assert process.stdin is not None
    for value in bytes_of(STACK):
        process.stdin.write(bytes([value]))
        process.stdin.flush()
        time.sleep(0.001)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert np.array_equal(read_bytes(out), SUM)


def test_a_reader_that_dawdles(work: Path) -> None:
    args = ["apply", "large.npy", "--kernel", "1 1", "--dtype", "uint8", "-o", "-"]
    process = start(*args, cwd=work)
    assert process.stdout is not None
    received = 0
    while piece := os.read(process.stdout.fileno(), 100_000):
        received += len(piece)
        time.sleep(0.001)
    process.communicate()
    assert process.returncode == 0
    assert received == 128 + 2000 * 2000


@pytest.mark.parametrize("sent", [0, 5, 60, 128, 223])
def test_a_producer_that_dies_early(sent: int, work: Path) -> None:
    args = ["apply", "-", "--kernel", "1 10", "-o", "out.npy"]
    done = onebyone(*args, cwd=work, input=bytes_of(STACK)[:sent])
    assert done.returncode == 65
    assert_told_in_one_line(done)
    assert done.stderr.startswith("onebyone: standard input: ")
    assert inputs_only(work)


def test_a_producer_that_goes_on(work: Path) -> None:
    args = ["apply", "-", "--kernel", "1 10", "-o", "out.npy"]
    done = onebyone(*args, cwd=work, input=bytes_of(STACK) + b"\0")
    assert done.returncode == 65
    assert_told_in_one_line(done)
    assert inputs_only(work)


def test_a_producer_without_end(work: Path) -> None:
    # Its second byte too many is never waited for, nor is all of it read.
    line = '{ cat stack.npy; cat /dev/zero; } | onebyone apply - --kernel "1 10" -o out.npy'
    assert shell(line, cwd=work).returncode == 65
    assert inputs_only(work)


def test_an_input_pipe_that_does_not_block(work: Path) -> None:
    # Some programs, ssh and node among them, leave the pipes they share in this mode.
    read, write = os.pipe()
    os.set_blocking(read, False)
    with open(read, "rb") as stdin:
        process = start("apply", "-", "--kernel", "1 10", "-o", "-", cwd=work, stdin=stdin)
    whole = bytes_of(STACK)
    with open(write, "wb", buffering=0) as file:
        for part in (whole[:100], whole[100:180], whole[180:]):
            time.sleep(0.2)
            file.write(part)
    out, said = process.communicate()
    told = TAKEN.sub("", said.decode())
    assert (process.returncode, told) == (0, "standard output: 1×3×4 float32\n")
    assert np.array_equal(read_bytes(out), SUM)


def test_an_output_pipe_that_does_not_block(work: Path) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with open(write, "wb") as stdout:
        args = ["apply", "large.npy", "--kernel", "1 1", "--dtype", "uint8", "-o", "-"]
        process = start(*args, cwd=work, stdout=stdout)
    time.sleep(0.4)
    with open(read, "rb") as file:
        received = file.read()
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert len(received) == 128 + 2000 * 2000


# Pipelines


def test_cat_in_and_out_is_the_same_as_files(work: Path) -> None:
    line = '"$0" "$@" -o out.npy -q && cat stack.npy | "$0" apply - --kernel "1 10" -o - -q'
    done = shell(f"{line} | cmp - out.npy", *APPLY, cwd=work)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", "")


def test_three_stages(work: Path) -> None:
    line = (
        'cat stack.npy | "$0" apply - --kernel "1 10; 2 0" -o - -q'
        ' | "$0" apply - --kernel "1 -1" -o - -q | "$0" apply - --kernel "3; 4" -o - -q'
    )
    done = shell(f"set -o pipefail; {line}", cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    difference = SUM - 2 * STACK[:1]
    assert np.array_equal(read_bytes(done.stdout), np.concatenate([3 * difference, 4 * difference]))


# Several arrays in one stream

FRAMES = [
    np.arange(2 * h * w, dtype=np.float32).reshape(2, h, w) for h, w in ((3, 4), (1, 9), (5, 2))
]
SUMS = [np.einsum("kc,chw->khw", [[1, 10]], frame).astype(np.float32) for frame in FRAMES]
MANY = b"".join(map(bytes_of, FRAMES))
EACH = ("apply", "-", "--each", "--kernel", "1 10")
RAW = ("--raw", "--shape", "3,4,2", "--dtype-in", "u1", "--layout", "HWC")


def outputs(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    return {path.name: np.load(path) for path in sorted(folder.iterdir())}


def same(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return found.keys() == wanted.keys() and all(
        np.array_equal(found[name], wanted[name]) for name in wanted
    )


def named_from_stdin(arrays: list[Any]) -> dict[str, Any]:
    return {f"stdin_{index}.npy": array for index, array in enumerate(arrays)}


def test_each_array_of_a_stream_becomes_a_file(work: Path) -> None:
    done = onebyone(*EACH, "-o", "out/", "-q", cwd=work, input=MANY)
    assert (done.returncode, done.stderr) == (0, "")
    assert same(outputs(work / "out"), named_from_stdin(SUMS))


def test_each_array_of_a_file_on_standard_input(work: Path) -> None:
    (work / "many").write_bytes(MANY)
    done = shell('"$0" "$@" < many', *EACH, "-o", "out/", "-q", cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    assert same(outputs(work / "out"), named_from_stdin(SUMS))


def test_each_array_of_named_pipes_and_files(work: Path) -> None:
    (work / "many").write_bytes(MANY)
    line = 'mkfifo one two; cat many > one & cat stack.npy > two & "$0" "$@"'
    args = ["apply", "one", "stack.npy", "two", "--each", "--kernel", "1 10", "-o", "out", "-q"]
    done = shell(line, *args, cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    wanted = {f"one_{index}.npy": array for index, array in enumerate(SUMS)}
    assert same(outputs(work / "out"), wanted | {"two_0.npy": SUM, "stack.npy": SUM})


def test_results_follow_each_other_on_standard_output(work: Path) -> None:
    done = onebyone(*EACH, "-o", "-", "-q", cwd=work, input=MANY)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == b"".join(map(bytes_of, SUMS))
    # Files as well, for whoever reads them as a stream.
    args = ["apply", "stack.npy", "./stack.npy", "--each", "--kernel", "1 10", "-o", "-", "-q"]
    assert onebyone(*args, cwd=work).stdout == 2 * bytes_of(SUM)


def test_a_filter_of_frames(work: Path) -> None:
    line = (
        '"$0" "$@" -o - -q | "$0" apply - --each --kernel "1; 2" -o - -q'
        ' | "$0" apply - --each --kernel "1 1" -o out -q'
    )
    done = shell(f"set -o pipefail; {line}", *EACH, cwd=work, input=MANY)
    assert (done.returncode, done.stderr) == (0, "")
    assert same(outputs(work / "out"), named_from_stdin([3 * array for array in SUMS]))


def test_a_filter_hands_on_what_it_has(work: Path) -> None:
    """A result comes out before the next array has come in."""
    process = start(*EACH, "-o", "-", "-q", cwd=work, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    for frame, wanted in zip(FRAMES, SUMS, strict=True):
        process.stdin.write(bytes_of(frame))
        process.stdin.flush()
        assert process.stdout.read(len(bytes_of(wanted))) == bytes_of(wanted)
    process.communicate()
    assert process.returncode == 0


def test_a_reader_that_has_seen_enough_frames(work: Path) -> None:
    line = '{ while cat stack.npy; do :; done; } | "$0" "$@" | head -c 500 | wc -c'
    done = shell(f"{line}; echo ${{PIPESTATUS[*]}}", *EACH, "-o", "-", "-q", cwd=work)
    counted, *statuses = done.stdout.decode().split()
    assert (counted, statuses[1:]) == ("500", [str(SIGPIPE_IN_A_SHELL), "0", "0"])
    assert done.stderr == ""
    assert inputs_only(work)


def test_many_arrays_byte_by_byte(work: Path) -> None:
    process = start(*EACH, "-o", "-", "-q", cwd=work, stdin=subprocess.PIPE)
    assert process.stdin is not None
    for value in MANY:
        process.stdin.write(bytes([value]))
        process.stdin.flush()
    out, said = process.communicate()
    assert (process.returncode, said) == (0, b"")
    assert out == b"".join(map(bytes_of, SUMS))


@pytest.mark.parametrize("size", [1, 60, 128, 150])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_stream_that_ends_inside_an_array(size: int, threads: str, work: Path) -> None:
    whole = bytes_of(STACK)
    args = [*EACH, "-o", "out", "-q", "--threads", threads]
    done = onebyone(*args, cwd=work, input=2 * whole + whole[:size])
    assert done.returncode == 65
    assert_told_in_one_line(done)
    assert done.stderr.startswith("onebyone: standard input, array 2 (counting from 0): ")
    assert same(outputs(work / "out"), named_from_stdin([SUM, SUM]))


@pytest.mark.parametrize("tail", [b"\n", b"nothing that numpy wrote", bytes(100)])
def test_what_follows_an_array_is_no_array(tail: bytes, work: Path) -> None:
    done = onebyone(*EACH, "-o", "out", "-q", cwd=work, input=bytes_of(STACK) + tail)
    assert done.returncode == 65
    assert_told_in_one_line(done)
    assert "array 1 (counting from 0): is not a .npy array" in done.stderr
    assert same(outputs(work / "out"), named_from_stdin([SUM]))


def test_a_stream_without_an_array(work: Path) -> None:
    done = onebyone(*EACH, "-o", "out", cwd=work)
    assert done.returncode == 65
    assert_told_in_one_line(done)
    assert inputs_only(work)
    assert not (work / "out").exists()


def test_an_array_whose_output_is_there(work: Path) -> None:
    (work / "out").mkdir()
    (work / "out/stdin_1.npy").write_bytes(b"mine")
    done = onebyone(*EACH, "-o", "out", "-q", cwd=work, input=MANY)
    assert done.returncode == 73
    assert_told_in_one_line(done)
    assert (work / "out/stdin_1.npy").read_bytes() == b"mine"
    assert np.array_equal(np.load(work / "out/stdin_0.npy"), SUMS[0])
    done = onebyone(*EACH, "-o", "out", "-q", "--force", cwd=work, input=MANY)
    assert same(outputs(work / "out"), named_from_stdin(SUMS))


def test_an_array_that_has_the_name_of_a_file(work: Path) -> None:
    (work / "stdin_1.npy").write_bytes(bytes_of(STACK))
    args = ["apply", "-", "stdin_1.npy", "--each", "--kernel", "1 10", "-o", "out", "-q", "-f"]
    done = onebyone(*args, cwd=work, input=MANY)
    assert done.returncode == 2
    assert "stdin_1.npy and - would both be written to out/stdin_1.npy" in done.stderr


def test_frames_of_a_program(work: Path) -> None:
    """As from ``ffmpeg -f rawvideo``: nothing says where a frame begins but its size."""
    frames = np.random.default_rng(1).integers(0, 255, (5, 3, 4, 2), np.uint8)
    done = onebyone(*EACH, *RAW, "-o", "out", "-q", cwd=work, input=frames.tobytes())
    assert (done.returncode, done.stderr) == (0, "")
    wanted = [(frame @ np.float32([1, 10]))[None] for frame in frames]
    assert same(outputs(work / "out"), named_from_stdin(wanted))


def test_frames_that_do_not_block(work: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 255, (5, 3, 4, 2), np.uint8)
    read, write = os.pipe()
    os.set_blocking(read, False)
    with open(read, "rb") as stdin:
        process = start(*EACH, *RAW, "-o", "-", "-q", cwd=work, stdin=stdin)
    content = frames.tobytes()
    with open(write, "wb", buffering=0) as file:
        for part in (content[:10], content[10:60], content[60:]):
            time.sleep(0.2)
            file.write(part)
    out, said = process.communicate()
    assert (process.returncode, said) == (0, b"")
    sums = [(frame @ np.float32([1, 10]))[None] for frame in frames]
    assert out == b"".join(map(bytes_of, sums))


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (24 * 2 + 7, "standard input, array 2 (counting from 0): ends 17 bytes early"),
        (0, "standard input, array 0 (counting from 0): is empty; expected the 24 bytes"),
    ],
)
def test_frames_that_are_not_whole(size: int, said: str, work: Path) -> None:
    done = onebyone(*EACH, *RAW, "-o", "out", "-q", cwd=work, input=bytes(size))
    assert done.returncode == 65
    assert_told_in_one_line(done)
    assert done.stderr.startswith(f"onebyone: {said}")


def test_raw_numbers_in_a_pipe_and_in_a_file(work: Path) -> None:
    (work / "numbers").write_bytes(STACK.astype(">f4").tobytes())
    raw = ["--raw", "--shape", "2,3,4", "--dtype-in", ">f4"]
    done = onebyone("apply", "numbers", *raw, "--kernel", "1 10", "-o", "-", cwd=work)
    assert np.array_equal(read_bytes(done.stdout), SUM)
    piped = shell('cat numbers | "$0" apply - "$@" --kernel "1 10" -o -', *raw, cwd=work)
    assert piped.stdout == done.stdout
    twice = [*raw, "--kernel", "1 0 0 10"]
    both = shell('cat numbers | "$0" apply - numbers "$@" -o -', *twice, cwd=work)
    assert both.stdout == done.stdout
    for line in ('"$0" reduce numbers "$@" -o a.npy', 'cat numbers | "$0" reduce - "$@" -o b.npy'):
        assert shell(line, *raw, "-k", "1", cwd=work).returncode == 0
    assert (work / "a.npy").read_bytes() == (work / "b.npy").read_bytes()


LEARNING = {
    "pca": ["-k", "1"],
    "neighbours": ["--method", "maf", "-k", "1"],
    "a sample": ["-k", "1", "--sample", "40"],
    "no pixel": ["--method", "random", "-k", "1"],
}


@pytest.mark.parametrize("options", LEARNING.values(), ids=LEARNING)
def test_all_arrays_of_a_stream_are_learned_from(options: list[str], work: Path) -> None:
    rng = np.random.default_rng(2)
    names = ["a.npy", "b.npy", "c.npy"]
    for name, size in zip(names, ((9, 9), (70, 3), (20, 20)), strict=True):
        np.save(work / name, rng.standard_normal((3, *size)))
    files = onebyone("fit", *names, "--each", *options, "-o", "files.npz", "-q", cwd=work)
    args = ["fit", "-", "--each", *options, "-o", "pipe.npz", "-q"]
    pipe = shell('cat a.npy b.npy c.npy | "$0" "$@"', *args, cwd=work)
    assert (files.returncode, pipe.returncode) == (0, 0), pipe.stderr
    with np.load(work / "files.npz") as one, np.load(work / "pipe.npz") as two:
        assert one.files == two.files
        for name in set(one.files) - {"meta"}:
            assert np.array_equal(one[name], two[name])


def test_statistics_of_a_stream_of_frames(work: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 255, (5, 3, 4, 2), np.uint8)
    args = ["stats", "-", "--each", *RAW, "--json", "-o", "part.npz"]
    done = onebyone(*args, cwd=work, input=frames.tobytes())
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["inputs"] == [{"name": "standard input", "shape": [2, 3, 4], "arrays": 5}]
    assert [row["valid"] for row in document["channels"]] == [60, 60]
    means = [row["mean"] for row in document["channels"]]
    assert np.allclose(means, frames.mean(axis=(0, 1, 2)), rtol=1e-12)


def test_an_array_with_other_channels(work: Path) -> None:
    content = bytes_of(STACK) + bytes_of(np.zeros((3, 3, 4)))
    done = onebyone("stats", "-", "--each", cwd=work, input=content)
    assert done.returncode == 65
    assert_told_in_one_line(done)
    assert "array 1 (counting from 0): has 3 channels and standard input, array 0" in done.stderr


# Terminals


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with Terminal() as made:
        yield made


def test_numbers_are_not_shown_on_a_terminal(work: Path, terminal: Terminal) -> None:
    with os.fdopen(os.dup(terminal.near), "wb") as stdout:
        process = start(*APPLY, "-o", "-", cwd=work, stdout=stdout)
    _, said = process.communicate()
    assert terminal.shown() == b""
    done = Completed(process.returncode, b"", said.decode())
    assert done.returncode == 2
    assert_told_in_one_line(done)
    assert "--force" in done.stderr


def test_numbers_are_shown_on_a_terminal_if_they_must(work: Path, terminal: Terminal) -> None:
    with os.fdopen(os.dup(terminal.near), "wb") as stdout:
        process = start(*APPLY, "-o", "-", "--force", cwd=work, stdout=stdout)
    process.communicate()
    assert process.returncode == 0
    assert b"NUMPY" in terminal.shown()


def test_numbers_are_not_typed(work: Path, terminal: Terminal) -> None:
    with os.fdopen(os.dup(terminal.near), "rb") as stdin:
        args = ["apply", "-", "--kernel", "1 10", "-o", "out.npy"]
        process = start(*args, cwd=work, stdin=stdin)
    _, said = process.communicate()
    done = Completed(process.returncode, b"", said.decode())
    assert done.returncode == 2
    assert_told_in_one_line(done)
    assert inputs_only(work)


def test_a_terminal_is_the_place_for_the_plan(work: Path, terminal: Terminal) -> None:
    with os.fdopen(os.dup(terminal.near), "wb") as stdout:
        process = start(*PRINTING["plan"], cwd=work, stdout=stdout)
    process.communicate()
    assert process.returncode == 0
    assert "out.npy: 1×3×4 float32".encode() in terminal.shown()


@pytest.mark.parametrize("kind", ["dumb", "xterm-256color"])
def test_decoration_only_where_a_terminal_can_show_it(
    kind: str, work: Path, terminal: Terminal
) -> None:
    np.lib.format.open_memmap(work / "wide.npy", "w+", "uint8", (8, 5500, 5500)).flush()
    small = ["--threads", "1", "--memory", "4M", "--dtype", "uint8"]
    command = [PROGRAM, "apply", "wide.npy", "--kernel", "1 1 1 1 1 1 1 1", *small, "-o", "out.npy"]
    with os.fdopen(os.dup(terminal.near), "wb") as stderr:
        done = subprocess.run(
            command,
            cwd=work,
            env=environment(TERM=kind),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            check=False,
        )
    shown = terminal.shown()
    assert (done.returncode, done.stdout) == (0, b"")
    assert TAKEN.sub("", shown.decode()).endswith("out.npy: 1×5500×5500 uint8\r\n")
    if kind == "dumb":
        assert b"\x1b" not in shown
    # Whoever hides the cursor shows it again.
    assert shown.rfind(b"\x1b[?25l") <= shown.rfind(b"\x1b[?25h")


# The working folder


def ordinary(*args: str) -> list[str]:
    """Give the command as a user runs it whom permissions stop, which those of root do not."""
    if os.geteuid() != 0:
        return [PROGRAM, *args]
    if shutil.which("setpriv") is None:
        pytest.skip("root may read and write everything, and there is no setpriv")
    powers = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={powers}", f"--inh-caps={powers}", PROGRAM, *args]


@pytest.mark.parametrize("output", ["locked/out.npy", "locked/out.h5", "locked/out/"])
def test_a_folder_without_permission(output: str, work: Path) -> None:
    (work / "locked").mkdir(mode=0o555)
    done = run(ordinary(*APPLY, "--dtype", "uint8", "-o", output), cwd=work)
    assert done.returncode == 73
    assert_told_in_one_line(done)
    assert done.stderr.startswith(f"onebyone: {output}: can't be created: ")
    assert inputs_only(work)


def test_an_input_without_permission(work: Path) -> None:
    (work / "stack.npy").chmod(0)
    done = run(ordinary(*APPLY, "-o", "out.npy"), cwd=work)
    assert done.returncode == 66
    assert done.stderr == "onebyone: stack.npy: can't be read: Permission denied\n"


def test_weights_without_permission(work: Path) -> None:
    np.save(work / "weights.npy", np.ones((1, 2)))
    (work / "weights.npy").chmod(0)
    args = ["apply", "stack.npy", "-w", "weights.npy", "-o", "out.npy"]
    done = run(ordinary(*args), cwd=work)
    assert done.returncode == 66
    assert done.stderr == "onebyone: weights.npy: can't be read: Permission denied\n"


def test_a_file_system_that_takes_no_files(work: Path) -> None:
    done = onebyone(*APPLY, "-o", "/proc/out.npy", cwd=work)
    assert done.returncode == 73
    assert_told_in_one_line(done)
    assert done.stderr.startswith("onebyone: /proc/out.npy: can't be created: ")


def test_json_stays_one_document(work: Path) -> None:
    done = onebyone(*PRINTING["json"], cwd=work)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["shape"] == [1, 3, 4]
    done = onebyone(*PRINTING["json error"], cwd=work)
    assert json.loads(done.stdout)["error"]["code"] == done.returncode == 66
    assert_told_in_one_line(done)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_signs_that_an_encoding_lacks_are_said_more_plainly(work: Path, encoding: str) -> None:
    env = environment(PYTHONIOENCODING=encoding)
    done = onebyone("cost", "-c", "3", "-k", "2", "-s", "6x6", cwd=work, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    times = "x" if encoding == "ascii" else "×"
    first = done.stdout.decode(encoding).splitlines()[0]
    assert first.startswith(f"3{times}6{times}6 -> 2{times}6{times}6, float32")
