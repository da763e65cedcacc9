"""Write rules for make that list the files an output was made from.

The syntax is that of ``gcc -MD -MP``: one rule for the output, and an empty one for each file, so
that make continues when a file is gone. The escapes were tested with GNU make 4.3. A name that it
has no escape for is refused, such as one with a semicolon, after which make reads a command.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator

from onebyone_cli.commit import atomic, targets
from onebyone_cli.commit.publication import NEW, Publication
from onebyone_cli.errors import OutputRefusedError, UsageError, setting
from onebyone_cli.operations.names import check_outputs, files_of

#: Most characters of a line.
_WIDTH = 78

#: No escape works for these: white space other than blanks inside, backslashes, ``;`` and ``|``, a
#: home folder, ``&`` (grouped target) and ``)`` (member of an archive) at the end.
_IMPOSSIBLE = re.compile(r"[\t\n\v\f\r\\;|]|^[ ~]|[ &)]$")

#: make looks for an assignment before it expands anything.
_ESCAPES = str.maketrans({"$": "$$", "=": "$(strip =)", **{each: f"\\{each}" for each in " #:*?["}})


class DepFile:
    """Collect rules until the outputs are published in the file `path`."""

    def __init__(self, path: str, publication: Publication = NEW) -> None:
        self.path, self.publication = path, publication
        self._rules: dict[str, tuple[str, ...]] = {}

    def check(self, output: str) -> None:
        """Refuse an output, or a folder of outputs, that a rule can't name."""
        if output == "-":
            raise UsageError(
                f"{setting('depfile')} names the output for make; name a file with "
                f"{setting('o')}, not -"
            )
        if self.path == "-" or self.path.endswith("/") or targets.is_special(self.path):
            raise UsageError(
                f"{setting('depfile', self.path)} does not name a file; give one, such as OUTPUT.d"
            )
        check_outputs([output, self.path])
        targets.check_target(self.path, force=self.publication.may_replace)

    def add(self, output: str, read: Iterable[str]) -> None:
        """Add the rule of an output; nothing is written yet.

        Parameters
        ----------
        output : str
            As the user wrote it.
        read : iterable of str
            What was read; only files and folders are listed.

        Raises
        ------
        OutputRefusedError
            If the depfile is one of these, or lies in the folder that is the output.
        UsageError
            If it is the output, or make has no escape for a name.
        """
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
                    f"{setting('depfile')}: make can't read the name {name}; rename the file"
                )
        self._rules[target] = found

    def write(self) -> None:
        """Write all rules, after the outputs."""
        content = os.fsencode("".join(_lines(self._rules)))
        atomic.write_file(self.path, content, self.publication)


def _lines(rules: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for target, names in rules.items():
        yield _rule(target, names)
    for name in dict.fromkeys(name for names in rules.values() for name in names):
        if name not in rules:
            yield f"\n{_as_target(name)}:\n"


def _rule(target: str, names: tuple[str, ...]) -> str:
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
    """Whether make can look at a file later, which it can't at a pipe."""
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        return False
    return name != "/dev/stdin" and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
