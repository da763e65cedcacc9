"""Configure the BLAS of numpy, which reads the environment when it is loaded."""

import os

#: Line of ``/proc/cpuinfo`` on AMD's Zen 3 and Zen 4.
_ZEN_3_AND_4 = b"cpu family\t: 25\n"

#: Keeps the value that ``OMP_NUM_THREADS`` had before `set_up`.
USERS_THREADS = "ONEBYONE_USERS_OMP_NUM_THREADS"


def set_up() -> None:
    """Set the BLAS to one thread, and to the kernels that suit the processor.

    Our workers are the threads: BLAS threads of their own would use each core twice.

    On Zen 4, OpenBLAS selects kernels for Intel's AVX-512. Its Zen kernels are faster for flat
    matrices: (20, 50) × (50, 4096) in float32 takes 0.62 of the time, (50, 4096) times its
    transpose in float64 takes 0.70 (OpenBLAS 0.3.31, EPYC). Zen 3 uses them anyway. A value that
    the user has set stays.
    """
    # `system.limits` uses what the user has set, in child processes as well.
    os.environ.setdefault(USERS_THREADS, os.environ.get("OMP_NUM_THREADS", ""))
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    if "OPENBLAS_CORETYPE" not in os.environ and _is_zen_3_or_4():
        os.environ["OPENBLAS_CORETYPE"] = "Zen"


def _is_zen_3_or_4() -> bool:
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            return _ZEN_3_AND_4 in file.read(1024)
    except OSError:
        return False
