"""Numbers, again, with each kernel that OpenBLAS has for this processor.

OpenBLAS takes a kernel by the processor, and kernels round differently: with fused multiply-add or
without, and in another order. What holds on one machine only fails here.
"""

import ctypes
import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent

#: What /proc/cpuinfo has to say of a processor that can run a kernel of this name. That of Zen is
#: the one of Haswell where OpenBLAS was built without it, as for the packages of numpy.
NEEDS = {
    "Prescott": {"pni"},
    "Nehalem": {"sse4_2"},
    "Haswell": {"avx2", "fma"},
    "Zen": {"avx2", "fma"},
    "SkylakeX": {"avx512f", "avx512dq", "avx512bw", "avx512cd", "avx512vl"},
}

#: Tests of numbers that this process computes itself.
TESTS = (
    "tests/learners",
    "tests/test_conv1x1.py",
    "tests/test_learn.py",
    "tests/test_linear_algebra.py",
    # Slow ones in which there is no product, or nothing but one.
    "--ignore=tests/learners/test_channel_statistics.py",
    "--deselect=tests/test_linear_algebra.py"
    "::test_a_matrix_too_large_for_singular_values_is_told_as_such",
)

_NAME_OF_KERNEL = "from test_kernels_of_blas import kernel_of_blas; print(kernel_of_blas())"


def kernel_of_blas() -> str:
    """Name the kernel that numpy's OpenBLAS has taken; empty where it has none to be asked."""
    folders = [Path(np.__file__).parent.parent / "numpy.libs", Path(np.__file__).parent / ".dylibs"]
    for path in sorted(found for folder in folders for found in folder.glob("*openblas*")):
        library = ctypes.CDLL(str(path))
        for name in ("scipy_openblas_get_corename64_", "scipy_openblas_get_corename"):
            ask = getattr(library, name, None)
            if ask is not None:
                ask.restype = ctypes.c_char_p
                return str(ask().decode())
    return ""


def flags_of_processor() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.split()}


def environment(kernel: str) -> dict[str, str]:
    handed_on = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
    handed_on.pop("HYPOTHESIS_PROFILE", None)
    return {**handed_on, "OPENBLAS_CORETYPE": kernel, "PYTHONPATH": str(ROOT / "tests")}


@functools.cache
def kernel_under(name: str) -> str:
    """Name the kernel that a process takes which is told to take one."""
    command = [sys.executable, "-c", _NAME_OF_KERNEL]
    done = subprocess.run(
        command, env=environment(name), cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def skip_unless_new(kernel: str) -> None:
    missing = NEEDS[kernel] - flags_of_processor()
    if missing:
        pytest.skip(f"the processor lacks {', '.join(sorted(missing))}")
    if not kernel_of_blas():
        pytest.skip("numpy has no OpenBLAS that says which kernel it takes")
    taken = kernel_under(kernel)
    if taken == kernel_of_blas():
        pytest.skip(f"OpenBLAS takes {taken}, which all the other tests run with")
    names = list(NEEDS)
    for earlier in names[: names.index(kernel)]:
        if NEEDS[earlier] <= flags_of_processor() and kernel_under(earlier) == taken:
            pytest.skip(f"OpenBLAS takes {taken}, as it does for {earlier}")


@pytest.mark.parametrize("kernel", NEEDS)
def test_numbers(kernel: str):
    skip_unless_new(kernel)
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "few_examples"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--hypothesis-profile=few", *TESTS],
        env=environment(kernel),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_variable_takes_effect():
    """A skip for a kernel that is taken anyway must not hide that none is ever changed."""
    if not kernel_of_blas() or not NEEDS["Haswell"] <= flags_of_processor():
        pytest.skip("there is one kernel to choose from")
    assert kernel_under("Haswell") != kernel_under("Prescott")
