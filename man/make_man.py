"""Write the man pages from the program's own commands, options and help.

    python man/make_man.py [--check]

One page for the program and one for each command, beside this file. ``--check`` writes nothing,
names the pages that are not what would be written, and exits with 1 if there are any.

A page says what ``--help`` says: to change it, change that. Only what help does not tell stands
here: what exit statuses mean, which environment variables matter and which files appear.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import typer

from onebyone_cli import __version__, cli
from onebyone_cli.errors import ExitStatus

HERE = Path(__file__).resolve().parent
CHANGELOG = HERE.parent / "CHANGELOG.md"

# The date of the pages until there is a release. mandoc wants one, and today's would make other
# bytes every day.
FIRST_DATE = "2026-11-22"

WRITTEN_BY = '.\\" Written by man/make_man.py: change the help of the command, then run make man.'

# No hyphens that nobody typed, and no blanks to fill lines: both get in the way of searching.
RAGGED = (".nr HY 0", ".ad l")

# Lines of examples are longer than this only where there is no good place to break them. man
# indents by 7 and leaves a column free on either side of a terminal of 80.
EXAMPLE_WIDTH = 71


# ------------------------------------------------------------------------- what help does not tell


class Note(NamedTuple):
    """Something that pages tell beside the options."""

    name: str
    text: str
    #: Told on the pages of commands with one of these options; on all pages if empty.
    option: str = ""


EXIT_STATUS = {
    ExitStatus.DONE: "Done: the complete output is there.",
    ExitStatus.USAGE: "The command line is wrong.",
    ExitStatus.DATA: "An input or weights file is malformed, or sizes disagree.",
    ExitStatus.NO_INPUT: "An input is missing or unreadable.",
    ExitStatus.UNAVAILABLE: "An optional library or HDF5 filter is missing, or a cluster can't be "
    "reached.",
    ExitStatus.BUG: "A bug: please report it. --debug shows a traceback.",
    ExitStatus.CANT_CREATE: "The output exists, is an input, or can't be created.",
    ExitStatus.IO: "Reading or writing failed: disk full, quota, I/O error, or an input changed "
    "while it was read.",
    ExitStatus.STOPPED: "Stopped early with a valid checkpoint: run the same command again.",
    ExitStatus.POLICY: "Refused on policy: pickle, or HDF5 links or storage outside the file.",
}

#: Statuses that only one command has.
OWN_STATUS = {
    "compare": (
        1,
        "The stacks differ by more than the tolerance, as diff and cmp have it; 0 says that they "
        "do not.",
    ),
}

BY_SIGNAL = (
    "When SIGINT, SIGTERM or SIGHUP stops the program, or SIGPIPE because nobody reads what it "
    "writes, it clears up and then dies of that very signal, so that shells and make see it."
)

ENVIRONMENT = (
    Note(
        "ONEBYONE_THREADS",
        "Most worker threads where --threads is not given; taken as it is, even if the process may "
        "use fewer processors.",
        "--threads",
    ),
    Note(
        "SLURM_CPUS_PER_TASK",
        "The processors that Slurm gives a task. Without --threads and ONEBYONE_THREADS there are "
        "no more worker threads than this, nor than the affinity and the control group allow.",
        "--threads",
    ),
    Note(
        "SLURM_MEM_PER_NODE, SLURM_MEM_PER_CPU",
        "The memory that Slurm gives on a node, or for each processor, in MiB. The default of "
        "--memory is at most half of it.",
        "--memory",
    ),
    Note("TMPDIR", "The folder for spools, see FILES. Default: /tmp.", "--memory"),
    Note(
        "TERM",
        "If it is unset, empty or dumb there are plain lines in place of a progress bar and of "
        "drawn tables.",
        "--progress --channels",
    ),
    Note(
        "NO_COLOR",
        "If it is set and not empty, the progress bar has no colour and no heading is bold.",
        "--progress --channels",
    ),
    Note(
        "COLORTERM",
        "If it is truecolor or 24bit, pictures in the terminal have 24-bit colours. Otherwise they "
        "have 256 if TERM says 256color, and 16 or 8 if not; they are plain characters if TERM is "
        "dumb, NO_COLOR is set, or LC_ALL, LC_CTYPE or LANG says no UTF-8.",
        "--colormap",
    ),
    Note(
        "COLUMNS, LINES",
        "The size of the terminal, where it is not what the terminal itself says. Without a "
        "terminal a picture has 80 columns, or COLUMNS.",
        "--colormap",
    ),
    Note(
        "MPLCONFIGDIR",
        "Read by matplotlib: the folder for its cache of fonts. Default: in ~/.cache; where that "
        "can't be written to, one under $TMPDIR, which is removed again.",
        "--plot",
    ),
    Note(
        "OPENBLAS_CORETYPE",
        "Read by the OpenBLAS that numpy brings: whose kernels it uses. On Zen 4 processors it is "
        "set to Zen, which is faster for this program, unless you set it.",
    ),
    Note(
        "HDF5_USE_FILE_LOCKING",
        "Read by the HDF5 library. FALSE opens an .h5 file on a file system without locks, or one "
        "that a program left locked; only if nothing writes to it.",
    ),
    Note(
        "HDF5_PLUGIN_PATH, HDF5_PLUGIN_PRELOAD",
        "Read by the HDF5 library. A filter plugin is code, and a data file names it, so none is "
        "ever loaded unless you set one of these.",
    ),
)

FILES = (
    Note(
        ".NAME.onebyone-*.part",
        "The output NAME while it is being written, hidden in the same folder. It gets its name "
        "when it is complete, and is removed when the program fails or is stopped. Only SIGKILL, "
        "a crash or a power failure can leave one behind; delete it then.",
        "--output",
    ),
    Note(
        "OUTPUT.part",
        "An output that a later run can go on with, while it is being written: .npy, or .h5 "
        "without compression and chunks, of inputs that are no pipes. It is locked while a run "
        "writes it. Where there is no OUTPUT.part.json it counts nothing, and the next run clears "
        "it.",
        "--resume",
    ),
    Note(
        "OUTPUT.part.json",
        "The journal of OUTPUT.part: what the job is, with digests of the weights and the times of "
        "the inputs, what is done of it, and what was counted. Together they are a checkpoint. The "
        "same command goes on from it; any other is refused, unless with --restart. Remove both to "
        "give up.",
        "--resume",
    ),
    Note(
        "$TMPDIR/onebyone-*",
        "Spools: what can be read or written only in one order, a pipe say, is laid aside here "
        "when memory does not hold it. A spool has lost its name by the time it is filled: it is "
        "not listed, takes room on the disk, and is gone when the program is.",
        "--memory",
    ),
)


# ----------------------------------------------------------------------------- reading the commands


class Block(NamedTuple):
    """A paragraph, or lines that stay as they are."""

    text: str
    verbatim: bool = False


class Placeholder(NamedTuple):
    """What stands for a value: alternatives, each typed as it is or replaced."""

    words: tuple[str, ...]
    literal: tuple[bool, ...]


@dataclass(frozen=True)
class Parameter:
    """An argument or an option."""

    #: All names of an option; none for an argument.
    names: tuple[str, ...]
    value: Placeholder | None
    help: str
    required: bool
    repeated: bool


@dataclass(frozen=True)
class Command:
    """A command, with those below it."""

    path: tuple[str, ...]
    help: tuple[Block, ...]
    examples: tuple[Block, ...]
    parameters: tuple[Parameter, ...]
    children: tuple[Command, ...]

    @property
    def page(self) -> str:
        """Name of its page, as in ``onebyone-apply``."""
        return "-".join(self.path)

    @property
    def summary(self) -> str:
        """The first sentence of its help, without a full stop."""
        return self._sentences[0].removesuffix(".")

    @property
    def description(self) -> tuple[Block, ...]:
        """Its help but for the summary, unless that is all."""
        rest = tuple(map(Block, self._sentences[1:])) + self.help[1:]
        return rest or self.help

    @property
    def _sentences(self) -> list[str]:
        """The first sentence, and the rest of its paragraph if there is one."""
        return _SENTENCE_END.split(self.help[0].text if self.help else self.page, maxsplit=1)

    @property
    def arguments(self) -> list[Parameter]:
        """What is told by its place."""
        return [parameter for parameter in self.parameters if not parameter.names]

    @property
    def options(self) -> list[Parameter]:
        """What is told by its name."""
        return [parameter for parameter in self.parameters if parameter.names]


def read_command(command: Any, above: tuple[str, ...] = (), parent: Any = None) -> Command:
    """Read a command of Typer's and all below it, but for what is hidden."""
    context = command.context_class(
        command, info_name=command.name, parent=parent, **command.context_settings
    )
    path = (*above, command.name)
    parameters = command.get_params(context)
    names = command.list_commands(context) if hasattr(command, "list_commands") else ()
    children = [command.get_command(context, name) for name in names]
    return Command(
        path=path,
        help=tuple(blocks(command.help or "")),
        examples=tuple(_without_heading(blocks(command.epilog or ""))),
        parameters=tuple(read_parameter(each) for each in parameters if not each.hidden),
        children=tuple(read_command(each, path, context) for each in children if not each.hidden),
    )


