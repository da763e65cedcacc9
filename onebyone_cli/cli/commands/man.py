"""``onebyone man``: the manual."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from onebyone_cli import version
from onebyone_cli.cli.manual import all_pages, read_page
from onebyone_cli.cli.options.manual import Page
from onebyone_cli.cli.options.messages import Debugging
from onebyone_cli.cli.terminal.console import print_out
from onebyone_cli.errors import UsageError

EXAMPLES = """
onebyone man
onebyone man apply
onebyone man weights new
onebyone man fit
"""


def man(page: Page, messages: Debugging) -> None:
    """Show the manual: the page of the program, or of a command.

    On a terminal man shows it; elsewhere the page is printed as --help shows it. The pages are
    installed in share/man beside the folder bin of the program; where that is in PATH, man
    onebyone-apply finds them as well.
    """
    words = page.command
    if words and " ".join(words) not in _names():
        raise UsageError(f"'{' '.join(words)}' is not a command; choose from {', '.join(_names())}")
    viewer = shutil.which("man")
    file = _find("-".join(["onebyone", *words]) + ".1")
    if viewer and file is not None and sys.stdout is not None and sys.stdout.isatty():
        # A name with a slash is a file for man. It replaces this process, so that the pager gets
        # all keys, Ctrl-C among them.
        os.execv(viewer, ["man", str(file)])
    from onebyone_cli.cli.terminal.help_text import full_help

    print_out(full_help(read_page(*words)))


def _names() -> list[str]:
    """Return the names of all commands."""
    return [" ".join(page.path[1:]) for page in all_pages() if page.path[1:]]


def _find(name: str) -> Path | None:
    """Find a page of this version; return None if it was not installed."""
    return next((page.resolve() for page in _places(name) if page.is_file()), None)


def _places(name: str) -> Iterator[Path]:
    """Yield where a page may be: in the source tree, the installed wheel, or the prefix."""
    root = Path(version.__file__).resolve().parents[1]
    if (root / "man" / "make_man.py").is_file():
        yield root / "man" / name
    from importlib.metadata import PackageNotFoundError, files

    try:
        installed = files("onebyone-cli") or []
    except PackageNotFoundError:
        installed = []
    yield from (Path(str(file.locate())) for file in installed if file.name == name)
    yield Path(sys.prefix) / "share" / "man" / "man1" / name
