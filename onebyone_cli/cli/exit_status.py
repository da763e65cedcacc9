"""Run the program, map errors to exit statuses, and exit.

A run ends with a status, with an error in one line and its status, or by a signal. After a signal
the program cleans up and then raises the same signal, so that shells and make see what happened
(Cracauer, "Proper handling of SIGINT").
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from onebyone_cli import errors
from onebyone_cli.cli.terminal import console
from onebyone_cli.commit import temporaries
from onebyone_cli.errors import ExitStatus, setting, status_of
from onebyone_cli.units import printable

#: A batch system sends the last three before it ends a job.
_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGXCPU)

#: After these a job that has a checkpoint ends with a status; after others by the signal.
_REQUEUED = (signal.SIGTERM, signal.SIGUSR1, signal.SIGXCPU)

#: Time after which `_stop_later` raises a signal again.
_LATER_S = 0.01


#: The signals that were raised as exceptions.
_raised: list[errors.Stopped] = []


def run(program: Callable[[], Any]) -> NoReturn:
    """Run the program, clean up, and exit."""
    _reserve_standard_streams()
    console.speak_plainly()
    errors.spell_settings(as_option)
    died_of = 0
    status: int = ExitStatus.BUG
    temporaries.warn_with(lambda text: console.to_stderr(f"warning: {printable(text)}"))
    try:
        _catch_signals()  # from here on a signal is an exception; before, it ends us at once
        status = _status_of_run(program)
        with contextlib.suppress(*[OSError] * bool(status)):  # the first error is reported
            _flush()
    except errors.Stopped as stop:
        died_of = stop.number
        if stop.checkpoint and stop.number in _REQUEUED:
            died_of, status = 0, ExitStatus.STOPPED
            _print_error(_notice_of(stop), status)
        elif stop.checkpoint:
            console.error(str(_notice_of(stop)))
    except BrokenPipeError:
        died_of = signal.SIGPIPE
    except OSError as error:
        # Standard output failed only at the end.
        status = _report(errors.read_write_error("writing", "standard output", error))
    temporaries.discard_all()
    if died_of:
        _die_of(died_of)
    _leave(status)


def as_option(name: str, value: str) -> str:
    """Spell a setting as the command line does: ``--memory 1M``, or ``-k 3``."""
    dashes = "-" if len(name) == 1 else "--"
    return f"{dashes}{name.replace('_', '-')} {value}".rstrip()


def _status_of_run(program: Callable[[], Any]) -> int:
    try:
        status = program()
    except SystemExit as leave:
        # From completion, or from Typer when its output is no longer read.
        if isinstance(leave.__context__, BrokenPipeError):
            raise leave.__context__ from None
        return leave.code if isinstance(leave.code, int) else ExitStatus.DONE
    except BrokenPipeError:  # standard output is no longer read
        raise
    except Exception as error:
        # C code such as numpy's import replaces what is raised, and keeps no chain.
        if stop := _stop_behind(error) or (_raised and _raised[-1]):
            raise stop from None
        return _report(error) if isinstance(error, errors.OneByOneError) else _report_other(error)
    return status if isinstance(status, int) else ExitStatus.DONE


def _stop_behind(error: BaseException | None) -> errors.Stopped | None:
    """Find the signal in the causes of an error: some code wraps any exception in its own."""
    while error is not None and not isinstance(error, errors.Stopped):
        error = error.__cause__ or error.__context__
    return error


def _report_other(error: Exception) -> ExitStatus:
    if type(error).__name__ == "Abort":  # Typer's own, after a prompt was interrupted
        return ExitStatus.USAGE
    if hasattr(error, "format_message"):  # Typer's own: a wrong option, a missing argument
        return _report_usage(error, error.format_message())
    if isinstance(error, MemoryError):
        return _report(errors.ReadWriteError(f"out of memory; give a smaller {setting('memory')}"))
    if isinstance(error, OSError):
        path = os.fsdecode(error.filename) if error.filename else ""
        return _report(errors.read_write_error("reading or writing", path, error))
    return _report_bug(error)


def _report_usage(error: Exception, message: str) -> ExitStatus:
    if type(error).__name__ == "NoArgsIsHelpError":
        console.to_stderr(message)
        return ExitStatus.USAGE
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "onebyone"
    join = " See" if message.endswith("?") else "; see"
    return _report(errors.UsageError(f"{message.rstrip('.')}{join} {command} --help"))


def _report(error: errors.OneByOneError) -> ExitStatus:
    status = status_of(error)
    if _debugging():
        import traceback

        traceback.print_exception(error)
    _print_error(error, status)
    return status


def _notice_of(stop: errors.Stopped) -> errors.OneByOneError:
    return errors.OneByOneError(
        f"stopped; run the same command again{stop.advice} to resume, "
        f"or with {setting('resume', 'restart')} to start over",
        stop.checkpoint,
    )


def _print_error(error: errors.OneByOneError, status: int) -> None:
    console.error(str(error))
    if "--json" in sys.argv[1:]:
        content = {"code": int(status), "message": error.message, "path": error.path}
        with contextlib.suppress(errors.ReadWriteError):  # which may be this error
            console.Console(json=True).document({"error": content})


def _report_bug(error: Exception) -> ExitStatus:
    if _debugging():
        import traceback

        traceback.print_exception(error)
    console.error(
        f"this is a bug, please report it: {type(error).__name__}: {error} "
        "(run again with --debug for more)"
    )
    return ExitStatus.BUG


def _debugging() -> bool:
    return "--debug" in sys.argv[1:]


def _reserve_standard_streams() -> None:
    """Keep files from taking the descriptor of a standard stream that is closed.

    A null device opened in the other direction takes it, so that using the stream is an error.
    """
    for fd, mode in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, mode)  # the lowest free number is this one


def _catch_signals() -> None:
    for number in _SIGNALS:
        # nohup and `&` in a script make us ignore some signals; keep that.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.unraisablehook = _stop_later


def _stop_later(lost: "sys.UnraisableHookArgs") -> None:
    """Raise a signal again if it came where it could not be raised, as in a callback of h5py."""
    stop = lost.exc_value
    if not isinstance(stop, errors.Stopped):
        sys.__unraisablehook__(lost)
        return
    number = stop.number
    signal.signal(signal.SIGALRM, lambda _, frame: _stop(number, frame))
    signal.setitimer(signal.ITIMER_REAL, _LATER_S)


def _stop(number: int, frame: FrameType | None) -> None:
    """Stop at once, and ignore signals during the cleanup."""
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    _raised.append(errors.Stopped(number))
    raise _raised[-1]


def _die_of(number: int) -> NoReturn:
    # Python must not flush to a pipe that is no longer read.
    with contextlib.suppress(OSError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.close(nothing)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # only if the signal is blocked


def _flush() -> None:
    """Check that standard output took everything; standard error is flushed line by line."""
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def _leave(status: int) -> NoReturn:
    """Exit without unloading the interpreter: everything is flushed, closed and published.

    Unloading takes an eighth of the time of a program that only imports numpy and Typer (0.87 ×,
    median of 25 pairs).
    """
    os._exit(status)
