"""Netpbm images: headers of all kinds, numbers as stored, several in a file or a pipe."""

import io
import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import onebyone, shell
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import Array, cuts, fifo_of, new_folder, read_all, same_numbers

from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.reader import Reader
from onebyone_cli.formats.netpbm.header import read_header
from onebyone_cli.spec import Slab, StackSpec
from onebyone_cli.stack.sources import hold_streams

MIB = 1 << 20

#: Weights that change nothing, for three channels.
SAME = ["--kernel", "1 0 0; 0 1 0; 0 0 1", "--dtype", "uint8"]
FRAMES = ["apply", "-", *SAME, "-o", "-", "--format"]

sides = st.integers(1, 20)


def encoded(stack: Array, kind: str, maxval: int = 0) -> bytes:
    """Encode one image of shape (C, H, W) by the manual pages of Netpbm, in a way of our own."""
    depth, height, width = stack.shape
    pixels = np.moveaxis(stack, 0, -1)
    most = maxval or {"uint8": 255, "uint16": 65535, "bool": 1}.get(stack.dtype.name, 0)
    letter = {"pbm": "14", "pgm": "25", "ppm": "36"}.get(kind.removeprefix("plain "), "")
    begin = f"P{letter[not kind.startswith('plain')]}" if letter else ""
    if kind == "pbm":
        rows = [np.packbits(row, bitorder="big").tobytes() for row in ~stack[0]]
        return f"{begin} {width} {height}\n".encode() + b"".join(rows)
    if kind == "plain pbm":
        rows = ["".join("01"[not white] for white in row) for row in stack[0]]
        return "\n".join([begin, f"{width} {height}", *rows]).encode()
    if kind.startswith("plain"):
        numbers = " ".join(map(str, pixels.ravel().tolist()))
        return f"{begin}\n{width} {height} {most}\n{numbers}\n".encode()
    if kind == "pfm":
        head = f"{'PF' if depth == 3 else 'Pf'}\n{width} {height}\n1.0\n".encode()
        return head + pixels[::-1].astype(">f4").tobytes()
    head = f"{begin}\n{width} {height}\n{most}\n"
    if kind == "pam":
        head = f"P7\nHEIGHT {height}\nWIDTH {width}\nMAXVAL {most}\nDEPTH {depth}\nENDHDR\n"
    return head.encode() + pixels.astype("u1" if most < 256 else ">u2").tobytes()


#: Kinds, the types that they hold, and their numbers of channels.
KINDS = [
    *(("pbm", "bool", (1,)), ("plain pbm", "bool", (1,))),
    *((kind, dtype, (1,)) for kind in ("pgm", "plain pgm") for dtype in ("uint8", "uint16")),
    *((kind, dtype, (3,)) for kind in ("ppm", "plain ppm") for dtype in ("uint8", "uint16")),
    *(("pam", dtype, (1, 2, 3, 4, 7)) for dtype in ("bool", "uint8", "uint16")),
    ("pfm", "float32", (1, 3)),
]


@st.composite
def images(draw: Any, count: int = 1) -> tuple[str, list[Array]]:
    """Draw a kind, and images of one shape and type for it."""
    kind, dtype, depths = draw(st.sampled_from(KINDS))
    shape = (draw(st.sampled_from(depths)), draw(sides), draw(sides))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    most = {"bool": 2, "uint8": 256, "uint16": 65536, "float32": 1 << 20}[dtype]
    return kind, [rng.integers(0, most, shape).astype(dtype) for _ in range(count)]


def loaded(path: str, data: st.DataObject) -> Array:
    """Read an input in slabs of any size, spooled if it is a stream."""
    with ExitStack() as stack:
        reader = stack.enter_context(opening.open_input(path))
        held, _ = hold_streams([reader], MIB, stack, lambda step, done, total: None)
        spec = held[0].spec
        return read_all(held[0], data.draw(cuts(spec)), spec.dtype)


# --------------------------------------------------------------------------------- reading


@given(st.data(), images())
def test_files_are_read_as_stored(data: st.DataObject, image: tuple[str, list[Array]]):
    kind, (stack,) = image
    with new_folder() as folder:
        (folder / "x").write_bytes(encoded(stack, kind))
        assert same_numbers(loaded(str(folder / "x"), data), stack)