def read_parameter(parameter: Any) -> Parameter:
    """Read an argument or an option of Typer's."""
    is_option = parameter.param_type_name == "option"
    is_flag = is_option and (parameter.is_flag or parameter.count)
    facts = [parameter.help or "", _default(parameter), _range(parameter)]
    return Parameter(
        names=tuple(_option_names(parameter)) if is_option else (),
        value=None if is_flag else _placeholder(parameter, is_option=is_option),
        help=" ".join(filter(None, facts)),
        required=parameter.required,
        repeated=getattr(parameter, "multiple", False) or parameter.nargs == -1,
    )


def blocks(text: str) -> Iterator[Block]:
    r"""Split help into paragraphs. As in ``--help``, ``\b`` keeps lines and ``\f`` ends it."""
    for part in re.split(r"\n\s*\n", inspect.cleandoc(text.partition("\f")[0])):
        if part.startswith("\b"):
            yield Block(dedent(part.removeprefix("\b").strip("\n")), verbatim=True)
        elif part.strip():
            yield Block(" ".join(part.split()))


def _without_heading(epilog: Iterable[Block]) -> Iterator[Block]:
    """Take away the heading of examples, and what they are indented by."""
    for block in epilog:
        text = re.sub(r"\AExamples?:\s*?(\n|\Z)", "", block.text)
        if text:
            yield Block(dedent(text).strip("\n"), block.verbatim)


