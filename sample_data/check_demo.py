"""Compare what `make demo` wrote with the results that are stored with the samples.

    python sample_data/check_demo.py [FOLDER]

Prints one line for each result and exits with 1 when one is missing or differs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

HERE = Path(__file__).resolve().parent

# The results are float32 sums of a few numbers of ordinary size: far closer than this.
FLOAT_TOLERANCE = 1e-5
# Where the exact grey value ends in one half, float32 may fall on the other side of it.
GREY_TOLERANCE = 1.0


class Comparison(NamedTuple):
    """A file of the demo, the stored result it must equal, and how nearly."""

    made: str
    stored: str
    tolerance: float = FLOAT_TOLERANCE


COMPARISONS = (
    Comparison("digit2.npy", "digits/digit2_output.npy", 0.0),
    Comparison("digit3.npy", "digits/digit3_output.npy", 0.0),
    Comparison("math.npy", "math/expected.npy"),
    Comparison("math_from_images.h5", "math/expected.npy"),
    Comparison("inception.npy", "inception/expected.npy"),
    Comparison("flower_grey.png", "flower/expected_grey.npy", GREY_TOLERANCE),
    Comparison("mean_digits.npy", "handwritten/expected.npy", 0.0),
)


def load(path: Path) -> Array:
    """Return a file's numbers as float64, channels first."""
    if path.suffix == ".npy":
        array = np.load(path, allow_pickle=False)
    elif path.suffix == ".h5":
        array = load_h5(path)
    else:
        from PIL import Image

        with Image.open(path) as image:
            array = np.asarray(image)[None]
    return np.asarray(array, np.float64)


def load_h5(path: Path) -> Array:
    """Return the only dataset of an HDF5 file."""
    import h5py

    with h5py.File(path) as file:
        datasets: list[Any] = []
        file.visititems(lambda _, item: datasets.append(item) if hasattr(item, "shape") else None)
        (dataset,) = datasets
        return np.asarray(dataset[()])


def fault(made: Path, stored: Path, tolerance: float) -> str | None:
    """Return what is wrong with the file `made`, or None."""
    if not made.exists():
        return "is missing"
    ours, theirs = load(made), load(stored)
    if ours.shape != theirs.shape:
        return f"has shape {ours.shape}, not {theirs.shape}"
    if not np.allclose(ours, theirs, rtol=tolerance, atol=tolerance):
        return f"differs by up to {np.abs(ours - theirs).max():g}"
    return None


def main(arguments: list[str]) -> int:
    """Check every result and return the exit status."""
    folder = Path(arguments[0]) if arguments else Path("demo")
    status = 0
    for made, stored, tolerance in COMPARISONS:
        found = fault(folder / made, HERE / stored, tolerance)
        verdict = f"WRONG: {found}; see" if found else "ok, equals"
        print(f"{folder / made}: {verdict} {HERE.name}/{stored}")
        status |= bool(found)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