@given(st.data(), images(), st.integers(1, 300))
def test_pipes_are_read_as_stored(data: st.DataObject, image: tuple[str, list[Array]], step: int):
    kind, (stack,) = image
    with fifo_of(encoded(stack, kind), step) as path:
        assert same_numbers(loaded(str(path), data), stack)


@given(st.data(), images(3))
def test_images_of_a_file_are_a_batch(data: st.DataObject, image: tuple[str, list[Array]]):
    kind, stacks = image
    if not kind.startswith("plain"):
        with new_folder() as folder:
            (folder / "x").write_bytes(b"".join(encoded(each, kind) for each in stacks))
            assert same_numbers(loaded(str(folder / "x"), data), np.stack(stacks))


@given(st.lists(images(), min_size=1, max_size=4), st.integers(1, 300))
def test_images_of_a_pipe_may_differ(found: list[tuple[str, list[Array]]], step: int):
    found = [each for each in found if not each[0].startswith("plain")]
    if not found:
        return
    content = b"".join(encoded(stack, kind) for kind, (stack,) in found)
    with fifo_of(content, step) as path, ExitStack() as stack:
        series = opening.open_series(str(path), layout="", raw=None, stack=stack)
        for number, reader in enumerate(series):
            kind, (expected,) = found[number]
            assert re.search(rf"image {number} \(counting from 0\)", reader.path)
            held, _ = hold_streams([reader], MIB, stack, lambda step, done, total: None)
            whole = np.empty((1, *expected.shape[:1], held[0].spec.pixels), held[0].spec.dtype)
            scratch = np.empty(held[0].scratch_bytes, np.uint8)
            held[0].read(Slab(0, 1, 0, held[0].spec.pixels), whole, scratch)
            assert same_numbers(whole.reshape(expected.shape), expected), kind
        assert number == len(found) - 1