def _option_names(parameter: Any) -> Iterator[str]:
    """Names of an option, short ones first; those of ``--help`` come in no order at all."""
    for names in (parameter.opts, parameter.secondary_opts):
        yield from sorted(names, key=lambda name: name.startswith("--"))


def _placeholder(parameter: Any, *, is_option: bool) -> Placeholder:
    """Choices are typed as they are; so are alternatives in lower case."""
    choices = getattr(parameter.type, "choices", None)
    if choices and not parameter.metavar:
        words = tuple(_plain(choice) for choice in choices)
        return Placeholder(words, (True,) * len(words))
    text = parameter.metavar or (parameter.type.name if is_option else parameter.name).upper()
    words = tuple(text.strip("[]").removesuffix("...").split("|"))
    return Placeholder(words, tuple(len(words) > 1 and word.islower() for word in words))


def _default(parameter: Any) -> str:
    shown, value = parameter.show_default, parameter.default
    if isinstance(shown, str):
        return f"Default: {shown}."
    if not shown or callable(value) or value is None or value in (False, "", [], ()):
        return ""
    return f"Default: {parameter.opts[0] if value is True else _plain(value)}."


def _range(parameter: Any) -> str:
    """Tell the limits of a number, unless the placeholder does."""
    least, most = getattr(parameter.type, "min", None), getattr(parameter.type, "max", None)
    if parameter.metavar and re.match(r"\d", parameter.metavar):
        return ""
    if least is not None and most is not None:
        return f"From {least} to {most}."
    if least is not None:
        return f"At least {least}."
    return f"At most {most}." if most is not None else ""


def _plain(value: Any) -> str:
    return str(value.value if isinstance(value, Enum) else value)


# ------------------------------------------------------------------------------------ writing roff

Style = Callable[[str], str]
Styles = Mapping[str, Style]

