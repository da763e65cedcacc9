"""``onebyone man``: the manual."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import onebyone_cli
from onebyone_cli import cli
from onebyone_cli.cli.commands import weights
from onebyone_cli.cli.options.manual import Page
from onebyone_cli.cli.options.messages import Debugging
from onebyone_cli.cli.terminal.console import print_out
from onebyone_cli.errors import InputMissingError, UsageError

EXAMPLES = """\b
Examples:
  onebyone man
  onebyone man apply
  onebyone man weights new
  onebyone man fit | less
"""


def man(page: Page, messages: Debugging) -> None:
    """Show the manual: the page of the program, or of a command.

    On a terminal man shows it, elsewhere it is printed as plain text. The pages are installed in
    share/man beside the folder bin of the program; where that is in PATH, man onebyone-apply
    finds them as well.
    """
    words = page.command
    if words and " ".join(words) not in _names():
        raise UsageError(
            f"no command is called '{' '.join(words)}'; choose from {', '.join(_names())}"
        )
    file = _find("-".join(["onebyone", *words]) + ".1")
    viewer = shutil.which("man")
    if viewer and sys.stdout is not None and sys.stdout.isatty():
        # A name with a slash is a file for man, whatever its own folders hold. In our place, so
        # that the keys of the pager, Ctrl-C among them, are its own.
        os.execv(viewer, ["man", str(file)])
    from onebyone_cli.cli.terminal.man_text import plain_text

    columns = shutil.get_terminal_size().columns - 2
    print_out(plain_text(file.read_text(encoding="ascii"), columns))


def _names() -> list[str]:
    """Name all commands, and after one with commands below it those."""
    names = []
    for name in cli.NAMES:
        below = weights.NAMES if name == "weights" else ()
        names += [name, *(f"{name} {each}" for each in below)]
    return names


def _find(name: str) -> Path:
    """Find a page of this very version.

    Raises
    ------
    InputMissingError
        If it was not installed.
    """
    for page in _places(name):
        if page.is_file():
            return page.resolve()
    raise InputMissingError(
        "the man pages are not there; install onebyone again, with pip, or use --help", name
    )


def _places(name: str) -> Iterator[Path]:
    """Give where a page may be: in the source tree, where the wheel was installed, in general."""
    root = Path(onebyone_cli.__file__).resolve().parents[1]
    if (root / "man" / "make_man.py").is_file():
        yield root / "man" / name
    from importlib.metadata import PackageNotFoundError, files

    try:
        installed = files("onebyone-cli") or []
    except PackageNotFoundError:
        installed = []
    yield from (Path(str(file.locate())) for file in installed if file.name == name)
    yield Path(sys.prefix) / "share" / "man" / "man1" / name
