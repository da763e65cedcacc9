"""Describe options as data: records, groups of records, and commands that take groups.

A command is a function whose parameters are groups. A group has one record for each option. Its
instance has one value for each record, under the same name, and methods that convert the values.
Nothing here imports Typer: `cli.spread` makes Typer's options from the records.
"""

import os
from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar

from onebyone_cli.errors import UsageError

#: Headings of groups, in the order of help, man pages and reference.
HEADINGS = (
    "Weights",
    "What to compute",
    "Input",
    "Input without a header",
    "Output",
    "HDF5, Zarr and TIFF output",
    "Resources",
    "Stop and go on",
    "Many machines",
    "For make",
    "Messages",
)

#: The default of an option or argument that must be given.
REQUIRED: Any = object()

_KINDS = {int: "a whole number", float: "a number"}


class Option:
    """An option or an argument of a command.

    Attributes
    ----------
    flags : tuple of str
        Short ones first; none for an argument.
    type : type
        ``str``, ``int``, ``float``, or ``bool`` for a flag without a value.
    default : object
        `REQUIRED` if it must be given.
    choices : tuple of str
        All values; empty for free text.
    least, most : float or None
        Limits of a number.
    multiple : bool
        Whether it may be repeated; the value is a list then.
    off : str
        Name that switches a flag off; empty for none.
    names : str
        ``"file"`` if its value names a file or something in one; ``"maybe"`` if it is text where no
        file has that name; else empty.
    daily : bool
        Whether short help shows it.
    hidden : bool
        Whether no help shows it.
    complete : callable or None
        Returns values for completion, if not `choices`.
    """

    def __init__(
        self,
        flags: tuple[str, ...],
        type: type,
        default: Any,
        **more: Any,
    ) -> None:
        self.flags, self.type, self.default = flags, type, default
        self.metavar: str = more.pop("metavar", "")
        self._help: str | Callable[[], str] = more.pop("help", "")
        self.choices: tuple[str, ...] = more.pop("choices", ())
        self.least: float | None = more.pop("least", None)
        self.most: float | None = more.pop("most", None)
        self.multiple: bool = more.pop("multiple", False)
        self.off: str = more.pop("off", "")
        self.names: str = more.pop("names", "")
        self.daily: bool = more.pop("daily", False)
        self.hidden: bool = more.pop("hidden", False)
        self.complete: Callable[[], Sequence[str]] | None = more.pop("complete", None)
        if more:
            raise TypeError(f"{', '.join(more)}: no attribute of an option")

    @property
    def label(self) -> str:
        """The name for messages: the longest flag, or the metavar of an argument."""
        return self.flags[-1] if self.flags else self.metavar.removesuffix("...")

    @property
    def help(self) -> str:
        """Help text."""
        return self._help if isinstance(self._help, str) else self._help()

    @property
    def value_name(self) -> str:
        """Placeholder of the value in help; empty for a flag."""
        return "" if self.type is bool else self.metavar or "|".join(self.choices)

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is REQUIRED

    def parse(self, text: str) -> Any:
        """Convert one value.

        Raises
        ------
        UsageError
            If it has another type, is not among the choices or beyond the limits.
        """
        if self.choices and text not in self.choices:
            known = ", ".join(self.choices)
            raise UsageError(f"{self.label} {text} is unknown; choose from {known}")
        if self.type not in _KINDS:
            return text
        try:
            number = self.type(text)
        except ValueError as error:
            raise UsageError(f"{self.label} {text} is not {_KINDS[self.type]}") from error
        if self.least is not None and number < self.least:
            raise UsageError(f"{self.label} {text} is too small; give {self.least} or more")
        if self.most is not None and number > self.most:
            raise UsageError(f"{self.label} {text} is too large; give {self.most} or less")
        return number

    def offered(self) -> Sequence[str]:
        """Return the values that completion offers."""
        return self.choices or (self.complete() if self.complete else ())


def option(*flags: str, type: type = str, default: Any = None, **more: Any) -> Any:
    """Declare an option of a group; see `Option`. The annotation beside it is for type checkers."""
    if default is None and "off" not in more:
        default = {bool: False, str: ""}.get(type)
    return Option(flags, type, [] if more.get("multiple") else default, **more)


def argument(metavar: str, *, default: Any = REQUIRED, **more: Any) -> Any:
    """Declare an argument of a group; with ``multiple`` it takes all remaining words."""
    return Option((), str, [] if more.get("multiple") else default, metavar=metavar, **more)


class Group:
    """Options that belong together, and their values on one command line.

    `heading` is one of `HEADINGS`. `members` are the records by attribute, those of subclasses
    first.
    """

    heading: ClassVar[str] = ""
    members: ClassVar[dict[str, Option]] = {}

    def __init_subclass__(cls) -> None:
        names = dict.fromkeys(
            name
            for kind in cls.__mro__
            for name, record in vars(kind).items()
            if isinstance(record, Option)
        )
        cls.members = {name: getattr(cls, name) for name in names}

    def __init__(self, **given: Any) -> None:
        for name, record in self.members.items():
            setattr(self, name, given.get(name, record.default))

    def words(self, *, absolute: bool = False, only: Collection[str] | None = None) -> list[str]:
        """Return the group as words of a command line, without default values.

        `absolute` makes names of files absolute, for use in any folder. `only` names the members to
        write.
        """
        words: list[str] = []
        for name, record in self.members.items():
            found = getattr(self, name)
            if found == record.default or (only is not None and name not in only):
                continue
            if record.type is bool:
                words.append(record.flags[-1] if found else record.off)
                continue
            for value in found if record.multiple else [found]:
                text = _absolute(record.names, value) if absolute else str(value)
                words += [*record.flags[-1:], text]
        return words

    def files(self) -> dict[str, str]:
        """Map absolute names of the files that the group names to the names as typed."""
        found: dict[str, str] = {}
        for name, record in self.members.items():
            if record.names:
                value = getattr(self, name)
                texts = value if record.multiple else [value]
                found |= {os.path.abspath(text): text for text in texts if text}
        return found


def _absolute(names: str, value: Any) -> str:
    """Return the absolute name of a file; text that does not name a file stays as it is."""
    text = str(value)
    if text == "-" or not names:
        return text
    from onebyone_cli.operations.names import absolute
    from onebyone_cli.weights.formats import split_member

    if names != "maybe":
        return absolute(text)
    path, _ = split_member(text)
    return os.path.abspath(path) + text[len(path) :] if os.path.exists(path) else text


def groups_of(command: Callable[..., Any]) -> dict[str, type[Group]]:
    """Return the groups that a command takes, by the names of its parameters."""
    hints = {name: kind for name, kind in command.__annotations__.items() if name != "return"}
    assert all(isinstance(kind, type) and issubclass(kind, Group) for kind in hints.values())
    return hints
