"""Collect the texts of help, man pages and the reference as data."""

import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

from onebyone_cli.cli import COMMANDS
from onebyone_cli.cli.groups import HEADINGS, Group, Option, groups_of, option

PROGRAM = "onebyone"

DESCRIPTION = """Apply 1×1 convolutions to tensor files: C×H×W stacks in, K×H×W stacks out.

Every pixel of the result is a weighted sum of the same pixel of all channels (bands):
Y[k, h, w] = bias[k] + Σ_c weight[k, c] · X[c, h, w].
"""

EXAMPLES = """
onebyone apply stack.npy -w weights.npy -o result.npy
onebyone reduce cube.h5 -k 3 -o scores.npy --save model.npz
onebyone info stack.npy
"""

_SENTENCE_END = re.compile(r"(?<=[^\s.][.!?])\s+(?=[A-Z(-])")


class _CommandHelp(Group):
    """Options of a command that show help."""

    heading = "Messages"

    short_help: bool = option("-h", type=bool, help="Show examples and the most used options.")
    full_help: bool = option("--help", type=bool, help="Show all options.")


class _GroupHelp(Group):
    """Options of a command with others below it."""

    heading = "Messages"

    full_help: bool = option("-h", "--help", type=bool, help="Show this help.")


class _ProgramOptions(_GroupHelp):
    """Options of the program itself."""

    version: bool = option("--version", type=bool, help="Show the version.")
    install: bool = option(
        "--install-completion", type=bool, help="Install completion for the current shell."
    )
    show: bool = option(
        "--show-completion",
        type=bool,
        help="Print completion for the current shell, to copy or change it.",
    )


class Page(NamedTuple):
    """The texts about a command.

    `path` is the words that call it. The first sentence of `paragraphs` is a summary. Options in
    `sections` and commands in `children` are by headings.
    """

    path: tuple[str, ...]
    paragraphs: tuple[str, ...]
    examples: tuple[str, ...]
    sections: "dict[str, list[Option]]"
    children: "dict[str, tuple[Page, ...]]"

    @property
    def summary(self) -> str:
        """The first sentence, without a full stop."""
        return self._sentences[0].removesuffix(".")

    @property
    def description(self) -> tuple[str, ...]:
        """The paragraphs without the summary, unless that is all."""
        rest = (*self._sentences[1:], *self.paragraphs[1:])
        return rest or self.paragraphs

    @property
    def records(self) -> "list[Option]":
        """All arguments and options."""
        return [record for records in self.sections.values() for record in records]

    @property
    def arguments(self) -> "list[Option]":
        """The arguments."""
        return [record for record in self.records if not record.flags]

    @property
    def _sentences(self) -> list[str]:
        return _SENTENCE_END.split(self.paragraphs[0], maxsplit=1)


def first_sentence(text: str) -> str:
    """Return the first sentence of a help text."""
    return _SENTENCE_END.split(text, maxsplit=1)[0]


def read_page(*words: str) -> Page:
    """Return the page of a command, or without words that of the program."""
    if not words:
        return _page_of_group((), DESCRIPTION, EXAMPLES, COMMANDS, [_ProgramOptions])
    module = import_module(".".join(["onebyone_cli.cli.commands", *words]))
    if hasattr(module, "COMMANDS"):
        return _page_of_group(words, module.HELP, module.EXAMPLES, module.COMMANDS, [_GroupHelp])
    function: Callable[..., Any] = getattr(module, words[-1])
    kinds = [*groups_of(function).values(), _CommandHelp]
    return Page(
        (PROGRAM, *words),
        tuple(_paragraphs(function.__doc__ or "")),
        tuple(inspect.cleandoc(module.EXAMPLES).splitlines()),
        _sections(kinds),
        {},
    )


def all_pages() -> Iterator[Page]:
    """Yield the page of the program and those of all commands."""
    ahead = [read_page()]
    while ahead:
        page = ahead.pop(0)
        yield page
        ahead += [child for children in page.children.values() for child in children]


def _page_of_group(
    words: tuple[str, ...],
    text: str,
    examples: str,
    commands: dict[str, tuple[str, ...]],
    kinds: list[type[Group]],
) -> Page:
    return Page(
        (PROGRAM, *words),
        tuple(_paragraphs(text)),
        tuple(inspect.cleandoc(examples).splitlines()),
        _sections(kinds),
        {
            heading: tuple(read_page(*words, name) for name in names)
            for heading, names in commands.items()
        },
    )


def _paragraphs(text: str) -> Iterator[str]:
    for part in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        yield " ".join(part.split())


def _sections(kinds: list[type[Group]]) -> "dict[str, list[Option]]":
    sections: dict[str, list[Option]] = {}
    for kind in sorted(kinds, key=lambda kind: HEADINGS.index(kind.heading)):
        shown = [record for record in kind.members.values() if not record.hidden]
        sections.setdefault(kind.heading, []).extend(shown)
    for records in sections.values():
        records.sort(key=lambda record: bool(record.flags))  # arguments first
    return sections
