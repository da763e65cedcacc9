"""What a command line is, and the options that are spelled differently in two versions."""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """Commands that run one after another in a folder of their own.

    Attributes
    ----------
    id : str
        ``topic/name``.
    steps : tuple of str
        Commands for bash, where ``onebyone`` is the install under test, ``in`` the folder of the
        inputs, and ``{name}`` the key of a `Spelling`.
    """

    id: str
    steps: tuple[str, ...]

    @property
    def topic(self) -> str:
        """The part of the id before the slash."""
        return self.id.partition("/")[0]


def apply(name: str, options: str, *more: str) -> Line:
    """Return a line that starts with ``onebyone apply OPTIONS -q``."""
    return Line(name, (f"onebyone apply {options} -q", *more))


@dataclass(frozen=True)
class Spelling:
    """One option in two versions.

    Attributes
    ----------
    old, new : str
        What is written in place of the key.
    command : str
        A command whose help lists `sign` in those installs that take the old spelling.
    sign : str
        The option to look for.
    """

    old: str
    new: str
    command: str
    sign: str

    def choose(self, help_of: Callable[[str], str]) -> str:
        """Return the spelling that an install takes, by its help."""
        listed = re.search(rf"^ *(-\w, )?{self.sign}\b", help_of(self.command), re.MULTILINE)
        return self.old if listed else self.new


#: Keys are written in braces in the steps of a line.
SPELLINGS = {
    "all": Spelling("--all", "-k all", "fit", "--all"),
    "restart": Spelling("--restart", "--resume restart", "apply", "--restart"),
    "get-shape": Spelling("--shape", "--get shape", "info", "--channels"),
    "get-dtype": Spelling("--dtype", "--get dtype", "info", "--channels"),
    "get-channels": Spelling("--channels", "--get channels", "info", "--channels"),
    "range=-20,30": Spelling("--range=-20,30", "--scale=-20,30", "view", "--range"),
    "stretch=5,95": Spelling("--stretch 5,95", "--scale 5%,95%,each", "view", "--stretch"),
    "stretch=0,100": Spelling("--stretch 0,100", "--scale each", "view", "--stretch"),
}


def spell(step: str, spelling_of: Callable[[str], str]) -> str:
    """Write a step for one install; `spelling_of` gives what it takes for a key."""
    for key in SPELLINGS:
        if f"{{{key}}}" in step:
            step = step.replace(f"{{{key}}}", spelling_of(key))
    return step
