"""Stacks and weights that are measured with, made once and kept in the folder for data."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from measuring import Command

HERE = Path(__file__).resolve().parent
GENERATOR = HERE.parent / "sample_data" / "make_sample_data.py"

CHANNELS, FILTERS = 50, 20
FLOAT32 = 4
SMALL_SIDE, PIPE_SIDE, LARGE_SIDE = 600, 2317, 6000  # 72 MB, 1 GiB, 7.2 GB
# A .npy header with the padding that NumPy gives it.
NPY_HEADER = 128

MEBIBYTE = 2**20
# Left free on the disk besides what the job itself writes.
DISK_RESERVE = 1024 * MEBIBYTE


def stack_bytes(channels: int, side: int) -> int:
    """Return the size of a float32 .npy stack."""
    return NPY_HEADER + channels * side * side * FLOAT32


def stack_file(folder: Path, side: int) -> Path:
    """Return where the generator puts the stack."""
    return folder / f"large_{CHANNELS}x{side}x{side}.npy"


def weights_file(folder: Path) -> Path:
    """Return where the generator puts the weights."""
    return folder / f"large_weights_{FILTERS}x{CHANNELS}.npy"


def provide_stack(folder: Path, side: int) -> Path:
    """Make the stack and the weights unless they are there already."""
    stack = stack_file(folder, side)
    if not (stack.exists() and weights_file(folder).exists()):
        print(f"making {stack} ...", file=sys.stderr)
        command: Command = [sys.executable, GENERATOR, "--large", folder, "--side", str(side)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return stack


def provide_numbers(stack: Path) -> Path:
    """Make a file of the numbers of a stack alone, without the header, unless it is there."""
    numbers = stack.with_suffix(".raw")
    if not numbers.exists():
        part = numbers.with_suffix(".part")
        with open(stack, "rb") as whole, open(part, "wb") as rest:
            whole.seek(NPY_HEADER)
            shutil.copyfileobj(whole, rest, 16 * MEBIBYTE)
        part.rename(numbers)
    return numbers


def provide_vips_input(folder: Path, stack: Path, side: int) -> tuple[Path, Path]:
    """Make the stack in vips' own format, and its matrix, unless they are there already."""
    image, matrix = stack.with_suffix(".v"), weights_file(folder).with_suffix(".mat")
    if not (image.exists() and matrix.exists()):
        pixels = stack.with_suffix(".raw")
        run_tool("vips_input.py", stack, weights_file(folder), pixels, matrix)
        size = [str(side), str(side), str(CHANNELS)]
        subprocess.run(["vips", "rawload", pixels, image, *size, "--format", "float"], check=True)
        pixels.unlink()
    return image, matrix


def run_tool(script: str, *arguments: Path) -> None:
    """Run a helper script of this folder; its complaint ends the benchmark."""
    if subprocess.run([sys.executable, HERE / script, *arguments], check=False).returncode:
        sys.exit(f"{script} failed")


def has_room(folder: Path, side: int) -> bool:
    """Tell whether the large job fits on the disk, and say so if it does not."""
    # The warm-up leaves the outputs of all three commands until they have been compared.
    needed = 3 * stack_bytes(FILTERS, side) + DISK_RESERVE
    if not stack_file(folder, side).exists():
        needed += stack_bytes(CHANNELS, side)
    free = shutil.disk_usage(folder).free
    if free < needed:
        print(
            f"\nlarge: skipped, {folder} has {free / 1e9:.1f} GB free and {needed / 1e9:.1f} GB"
            " are needed; name another place with --folder or a smaller --large-side"
        )
    return free >= needed