@given(images())
def test_pillow_reads_the_same(image: tuple[str, list[Array]]):
    """Our encoder of the tests against another reader, where that does not stretch numbers."""
    kind, (stack,) = image
    depth = stack.shape[0]
    if kind == "pam" or (depth == 3 and stack.dtype != np.uint8) or "plain" in kind:
        return
    found = np.asarray(Image.open(io.BytesIO(encoded(stack, kind))))
    assert np.array_equal(found.reshape(*stack.shape[1:], depth), np.moveaxis(stack, 0, -1))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"P5 2 1 255\n", ("uint8", 1, 2, 1, 255)),
        (b"P5\n# made by hand\n2 # two\n1\n255\n", ("uint8", 1, 2, 1, 255)),
        (b"P5\t2\r\n1\r1023\n", ("uint16", 1, 2, 1, 1023)),
        (b"P6\n2 1\n7\n", ("uint8", 1, 2, 3, 7)),
        (b"P4\n2 1\n", ("bool", 1, 2, 1, 1)),
        (
            b"P7\n#x\n\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 256\nTUPLTYPE RGB_ALPHA\nENDHDR\n",
            ("uint16", 1, 2, 4, 256),
        ),
        (b"Pf\n2 1\n-0.5\n", ("float32", 1, 2, 1, 0)),
    ],
)
def test_headers(head: bytes, expected: tuple[Any, ...]):
    file = io.BytesIO(head + b"next")
    found = read_header(file.read, "x")
    assert (found.dtype, found.height, found.width, found.depth, found.maxval) == expected
    assert file.read() == b"next"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"P5", "ends within its header"),
        (b"P5 2 1 0\n..", "has MAXVAL 0 in its PGM header; expected 1 to 65535"),
        (b"P5 2 1 65536\n....", "has MAXVAL 65536"),
        (b"P5 0 1 255\n", "has width 0 in its PGM header"),
        (b"P6 1 99999999999 255\n", "has height 99999999999"),
        (b"P5 -2 1 255\n..", "has '-2' as width in its header; expected a number"),
        (b"P5 2000000000 2000000000 255\n..", "is truncated: has 31 bytes, its header promises"),
        (b"P5 " + b"#" * 70000, "has more than 65536 bytes in its header"),
        (b"P5 2 1 255\n.", "is truncated: has 12 bytes, its header promises 13"),
        (b"P5 2 1 255\n..P5 2 1 255\n.", "is truncated: its last image ends 1 bytes early"),
        (b"P5 2 1 255\n..P5 1 2 255\n..", "has something else after image 0"),
        (b"P7\nWIDTH 2\nENDHDR\n", "has no HEIGHT in its PAM header"),
        (b"P7\nWITDH 2\nENDHDR\n", "has 'WITDH 2' in its PAM header"),
        (b"P7 332\n", "begins with P7 like a PAM"),
        (b"Pf 2 1 0\n........", "has scale '0' in its PFM header"),
        (b"Pf 2 1 nan\n........", "has scale 'nan'"),
        (b"P2 2 1 255\n1", "is truncated: 1 numbers are missing"),
        (b"P2 2 1 255\n1 256", "has 256, and its MAXVAL is 255"),
        (b"P2 2 1 255\n1 2 3", "has more after its image"),
        (b"P2 2 1 255\n1 x", "has text among its numbers"),
        (b"P2 2 1 255\n1 " + b"0" * 70000, "has a number of too many digits"),
        (b"P1 2 1\n12", "has 2, and its MAXVAL is 1"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "x.pnm"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught, opening.open_input(str(path)) as reader:
        reader.drain(lambda piece: None)  # type: ignore[union-attr]
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_line_at_the_end_is_no_image(tmp_path: Path):
    (tmp_path / "x.pgm").write_bytes(b"P5 2 1 255\n..\n")
    with opening.open_input(str(tmp_path / "x.pgm")) as reader:
        assert reader.spec == StackSpec(1, 1, 2, "uint8")


def test_names_and_notes(tmp_path: Path):
    def about(content: bytes) -> tuple[tuple[str, ...], str]:
        (tmp_path / "x").write_bytes(content)
        with opening.open_input(str(tmp_path / "x")) as reader:
            return reader.about.metadata.channels, "; ".join(reader.about.notes)

    head = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH %d\nMAXVAL 255\nTUPLTYPE %s\nENDHDR\n"
    assert about(b"P6 1 1 255\n...") == (("R", "G", "B"), "")
    assert about(b"P5 1 1 1023\n..") == (
        (),
        "MAXVAL 1023: the numbers are 0 to 1023, read as stored",
    )
    names, notes = about(head % (4, b"RGB_ALPHA") + b"....")
    assert names == ("R", "G", "B", "A")
    assert "channel 3, A, is marked as alpha" in notes
    assert about(head % (2, b"GRAYSCALE_ALPHA") + b"..")[0] == ("grey", "A")
    assert about(head % (3, b"SOMETHING") + b"...")[0] == ()
    assert "scale 2 in the header of the PFM is not applied" in about(b"Pf 1 1 2\n....")[1]


def test_a_folder_of_them_is_a_stack(tmp_path: Path):
    stack = np.random.default_rng(0).integers(0, 1000, (3, 4, 5)).astype(np.uint16)
    for number, channel in enumerate(stack):
        content = encoded(channel[None], "pgm", maxval=1023)
        (tmp_path / f"{number}.pgm").write_bytes(content)
    with opening.open_input(str(tmp_path)) as reader:
        assert reader.spec == StackSpec(3, 4, 5, "uint16")
        assert reader.about.metadata.channels == ("0", "1", "2")
        assert isinstance(reader, Reader)
        assert same_numbers(read_all(reader, [Slab(0, 1, 0, 20)], "uint16"), stack)


# --------------------------------------------------------------------------------- writing


@given(st.data(), images(2), st.booleans())
def test_what_is_written_is_what_netpbm_says(
    data: st.DataObject, image: tuple[str, list[Array]], several: bool
):
    kind, stacks = image
    name = kind.removeprefix("plain ")
    stacks = stacks[: 1 + several]
    with new_folder() as folder:
        np.save(folder / "x.npy", np.stack(stacks))
        rows = len(stacks[0])
        same = "; ".join(" ".join("01"[i == j] for i in range(rows)) for j in range(rows))
        done = onebyone(
            "apply", "x.npy", "--kernel", same, "--dtype", stacks[0].dtype.name,
            "-o", f"y.{name}", cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = np.stack(stacks) if several else stacks[0]
        assert same_numbers(loaded(str(folder / f"y.{name}"), data), found)
        # Pillow reads neither of the others.
        if name != "pam" and (rows == 1 or stacks[0].dtype == np.uint8):
            seen = np.asarray(Image.open(folder / f"y.{name}"))
            assert np.array_equal(
                seen.reshape(*stacks[0].shape[1:], rows), np.moveaxis(stacks[0], 0, -1)
            )


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        (
            "x.pgm",
            StackSpec(3, 4, 5, "uint8"),
            "a pgm image holds 1 channel, the result has 3",
        ),
        ("x.ppm", StackSpec(1, 4, 5, "uint8"), "a ppm image holds 3 channels, the result has 1"),
        ("x.ppm", StackSpec(3, 4, 5, "float32"), "ppm can't hold float32; use dtype=uint8 or"),
        ("x.pam", StackSpec(7, 4, 5, "float64"), "pam can't hold float64"),
        ("x.pam", StackSpec(7, 4, 5, "int16"), "pam can't hold int16; use dtype=uint16"),
        ("x.pfm", StackSpec(1, 4, 5, "float64"), "pfm can't hold float64; use dtype=float32"),
    ],
)
def test_what_an_image_cannot_hold(tmp_path: Path, name: str, spec: StackSpec, message: str):
    with pytest.raises(UsageError) as caught:
        opening.make_target(str(tmp_path / name)).make_writer(spec)
    assert message in str(caught.value)


