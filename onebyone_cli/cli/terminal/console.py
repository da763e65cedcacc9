"""Print messages on standard error, and data on standard output.

Control characters are escaped, because names in a data file may hold any: a file must not control
the terminal.
"""

import codecs
import errno
import os
import sys
from collections.abc import Container, Sequence
from io import TextIOWrapper
from typing import Any, TextIO

from onebyone_cli.errors import read_write_error
from onebyone_cli.units import printable

#: More columns than any table has.
_WIDEST = 10_000

#: Headings of columns that hold texts in most tables.
_NAMES = ("name",)


class Console:
    """Standard error and standard output.

    Parameters
    ----------
    quiet : bool
        Print only errors.
    verbose : bool
        Print more.
    json : bool
        Print one JSON document on standard output, and otherwise only errors.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, json: bool = False) -> None:
        self.quiet = quiet or json
        self.verbose = verbose
        self.json = json
        self._hints: list[str] = []

    @property
    def is_terminal(self) -> bool:
        """Whether standard error is a terminal that can redraw a line."""
        return _is_terminal(sys.stderr) and os.environ.get("TERM", "dumb") not in ("dumb", "")

    def say(self, text: str) -> None:
        """Print a message, unless quiet."""
        self.show_hints()
        if not self.quiet:
            to_stderr(printable(text))

    def hint(self, text: str) -> None:
        """Print a message before the next one: not at all if an error comes first."""
        self._hints.append(text)

    def show_hints(self) -> None:
        """Print the hints so far, unless quiet."""
        while self._hints and not self.quiet:
            to_stderr(printable(self._hints.pop(0)))

    def detail(self, text: str) -> None:
        """Print a message if verbose."""
        if self.verbose:
            self.say(text)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table on standard error: drawn on a terminal, plain lines elsewhere."""
        self.show_hints()
        if self.quiet:
            return
        if self.is_terminal:
            _draw_table(header, rows, _NAMES, sys.stderr)
        else:
            to_stderr("\n".join(table_lines(header, rows)))

    def document(self, content: dict[str, Any]) -> None:
        """Print the JSON document if it was asked for; the last output of a command."""
        self.show_hints()
        if not self.json:
            return
        import json

        # Escapes keep the document valid UTF-8: surrogates stand for bytes that are not text.
        print_out(json.dumps(content, ensure_ascii=True))


def table_lines(
    header: Sequence[str], rows: Sequence[Sequence[str]], texts: Container[str] = _NAMES
) -> list[str]:
    """Set a table in plain lines: texts to the left, numbers to the right.

    >>> table_lines(["path", "channels"], [["a.npy", "50"], ["longer.npy", "3"]], ["path"])
    ['path        channels', 'a.npy             50', 'longer.npy         3']
    """
    columns = []
    for name, *cells in zip(header, *rows, strict=True):
        column = [printable(cell) for cell in (name, *cells)]
        width = max(map(len, column))
        columns.append([c.ljust(width) if name in texts else c.rjust(width) for c in column])
    return ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], texts: Container[str] = _NAMES
) -> None:
    """Print a table on standard output; columns in `texts` are set to the left.

    Raises
    ------
    ReadWriteError
        If standard output is closed or full.
    """
    if _is_terminal(sys.stdout) and os.environ.get("TERM", "dumb") not in ("dumb", ""):
        _draw_table(header, rows, texts, sys.stdout)
    else:
        print_out("\n".join(table_lines(header, rows, texts)))


def _draw_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    texts: Container[str],
    stream: TextIO | None,
) -> None:
    from rich import box
    from rich.console import Console as RichConsole
    from rich.table import Table

    # The terminal wraps the lines, so that rich does not shorten numbers.
    console = RichConsole(file=stream, markup=False, emoji=False, highlight=False, width=_WIDEST)
    style = "" if console.no_color else "bold"
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style=style)
    for name in header:
        table.add_column(printable(name), justify="left" if name in texts else "right")
    for row in rows:
        table.add_row(*map(printable, row))
    console.print(table)


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is open and a terminal; None is a stream that was closed at the start."""
    return stream is not None and stream.isatty()


#: For terminals and locales with little more than ASCII.
_PLAIN = {"×": "x", "→": "->", "·": "*", "–": "-", "²": "^2", "Σ": "sum", "…": "...", "µ": "u"}


def speak_plainly() -> None:
    """Make both streams replace characters that their encoding lacks by plainer ones."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            try:
                "".join(_PLAIN).encode(stream.encoding)
            except (UnicodeEncodeError, LookupError):
                codecs.register_error("plain", _plainly)
                stream.reconfigure(errors="plain")


def _plainly(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign) or ascii(sign)[1:-1] for sign in missing), error.end


def print_out(text: str) -> None:
    """Print on standard output.

    Raises
    ------
    ReadWriteError
        If standard output is closed or full.
    """
    try:
        if sys.stdout is None:  # closed at the start
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as failure:
        raise read_write_error("writing", "standard output", failure) from failure


def error(text: str) -> None:
    """Print an error in one line."""
    to_stderr(printable(f"onebyone: {text}"))


def to_stderr(text: str) -> None:
    """Print lines on standard error; a failure is ignored."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        # Standard error is closed or full.
        return
