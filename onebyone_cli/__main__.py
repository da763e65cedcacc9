"""Where the program begins: the command ``onebyone`` and ``python -m onebyone_cli``."""

import gc
import os
import signal
import sys
from typing import NoReturn

from onebyone_cli.system import blas


def main() -> NoReturn:
    """Run the program and leave with its exit status."""
    # Until there is something to clear up, Ctrl-C ends us at once, in the middle of imports too;
    # Python's own handler would print a traceback. Ignored signals stay ignored (nohup, &).
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if os.environ.get("ONEBYONE_ATTENDED") == "1":
        stop_when_input_closes()
    # Imports make many objects and no garbage; looking for it takes 4 % of a short run.
    gc.set_threshold(100_000)
    blas.set_up()  # before numpy is imported, which is later
    is_completing = "_ONEBYONE_COMPLETE" in os.environ
    if is_completing:
        # For completion Typer imports rich, to take markup out of help that has none. None in
        # this table means: not installed.
        sys.modules["rich"] = None  # type: ignore[assignment]
    from onebyone_cli.cli import direct, exit_status

    if is_completing:
        from onebyone_cli.cli.terminal.completion import completing

        exit_status.run(completing)
    exit_status.run(direct.run)


def stop_when_input_closes() -> None:
    """Stop as after SIGTERM when standard input is closed: the program that started us has ended.

    Where that happens in the middle of a job, a checkpoint is kept if the job takes any.
    """
    import threading

    def watch() -> None:
        try:
            while os.read(0, 4096):
                pass
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
