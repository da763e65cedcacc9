"""Settings for all tests; read before any test module imports numpy."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

from onebyone_cli.system import blas

blas.set_up()  # as the program does; numpy reads it once, when it is imported

import command  # noqa: E402 (after the environment)
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402
from strategies import PROFILE, PROFILES  # noqa: E402

# A process starts with the signals ignored that its parent ignores: `nohup make test` and
# `make test &` in a script are to find what any other run finds.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGXCPU):
    signal.signal(_number, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, ())

# Fresh inputs in every run; times of a shared machine are no property of the program.
_SHARED = {
    "deadline": None,
    "derandomize": False,
    "suppress_health_check": [HealthCheck.too_slow],
}
for _name, _times in PROFILES.items():
    settings.register_profile(_name, max_examples=50 * _times, **_SHARED)
settings.load_profile(PROFILE)


def pytest_sessionfinish() -> None:
    command.close_fork_server()


#: What the present test has started.
_begun: list[subprocess.Popen[bytes]] = []


def _begin(process: subprocess.Popen[bytes], *args: object, **options: object) -> None:
    _START(process, *args, **options)  # type: ignore[arg-type]
    _begun.append(process)


_START = subprocess.Popen.__init__
subprocess.Popen.__init__ = _begin  # type: ignore[assignment,method-assign]


@pytest.fixture(autouse=True)
def _nothing_outlives_its_test() -> Iterator[None]:
    """End what a test has started and, as it failed, has not ended; fixtures do so themselves."""
    _begun.clear()
    yield
    for process in _begun:
        if process.poll() is None and not command.serves_forks(process):
            with contextlib.suppress(ProcessLookupError):
                alone = os.getpgid(process.pid) != process.pid
                (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
            process.wait()
        for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
            with contextlib.suppress(OSError):
                pipe.close()
    _begun.clear()
