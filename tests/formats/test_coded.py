"""bfloat16 and 8-bit floats: read exactly, from .npy and raw numbers, in any order."""

import math
import struct
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from command import onebyone
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    Array,
    cuts,
    fifo_of,
    grid_of,
    grids,
    laid_out,
    layouts,
    new_folder,
    read_all,
    read_grid,
    same_numbers,
    seeds,
    specs,
)

from onebyone_cli.errors import DataError, UsageError
from onebyone_cli.formats import opening
from onebyone_cli.formats.contracts.about import RawSpec
from onebyone_cli.spec import CODED_BYTES
from onebyone_cli.stack.selected import select
from onebyone_cli.stack.selection import parse_selection
from onebyone_cli.stack.sources import hold_streams

#: Bits of exponent and fraction.
_BITS = {"bfloat16": (8, 7), "float8_e4m3fn": (4, 3), "float8_e5m2": (5, 2)}


def number_of(bits: int, coded: str) -> float:
    """The number that bits mean, by the definition of the type."""
    exponents, fractions = _BITS[coded]
    sign = -1.0 if bits >> (exponents + fractions) else 1.0
    exponent = bits >> fractions & (1 << exponents) - 1
    fraction = bits & (1 << fractions) - 1
    largest, bias = (1 << exponents) - 1, (1 << exponents - 1) - 1
    if coded == "float8_e4m3fn":
        if (exponent, fraction) == (largest, 7):
            return math.nan
    elif exponent == largest:
        return math.nan if fraction else sign * math.inf
    whole = fraction + (1 << fractions if exponent else 0)
    return sign * math.ldexp(whole, max(exponent, 1) - bias - fractions)


@pytest.mark.parametrize("coded", CODED_BYTES)
def test_every_number_is_exact(coded: str, tmp_path: Path):
    size = CODED_BYTES[coded]
    every = np.arange(1 << 8 * size, dtype=f"<u{size}")
    every.tofile(tmp_path / "x")
    raw = RawSpec((1, 1 << 4 * size, 1 << 4 * size), coded)
    with opening.open_input(str(tmp_path / "x"), raw=raw) as reader:
        found = read_all(reader, list(_whole(reader.spec)), "float32")
    expected = np.array([number_of(bits, coded) for bits in range(every.size)], "float32")
    assert same_numbers(found.reshape(-1), expected)


def _whole(spec):  # type: ignore[no-untyped-def]
    from onebyone_cli.plan.tiles import iter_slabs

    return iter_slabs(spec, 1, spec.pixels)


@given(
    st.data(),
    specs(dtype=st.just("float32")),
    seeds,
    layouts,
    st.sampled_from(sorted(CODED_BYTES)),
    st.booleans(),
    st.sampled_from(["float32", "float64"]),
)
def test_any_slab_and_grid(data, spec, seed, layout, coded, is_pipe, dtype):  # type: ignore[no-untyped-def]
    size = CODED_BYTES[coded]
    big = data.draw(st.booleans())
    bits = np.random.default_rng(seed).integers(0, 1 << 8 * size, spec.shape)
    stack = np.vectorize(lambda each: number_of(int(each), coded))(bits).astype(dtype)
    array = np.ascontiguousarray(laid_out(bits, layout)).astype(f"{'>' if big else '<'}u{size}")
    raw = RawSpec(array.shape, coded, big)
    channels = data.draw(st.sets(st.integers(0, spec.channels - 1), min_size=1).map(sorted))
    with new_folder() as folder, ExitStack() as opened:
        (folder / "x").write_bytes(array.tobytes())
        name = folder / "x"
        if is_pipe:
            name = opened.enter_context(fifo_of(array.tobytes()))
        reader = opened.enter_context(opening.open_input(str(name), layout=layout, raw=raw))
        assert reader.spec == spec
        chosen = select([reader], parse_selection(",".join(map(str, channels))))
        (held,), _ = hold_streams(chosen, 0, opened, lambda step, done, total: None)
        wanted = stack[..., channels, :, :]
        assert same_numbers(read_all(held, data.draw(cuts(held.spec)), dtype), wanted)
        grid = data.draw(grids(held.spec))
        assert same_numbers(read_grid(held, grid, dtype), grid_of(wanted, grid))


# --------------------------------------------------------------------------------- .npy


def save(path: Path, descr: str, bits: Array) -> None:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {bits.shape}, }}"
    header = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
    path.write_bytes(start + header + bits.tobytes())


NUMBERS = np.arange(24, dtype="f4").reshape(2, 3, 4)
HALVES = (NUMBERS.view("u4") >> 16).astype("u2")


@pytest.mark.parametrize("descr", ["bfloat16", "<V2", "|V2", "V2"])
@pytest.mark.parametrize("command", ["stats", "info", "apply"])
def test_a_file_of_bfloat16(descr: str, command: str, tmp_path: Path):
    save(tmp_path / "x.npy", descr, HALVES)
    more = ["--kernel", "1 0; 0 1", "-o", "y.npy"] if command == "apply" else []
    stated = ["--dtype-in", "bfloat16"] if descr != "bfloat16" else []
    if stated:
        done = onebyone(command, "x.npy", *more, cwd=tmp_path)
        assert done.returncode == 65
        assert "does not name" in done.stderr
        assert "give --dtype-in bfloat16" in done.stderr
    done = onebyone(command, "x.npy", *more, *stated, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    if command == "apply":
        assert same_numbers(np.load(tmp_path / "y.npy"), NUMBERS)
    if command == "info":
        assert b"bfloat16, read as float32, little-endian" in done.stdout


@pytest.mark.parametrize("descr", ["|V1", "<f1"])
def test_a_file_of_eight_bits_has_two_readings(descr: str, tmp_path: Path):
    bits = np.arange(256, dtype="u1").reshape(1, 16, 16)
    save(tmp_path / "x.npy", descr, bits)
    with pytest.raises(DataError, match="float8_e4m3fn or dtype_in=float8_e5m2"):
        opening.open_input(str(tmp_path / "x.npy"))
    with pytest.raises(DataError, match="numbers of 8 bits"):
        opening.open_input(str(tmp_path / "x.npy"), raw=RawSpec((), "bfloat16"))
    raw = RawSpec((), "float8_e5m2")
    with opening.open_input(str(tmp_path / "x.npy"), raw=raw) as reader:
        assert reader.spec.dtype == "float32"


def test_a_type_is_stated_only_where_it_is_open(tmp_path: Path):
    np.save(tmp_path / "x.npy", NUMBERS)
    with pytest.raises(UsageError, match="says that its numbers are float32; leave out dtype_in"):
        opening.open_input(str(tmp_path / "x.npy"), raw=RawSpec((), "bfloat16"))
    (tmp_path / "x.pgm").write_bytes(b"P5 1 1 255 \0")
    with pytest.raises(UsageError, match="names the type of its numbers; leave out dtype_in"):
        opening.open_input(str(tmp_path / "x.pgm"), raw=RawSpec((), "bfloat16"))


def test_they_are_not_written(tmp_path: Path):
    np.save(tmp_path / "x.npy", NUMBERS)
    args = ["apply", "x.npy", "--kernel", "1 1", "-o", "y.npy", "--dtype", "bfloat16"]
    done = onebyone(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert "--dtype bfloat16 is unknown" in done.stderr


def test_weights_name_their_type(tmp_path: Path):
    save(tmp_path / "w.npy", "<V2", HALVES[0])
    np.save(tmp_path / "x.npy", NUMBERS)
    done = onebyone("apply", "x.npy", "-w", "w.npy", "-o", "y.npy", cwd=tmp_path)
    assert done.returncode == 65
