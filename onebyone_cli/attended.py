"""The program for as long as somebody holds its standard input.

``python -m onebyone_cli.attended`` is for whoever runs it as a part of something larger. Where that
ends, in whatever way, the system closes its end of the pipe, and the program stops as it does after
SIGTERM: with a checkpoint, if it takes any.
"""

import os
import signal
import threading
from typing import NoReturn

from onebyone_cli.__main__ import main


def run() -> NoReturn:
    """Run the program until it is done or nobody attends to it."""
    threading.Thread(target=_watch, daemon=True).start()
    main()


def _watch() -> None:
    try:
        while os.read(0, 4096):
            pass
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    run()
