"""Settings for all tests; read before any test module imports numpy."""

import os

from onebyone_cli.system import blas

blas.set_up()  # as the program does; numpy reads it once, when it is imported

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