NO_STYLES: Styles = {}

_GLYPHS = {
    "\\": "\\(rs",
    "'": "\\(aq",
    '"': "\\(dq",
    "`": "\\(ga",
    "^": "\\(ha",
    "~": "\\(ti",
    "×": "\\(mu",
    "–": "\\(en",
}

#: What stands for a character in plain ASCII. Where groff writes that, it has some of its own.
_IN_ASCII = {
    "×": "x",
    "–": "-",
    "−": "-",
    "·": "*",
    "Σ": "sum",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "…": "...",
}

_WORD_WITH_HYPHEN = re.compile(r"\W?[A-Za-z]+(-[A-Za-z]+)+\W*")
_OPTION_OR_WORD = re.compile(r"(?<![\w-])(?P<option>--?[A-Za-z][\w-]*)|\b\w+\b")
_SENTENCE_END = re.compile(r"(?<=[^\s.][.!?])\s+(?=[A-Za-z(-])")


def escape(text: str) -> str:
    r"""Write text so that roff shows every character as it is.

    >>> escape("a-b\\c")
    'a\\-b\\(rsc'
    """
    shown = (_GLYPHS.get(c, c if c.isascii() else f"\\[u{ord(c):04X}]") for c in text)
    return "".join(shown).replace("-", "\\-")


def escape_prose(text: str) -> str:
    """Write prose: the hyphens of words stay hyphens, where lines may be broken."""
    words = (
        escape(word).replace("\\-", "-") if _WORD_WITH_HYPHEN.fullmatch(word) else escape(word)
        for word in re.split(r"(\s+)", text)
    )
    return "".join(words)


def bold(text: str) -> str:
    """Write text that is typed as it is."""
    return f"\\fB{escape(text)}\\fR"


def italic(text: str) -> str:
    """Write text that stands for something."""
    return f"\\fI{escape(text)}\\fR"


def line_of(roff: str) -> str:
    """Keep a line from being taken for a request, or from ending a sentence with dots."""
    roff = re.sub(r"^(?=[.'])", r"\\&", roff)
    return re.sub(r"\.\.\.(?=\]?$)", r"...\\&", roff)


def prose(text: str, styles: Styles = NO_STYLES) -> list[str]:
    """Write a paragraph, one line for each sentence; options are bold, and words have styles."""
    return [line_of(_styled(sentence, styles)) for sentence in _SENTENCE_END.split(text)]


def _styled(text: str, styles: Styles) -> str:
    parts, end = [], 0
    for found in _OPTION_OR_WORD.finditer(text):
        style = bold if found["option"] else styles.get(found[0])
        if style:
            parts += [escape_prose(text[end : found.start()]), style(found[0])]
            end = found.end()
    return "".join(parts) + escape_prose(text[end:])


def verbatim(text: str) -> list[str]:
    """Write lines that stay as they are, the long ones continued as a shell would read them."""
    lines = [part for line in text.splitlines() for part in fold(line)]
    return [".EX", *(line_of(escape(line)) for line in lines), ".EE"]


def fold(line: str) -> list[str]:
    """Break a command before an option, a pipe or a redirection if it is too long."""
    places = [found.start() for found in re.finditer(r"(?<=\S) (?=--?[a-z]|[|>] )", line)]
    fitting = [place for place in places if place <= EXAMPLE_WIDTH - len(" \\")]
    if len(line) <= EXAMPLE_WIDTH or not fitting:
        return [line]
    return [f"{line[: fitting[-1]]} \\", *fold("    " + line[fitting[-1] + 1 :])]


def paragraphs(texts: Iterable[Block], styles: Styles = NO_STYLES) -> list[str]:
    """Write blocks, apart by empty lines."""
    lines: list[str] = []
    for block in texts:
        lines += [".PP"] if lines else []
        lines += verbatim(block.text) if block.verbatim else prose(block.text, styles)
    return lines


def entry(term: str, text: Sequence[str]) -> list[str]:
    """Write something and, indented, what it is."""
    return [".TP", line_of(term), *text]


def section(title: str, lines: Sequence[str]) -> list[str]:
    """Write a section, or nothing if there is nothing in it."""
    return [f".SH {title}", *lines] if lines else []