def test_a_pnm_is_what_fits(tmp_path: Path):
    for shape, dtype, magic in (
        ((1, 4, 5), "bool", b"P4"),
        ((1, 4, 5), "uint16", b"P5"),
        ((3, 4, 5), "uint8", b"P6"),
        ((2, 4, 5), "uint8", b"P7"),
        ((3, 4, 5), "float32", b"PF"),
    ):
        np.save(tmp_path / "x.npy", np.zeros(shape, dtype))
        words = ["--kernel", ";".join(["0 " * shape[0]] * shape[0]), "--dtype", dtype]
        done = onebyone("apply", "x.npy", *words, "-o", "y.pnm", "-f", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "y.pnm").read_bytes()[:2] == magic


# --------------------------------------------------------------------------------- streams


def frames_of(count: int, kind: str = "ppm") -> bytes:
    rng = np.random.default_rng(count)
    stacks = rng.integers(0, 256, (count, 3, 6, 7), dtype=np.uint8)
    return b"".join(encoded(stack, kind) for stack in stacks)


def test_frames_are_transformed_one_after_another(tmp_path: Path):
    content = frames_of(5)
    done = onebyone(*FRAMES, "ppm", input=content, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == content


def test_frames_of_different_sizes(tmp_path: Path):
    content = frames_of(2) + encoded(np.ones((3, 2, 9), np.uint8), "ppm")
    done = onebyone(*FRAMES, "ppm", input=content, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, content)


@pytest.mark.parametrize("end", [-1, -100, -130])
def test_a_stream_that_ends_early(tmp_path: Path, end: int):
    content = frames_of(3)
    done = onebyone(*FRAMES, "ppm", input=content[:end], cwd=tmp_path)
    assert done.returncode == 65
    assert "image 2 (counting from 0)" in done.stderr
    assert content.startswith(done.stdout)
    assert len(done.stdout) == len(content) // 3 * 2


def test_without_frames_a_pipe_is_one_image(tmp_path: Path):
    done = onebyone("apply", "-", *SAME, "-o", "y.npy", input=frames_of(2), cwd=tmp_path)
    assert done.returncode == 65
    assert "expected exactly one (apply, fit and stats take several" in done.stderr
    assert not (tmp_path / "y.npy").exists()


def test_all_commands_take_a_stream(tmp_path: Path):
    content = frames_of(3)
    (tmp_path / "x.ppm").write_bytes(content)
    for words in (["stats"], ["fit", "-k", "2", "-o", "m.npz"]):
        done = onebyone(words[0], "-", "--each", *words[1:], input=content, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    whole = onebyone("stats", "x.ppm", cwd=tmp_path)
    assert onebyone("stats", "-", "--each", input=content, cwd=tmp_path).stdout == whole.stdout
    assert b"B" in whole.stdout


def test_more_frames_than_memory(tmp_path: Path):
    frame = encoded(np.full((3, 500, 700), 7, np.uint8), "ppm")
    (tmp_path / "frame").write_bytes(frame)

    def peak_of(count: int) -> float:
        line = f'for i in {{1..{count}}}; do cat frame; done | "$0" "$@" | wc -c'
        done = shell(line, *FRAMES, "ppm", "--memory", "8M", cwd=tmp_path)
        assert int(done.stdout) == count * len(frame), done.stderr
        found = re.search(r"peak ([0-9.]+) MiB", done.stderr)
        assert found
        return float(found[1])

    assert peak_of(60) < peak_of(2) + 8


def test_the_reader_may_leave(tmp_path: Path):
    (tmp_path / "x.ppm").write_bytes(frames_of(3))
    line = (
        'while cat x.ppm; do :; done 2>&- | "$0" "$@" | head -c 300 | wc -c; echo ${PIPESTATUS[1]}'
    )
    done = shell(line, *FRAMES, "ppm", cwd=tmp_path)
    assert done.stdout.split() == [b"300", b"141"], done.stderr


# ----------------------------------------------------------------------------- other tools


def has(*tools: str) -> pytest.MarkDecorator:
    missing = [tool for tool in tools if not shutil.which(tool)]
    return pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} not installed")


@has("ffmpeg")
@pytest.mark.parametrize(
    ("kind", "pixels"), [("ppm", "rgb24"), ("ppm", "rgb48be"), ("pam", "rgb24"), ("pgm", "gray")]
)
def test_ffmpeg_and_back(tmp_path: Path, kind: str, pixels: str):
    dtype, same = ("uint16" if "48" in pixels else "uint8"), SAME[1]
    if kind == "pgm":
        same = "1"
    line = (
        f"ffmpeg -v error -f lavfi -i testsrc=size=32x24:rate=5 -frames:v 4 -pix_fmt {pixels} "
        f'-f image2pipe -c:v {kind} - | tee in | "$0" "$@" | tee out | '
        "ffmpeg -v error -f image2pipe -c:v %s -i - -f rawvideo - | wc -c" % kind
    )
    words = ["apply", "-", "--kernel", same, "--dtype", dtype, "-o", "-", "--format", kind]
    done = shell(line, *words, cwd=tmp_path)
    size = np.dtype(dtype).itemsize * (1 if kind == "pgm" else 3)
    assert int(done.stdout) == 4 * 24 * 32 * size, done.stderr
    assert (tmp_path / "in").read_bytes() == (tmp_path / "out").read_bytes()


@has("ffmpeg")
def test_ffmpeg_and_back_without_headers(tmp_path: Path):
    line = (
        "ffmpeg -v error -f lavfi -i testsrc=size=32x24:rate=5 -frames:v 4 -pix_fmt rgb24 "
        '-f rawvideo - | tee in | "$0" "$@" | '
        "ffmpeg -v error -f rawvideo -pix_fmt rgb24 -s 32x24 -i - -f rawvideo - | cmp - in"
    )
    raw = ["--raw", "--shape", "24,32,3", "--dtype-in", "u1", "--layout", "HWC"]
    done = shell(line, *FRAMES, "raw", "--layout-out", "HWC", *raw, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr


@has("pamtopnm", "pamdepth", "pfmtopam", "pnmtoplainpnm")
def test_netpbm_reads_and_writes(tmp_path: Path):
    stack = np.random.default_rng(1).integers(0, 256, (3, 5, 7), dtype=np.uint8)
    np.save(tmp_path / "x.npy", stack)
    words = ["x.npy", *SAME]
    for name in ("y.pam", "y.ppm"):
        assert onebyone("apply", *words, "-o", name, cwd=tmp_path).returncode == 0

    def load_of(command: str) -> Array:
        subprocess.run(["bash", "-c", f"{command} > z"], cwd=tmp_path, check=True)
        done = onebyone("apply", "z", "--kernel", SAME[1], "-o", "z.npy", "-f", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found: Array = np.load(tmp_path / "z.npy")
        return found

    for command in ("pamtopnm y.pam", "pnmtoplainpnm y.ppm"):
        assert np.array_equal(load_of(command), stack), command
    deeper = load_of("pamdepth 1023 y.pam")
    assert np.array_equal(deeper, np.round(stack.astype(float) * 1023 / 255))


@has("vips")
def test_vips_reads_what_is_written(tmp_path: Path):
    stack = np.random.default_rng(2).integers(0, 65536, (3, 5, 7), dtype=np.uint16)
    np.save(tmp_path / "x.npy", stack)
    words = [*SAME[:2], "--dtype", "uint16"]
    done = onebyone("apply", "x.npy", *words, "-o", "y.ppm", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    subprocess.run(["vips", "rawsave", "y.ppm", "z.raw"], cwd=tmp_path, check=True)
    assert (tmp_path / "z.raw").read_bytes() == np.moveaxis(stack, 0, -1).tobytes()
