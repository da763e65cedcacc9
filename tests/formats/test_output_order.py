"""Outputs in another order of axes, and outputs without a header."""

from pathlib import Path

import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    cuts,
    new_folder,
    numbers_of,
    pixels_of,
    same_numbers,
    seeds,
    specs,
    stored,
)

from onebyone_cli.errors import UsageError
from onebyone_cli.formats import opening
from onebyone_cli.formats.arrays.in_pieces import pieces_of_item
from onebyone_cli.formats.arrays.layout import ordered_layout
from onebyone_cli.formats.contracts.writer import Writer
from onebyone_cli.spec import LAYOUTS, StackSpec
from onebyone_cli.stack.spool import Spool

orders = st.sampled_from(LAYOUTS)

RAW = ["--raw", "--shape", "4,5,3", "--dtype-in", "u1", "--layout", "HWC"]
SWAP = ["--kernel", "0 0 1; 0 1 0; 1 0 0", "--dtype", "uint8"]


@given(st.data(), specs(), seeds, orders, st.sampled_from(["x.npy", "x.bin"]))
def test_an_output_has_the_order_that_is_asked_for(
    data: st.DataObject, spec: StackSpec, seed: int, order: str, name: str
):
    stack = numbers_of(seed, spec)
    expected = stored(stack, order)
    with new_folder() as folder:
        path = folder / name
        writer = opening.make_target(str(path), layout=order).make_writer(spec)
        assert isinstance(writer, Writer)
        with writer:
            for slab in data.draw(cuts(spec)):
                writer.write(slab, np.ascontiguousarray(pixels_of(stack, slab)))
            writer.commit()
        if name == "x.npy":
            assert same_numbers(np.load(path), expected)
        else:
            assert path.read_bytes() == expected.tobytes()


@given(specs(), seeds, orders)
def test_a_pipe_gets_the_same_bytes_as_a_file(spec: StackSpec, seed: int, order: str):
    stack = numbers_of(seed, spec)
    layout = ordered_layout(spec, order)
    with Spool(spec.data_bytes, in_memory=True) as spool:
        spool.append(stack.data.cast("B"))
        pieces = [
            piece.tobytes()
            for item in range(spec.items)
            for piece in pieces_of_item(spool.planes(spec), item, layout)
        ]
    assert b"".join(pieces) == stored(stack, order).tobytes()


def test_frames_go_through_in_their_order(tmp_path: Path):
    """What `ffmpeg -f rawvideo` writes and reads: numbers only, pixel by pixel."""
    frames = np.random.default_rng(1).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    done = onebyone(
        "apply", "-", *RAW, *SWAP, "-o", "-", "--format", "raw", "--layout-out", "HWC", "--each",
        input=frames.tobytes(), cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == frames[..., ::-1].tobytes()


def test_a_batch_is_item_after_item(tmp_path: Path):
    batch = np.random.default_rng(2).integers(0, 256, (2, 3, 4, 5), dtype=np.uint8)
    np.save(tmp_path / "x.npy", batch)
    for extra in ([], ["-o", "-", "--format", "raw"]):
        target = extra or ["-o", str(tmp_path / "y.bin")]
        done = onebyone("apply", "x.npy", *SWAP, *target, "--layout-out", "HWC", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found = done.stdout if extra else (tmp_path / "y.bin").read_bytes()
        assert found == batch[:, ::-1].transpose(0, 2, 3, 1).tobytes()


def test_a_format_with_one_order_refuses_another(tmp_path: Path):
    with pytest.raises(
        UsageError, match=r"layout_out=HWC is for \.npy, \.img and \.bin outputs, not for"
    ):
        opening.make_target(str(tmp_path / "x.h5"), layout="HWC")


def test_shards_need_channel_after_channel(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.zeros((3, 4, 5), np.uint8))
    done = onebyone(
        "apply", "x.npy", *SWAP, "-o", tmp_path / "y.npy", "--layout-out", "HWC",
        "--shard", "0/2", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert "channel after channel at fixed offsets" in done.stderr


def test_a_raw_file_is_resumed_and_sharded_like_any_other(tmp_path: Path):
    stack = np.random.default_rng(3).integers(0, 256, (3, 40, 50), dtype=np.uint8)
    np.save(tmp_path / "x.npy", stack)
    for part in ("0/2", "1/2"):
        done = onebyone(
            "apply", "x.npy", *SWAP, "-o", tmp_path / "y.bin", "--shard", part, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
    assert onebyone("merge", "y.bin", cwd=tmp_path).returncode == 0
    assert (tmp_path / "y.bin").read_bytes() == stack[::-1].tobytes()


def test_a_file_without_a_header_must_be_described(tmp_path: Path):
    (tmp_path / "x.bin").write_bytes(bytes(60))
    done = onebyone("apply", "x.bin", *SWAP, "-o", "y.npy", cwd=tmp_path)
    assert done.returncode == 65
    assert "has no header; describe its numbers with --raw, --shape and --dtype-in" in done.stderr


def test_counts_of_all_frames_are_told(tmp_path: Path):
    frames = np.full((3, 4, 5, 3), 200, np.uint8)
    done = onebyone(
        "apply", "-", *RAW, "--kernel", "2 0 0", "--dtype", "uint8", "-o", "-", "--format", "raw",
        input=frames.tobytes(), cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == b"\xff" * 60
    assert "3 stacks written" in done.stderr
    assert "; 60 values saturated" in done.stderr