# ------------------------------------------------------------------------------- parts of the pages


def value_of(parameter: Parameter) -> str:
    """Write what stands for a value."""
    return "|".join(style(word) for word, style in styles_of(parameter).items())


def synopsis(command: Command) -> list[str]:
    """Write what must be given; options are told further down."""
    words = []
    for parameter in (*command.arguments, *command.options):
        # The blank must not be broken, and dots at the end of a line must not end a sentence.
        name = bold(parameter.names[0]) + "\\ " if parameter.names else ""
        word = name + value_of(parameter) + "..." * (parameter.repeated and not name)
        if parameter.required:
            words.append(word)
        elif not parameter.names:
            words.append(f"[{word}]")
    words.append("[\\fIOPTION\\fR]...")
    if command.children:
        words += ["\\fICOMMAND\\fR", "[\\fIARGUMENT\\fR]..."]
    return [f'.SY "{escape(" ".join(command.path))}"', *map(line_of, words), ".YS"]


def description(command: Command) -> list[str]:
    """Write the help but for the summary, which is in the name, unless that is all."""
    return paragraphs(command.description, placeholders_of(command))


def children(command: Command) -> list[str]:
    """Write the commands below."""
    lines: list[str] = []
    for child in command.children:
        lines += entry(reference(child.page), prose(child.summary + "."))
    return lines


def parameters(command: Command) -> list[str]:
    """Write arguments, then options."""
    lines: list[str] = []
    for parameter in (*command.arguments, *command.options):
        names = ", ".join(map(bold, parameter.names))
        dots = "..." * (parameter.repeated and not names)
        term = f"{names} {value_of(parameter)}".strip() + dots
        required = " Required." * (parameter.required and bool(names))
        styles = {**placeholders_of(command), **styles_of(parameter)}
        lines += entry(term, prose(parameter.help + required, styles))
    return lines


def exit_status(command: Command) -> list[str]:
    """Write what every status means."""
    lines: list[str] = []
    for status, text in sorted(statuses_of(command).items()):
        lines += entry(bold(str(status)), prose(text))
    return [*lines, ".PP", *prose(BY_SIGNAL)]


def statuses_of(command: Command) -> dict[int, str]:
    """Say what statuses mean; the page of the program has those of single commands as well."""
    texts = {int(status): text for status, text in EXIT_STATUS.items()}
    for name, (status, text) in OWN_STATUS.items():
        if command.path[1:] == (name,):
            texts[status] = text
        elif not command.path[1:]:
            texts[status] = f"Of {name} alone: {text[0].lower()}{text[1:]}"
    return texts


def notes(command: Command, all_notes: Iterable[Note], style: Style) -> list[str]:
    """Write those notes that concern a command."""
    options = set(_all_options(command))
    lines: list[str] = []
    for note in all_notes:
        if not note.option or options & set(note.option.split()):
            term = ", ".join(style(name) for name in note.name.split(", "))
            lines += entry(term, prose(note.text, {"NAME": italic}))
    return lines


def examples(command: Command) -> list[str]:
    """Write the examples of a command, or else the first one of each below it."""
    if command.examples or not command.children:
        return paragraphs(command.examples)
    return paragraphs(Block(text, verbatim=True) for text in _first_examples(command))


def see_also(command: Command, family: Sequence[Command]) -> list[str]:
    """Write the names of the pages above, beside and below."""
    pages = [*(each.page for each in family if each != command)]
    pages += [child.page for child in command.children]
    return [reference(page) + "," * (page != pages[-1]) for page in pages]


def reference(page: str) -> str:
    """Write the name of another page."""
    return f"{bold(page)}(1)"


def styles_of(parameter: Parameter) -> dict[str, Style]:
    """Styles of the words that stand for a value: bold if typed as they are, else italic."""
    if parameter.value is None:
        return {}
    words = zip(parameter.value.words, parameter.value.literal, strict=True)
    return {word: bold if literal else italic for word, literal in words}


def placeholders_of(command: Command) -> dict[str, Style]:
    """Styles of the words that stand for something wherever the help of a command has them."""
    styles = (styles_of(parameter).items() for parameter in command.parameters)
    return {word: style for words in styles for word, style in words if style is italic}


