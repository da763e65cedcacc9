"""Run a command, and collect the orphans among its descendants as an init should.

A Slurm without cgroups believes that a job runs as long as one process of its group is known to
the kernel, ended or not. What watches over a job is an orphan by design, and so are processes that
a job leaves behind. The first process of a container often collects them late or never.
"""

import ctypes
import os
import signal
import sys

#: Of <linux/prctl.h>: orphans become our children instead of those of process 1.
_PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Nobody may end us before we can hand it on.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.posix_spawnp(command[0], command, os.environ, setsigmask=[])
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    while True:
        pid, status = os.wait()
        if pid == child:
            return abs(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
