"""Where the program begins: the command ``onebyone`` and ``python -m onebyone_cli``."""

import os
import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the program and leave with its exit status."""
    # Until there is something to clear up, Ctrl-C ends us at once, in the middle of imports too;
    # Python's own handler would print a traceback. Ignored signals stay ignored (nohup, &).
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Worker threads are ours; a BLAS with threads of its own would use every core twice. It reads
    # these when numpy is imported, which is later.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    if "_ONEBYONE_COMPLETE" in os.environ:
        # For completion Typer imports rich, to take markup out of help that has none. None in
        # this table means: not installed.
        sys.modules["rich"] = None  # type: ignore[assignment]
    from onebyone_cli.cli import app, exit_status

    exit_status.run(app)


if __name__ == "__main__":
    main()
