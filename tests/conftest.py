"""Settings for all tests; read before any test module imports numpy."""

import os

# As `cli.main` does: worker threads are ours, so BLAS gets none of its own. It reads these once.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

from hypothesis import HealthCheck, settings  # noqa: E402 (after the environment)

# Fresh inputs in every run; times of a shared machine are no property of the program.
_SHARED = {
    "deadline": None,
    "derandomize": False,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("quick", max_examples=50, **_SHARED)
settings.register_profile("thorough", max_examples=1000, **_SHARED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
