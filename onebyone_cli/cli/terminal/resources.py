"""Measure the time and memory of a job, for the end of its closing line."""

import time
from typing import NamedTuple

from onebyone_cli.units import format_bytes


class Spent(NamedTuple):
    """Resources of a job: bytes of pixels moved and peak memory are 0 if unknown."""

    seconds: float
    moved: int
    peak: int

    def __str__(self) -> str:
        """Write the end of a closing line, as in `` in 0.12 s, 801.1 MiB/s, peak 44.0 MiB``."""
        digits = 2 if self.seconds >= 0.1 else 3
        parts = [f" in {self.seconds:.{digits}f} s"]
        if self.moved:
            parts.append(f"{format_bytes(self._rate)}/s")
        if self.peak:
            parts.append(f"peak {format_bytes(self.peak)}")
        return ", ".join(parts)

    def document(self) -> dict[str, float | int | None]:
        """Return the same for programs; None if unknown."""
        return {
            "seconds": round(self.seconds, 6),
            "bytes_per_second": self._rate if self.moved else None,
            "peak_bytes": self.peak or None,
        }

    @property
    def _rate(self) -> int:
        return int(self.moved / max(self.seconds, 1e-9))


def spent_since(started: float, moved: int = 0) -> Spent:
    """Return the resources since `started`, a value of `time.monotonic`."""
    return Spent(time.monotonic() - started, moved, peak_memory())


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes; 0 if unknown.

    Linux reports the high-water mark of this program. getrusage also counts what the process was
    before exec, such as a large program that starts this one.
    """
    try:
        with open("/proc/self/status", "rb") as file:
            for line in file:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