def _all_options(command: Command) -> Iterator[str]:
    for option in command.options:
        yield from option.names
    for child in command.children:
        yield from _all_options(child)


def _first_examples(command: Command) -> Iterator[str]:
    for child in command.children:
        texts = [block.text for block in child.examples if block.verbatim]
        if texts:
            yield re.split(r"(?<!\\)\n", texts[0])[0]
        else:
            yield from _first_examples(child)


# --------------------------------------------------------------------------------------- the pages


def page_of(command: Command, family: Sequence[Command], date: str) -> str:
    """Write the page of a command."""
    program, title = command.path[0], escape(command.page.upper())
    body = [
        f'.TH {title} 1 "{date}" "{program} {__version__}" "{program} manual"',
        *RAGGED,
        *section("NAME", [f"{escape(command.page)} \\- {_as_name(command.summary)}"]),
        *section("SYNOPSIS", synopsis(command)),
        *section("DESCRIPTION", description(command)),
        *section("COMMANDS", children(command)),
        *section("OPTIONS", parameters(command)),
        *section("EXIT STATUS", exit_status(command)),
        *section("ENVIRONMENT", notes(command, ENVIRONMENT, bold)),
        *section("FILES", notes(command, FILES, italic)),
        *section("EXAMPLES", examples(command)),
        *section("SEE ALSO", see_also(command, family)),
    ]
    return "\n".join([WRITTEN_BY, *_fallbacks("\n".join(body)), *body]) + "\n"


def _as_name(summary: str) -> str:
    """Write the line that whatis and apropos show: plain ASCII, for they drop what roff escapes."""
    plain = "".join(_IN_ASCII.get(character, character) for character in summary)
    return escape_prose(plain if plain[1:2].isupper() else plain[:1].lower() + plain[1:])


def _fallbacks(text: str) -> Iterator[str]:
    for character, plain in _IN_ASCII.items():
        glyph = escape(character)
        if character not in _GLYPHS and glyph in text:
            yield f".if !c{glyph} .fchar {glyph} {plain}"


def make_pages(app: Any, date: str) -> dict[str, str]:
    """Write the pages of a program and all its commands, by the names of their files."""
    root = read_command(typer.main.get_command(app))
    return {f"{name}.1": text for name, text in _pages_below(root, [root], date)}


def _pages_below(
    command: Command, family: Sequence[Command], date: str
) -> Iterator[tuple[str, str]]:
    yield command.page, page_of(command, family, date)
    for child in command.children:
        yield from _pages_below(child, [command, *command.children], date)


def page_date() -> str:
    """Return the date that builders ask for, else that of the last release: the same every day."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch:
        return datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%d")
    changes = CHANGELOG.read_text(encoding="utf-8")
    released = re.search(r"^## \[[^]]+\] - (\d{4}-\d\d-\d\d)$", changes, re.MULTILINE)
    return released[1] if released else FIRST_DATE


def stale_pages(folder: Path, pages: dict[str, str]) -> list[str]:
    """Name the pages in a folder that are missing, left over, or differ in more than the date."""
    there = {path.name: path.read_text(encoding="ascii") for path in folder.glob("*.1")}
    names = sorted(there.keys() | pages.keys())
    return [name for name in names if _undated(there.get(name)) != _undated(pages.get(name))]


def _undated(page: str | None) -> str | None:
    return page and re.sub(r'^(\.TH \S+ 1) "[^"]*"', r"\1", page, count=1, flags=re.MULTILINE)


def write_pages(folder: Path, pages: dict[str, str]) -> None:
    """Write the pages, and remove those of commands that are no more."""
    for path in folder.glob("*.1"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="ascii")


def main(arguments: Sequence[str] | None = None, *, folder: Path = HERE) -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description="Write the man pages.")
    parser.add_argument("--check", action="store_true", help="only name the pages that are stale")
    options = parser.parse_args(arguments)
    pages = make_pages(cli.app, page_date())
    if not options.check:
        write_pages(folder, pages)
        return 0
    stale = stale_pages(folder, pages)
    for name in stale:
        print(f"{folder.name}/{name} is stale: run make man", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
