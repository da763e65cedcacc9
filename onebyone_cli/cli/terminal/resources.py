"""What a job took: time, and memory; the end of its closing line."""

import time
from typing import NamedTuple

from onebyone_cli.units import format_bytes


class Spent(NamedTuple):
    """What a job took.

    Attributes
    ----------
    seconds : float
        From the first pixel to the published output.
    moved : int
        Bytes of pixels read and written; 0 where nobody knows, such as after an earlier run.
    peak : int
        Largest memory that the process has had so far, in bytes; 0 where the system won't say.
    """

    seconds: float
    moved: int
    peak: int

    def __str__(self) -> str:
        """Say it behind what was done, as in `` in 0.12 s, 801.1 MiB/s, peak 44.0 MiB``."""
        digits = 2 if self.seconds >= 0.1 else 3
        parts = [f" in {self.seconds:.{digits}f} s"]
        if self.moved:
            parts.append(f"{format_bytes(self._rate)}/s")
        if self.peak:
            parts.append(f"peak {format_bytes(self.peak)}")
        return ", ".join(parts)

    def document(self) -> dict[str, float | int | None]:
        """Gather the same for programs; None for what is not known."""
        return {
            "seconds": round(self.seconds, 6),
            "bytes_per_second": self._rate if self.moved else None,
            "peak_bytes": self.peak or None,
        }

    @property
    def _rate(self) -> int:
        return int(self.moved / max(self.seconds, 1e-9))


def spent_since(started: float, moved: int = 0) -> Spent:
    """Take stock at the end of a job.

    Parameters
    ----------
    started : float
        What `time.monotonic` said at its beginning.
    moved : int
        Bytes of pixels read and written.
    """
    return Spent(time.monotonic() - started, moved, peak_memory())


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes; 0 if unknown.

    Where Linux tells the high-water mark of this very program, that is taken: what getrusage says
    is never below what the process had been before it became this program, and a large program
    that starts us by fork and exec would be counted as ours.
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
