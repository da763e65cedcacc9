"""Setting up the BLAS that numpy brings, which reads the environment when it is loaded."""

import os

#: Family of AMD's Zen 3 and Zen 4 processors, as the system tells it.
_ZEN_3_AND_4 = b"cpu family\t: 25\n"


def set_up() -> None:
    """Give the BLAS one thread, and the kernels that suit the processor.

    Worker threads are ours; a BLAS with threads of its own would use every core twice.

    On Zen 4 OpenBLAS takes kernels made for Intel's AVX-512. For matrices as flat as ours its own
    for Zen are much faster: (20, 50) × (50, 4096) in float32 takes 0.62, (50, 4096) times its
    transpose in float64 0.70 of the time (OpenBLAS 0.3.31, EPYC). Zen 3 gets them anyway. What
    the user has set stays.
    """
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
