r"""Rules for make that say which files an output was made from, as compilers write them.

The syntax is that of ``gcc -MD -MP``: one rule for the output, and an empty one for each file, so
that make goes on when a file has gone. How names are written was tried on GNU make 4.3. What it
can't be told, such as a name with a semicolon (after which it would see a command), is refused.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator

from onebyone_cli.commit import atomic, targets
from onebyone_cli.commit.publication import NEW, Publication
from onebyone_cli.errors import OutputRefusedError, UsageError, setting
from onebyone_cli.operations.names import check_outputs, files_of

#: Names go on lines of their own beyond this width.
_WIDTH = 78

#: What no escape helps with everywhere: white space but blanks inside, backslashes, ``;`` and
#: ``|``; a home folder; ``&`` and ``)`` at the end, which make a grouped target and a member of an
#: archive.
_IMPOSSIBLE = re.compile(r"[\t\n\v\f\r\\;|]|^[ ~]|[ &)]$")

#: What is written for a character that means something to make, which looks for an assignment
#: before it expands anything.
_ESCAPES = str.maketrans({"$": "$$", "=": "$(strip =)", **{each: f"\\{each}" for each in " #:*?["}})


class DepFile:
    """A depfile to be, in which rules are collected until the outputs are published.

    Parameters
    ----------
    path : str
        The file; empty where none was asked for, and then nothing happens.
    publication : Publication
        How it is published.
    """

    def __init__(self, path: str, publication: Publication = NEW) -> None:
        self.path, self.publication = path, publication
        self._rules: dict[str, tuple[str, ...]] = {}

    def check(self, output: str) -> None:
        """Refuse what can't be written, as far as that is known from names.

        Parameters
        ----------
        output : str
            The output, or the folder of the outputs.
        """
        if not self.path:
            return
        if output == "-":
            raise UsageError(
                f"{setting('depfile')} names the output for make; name a file with "
                f"{setting('o')}, not -"
            )
        if self.path == "-" or self.path.endswith("/") or targets.is_special(self.path):
            raise UsageError(
                f"{setting('depfile', self.path)} is no file; name one, such as OUTPUT.d"
            )
        check_outputs([output, self.path])
        targets.check_target(self.path, force=self.publication.may_replace)

    def add(self, output: str, read: Iterable[str]) -> None:
        """Note what an output is made from; nothing is written yet.

        Parameters
        ----------
        output : str
            As the user wrote it.
        read : iterable of str
            Whatever was read; what is neither a file nor a folder is passed over, such as a pipe.

        Raises
        ------
        OutputRefusedError
            If the depfile is one of these, or in the way of the output.
        UsageError
            If it is the output, or make can't be told a name.
        """
        if not self.path:
            return
        (target,) = files_of([output])
        found = tuple(dict.fromkeys(name for name in read if _is_kept(name)))
        check_outputs([output, self.path])
        targets.check_not_input(self.path, found)
        if os.path.dirname(os.path.realpath(self.path)) == os.path.realpath(target):
            raise OutputRefusedError(
                f"lies in {target}, which is written as a whole; name a file beside it", self.path
            )
        for name in (target, *found):
            if not name or _IMPOSSIBLE.search(name):
                raise UsageError(
                    f"{setting('depfile')}: make can't be told the name {name}; rename the file"
                )
        self._rules[target] = found

    def write(self) -> None:
        """Write all rules; for when the outputs are there."""
        if self.path:
            content = os.fsencode("".join(_lines(self._rules)))
            atomic.write_file(self.path, content, self.publication)


def _lines(rules: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for target, names in rules.items():
        yield _rule(target, names)
    for name in dict.fromkeys(name for names in rules.values() for name in names):
        if name not in rules:
            yield f"\n{_as_target(name)}:\n"


def _rule(target: str, names: tuple[str, ...]) -> str:
    """Write a rule, in lines that are not too long."""
    text = line = f"{_as_target(target)}:"
    for word in map(_escape, names):
        if len(line) + 1 + len(word) > _WIDTH:
            text, line = text + " \\\n", ""
        text, line = f"{text} {word}", f"{line} {word}"
    return text + "\n"


def _as_target(name: str) -> str:
    """Write a name before the colon, where % would be a pattern."""
    return _escape(name).replace("%", "\\%")


def _escape(name: str) -> str:
    return name.translate(_ESCAPES)


def _is_kept(name: str) -> bool:
    """Whether make can look at a file later, as it can't at a pipe or at what is no file at all."""
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        return False
    return name != "/dev/stdin" and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
