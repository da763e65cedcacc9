"""Write the man pages from the program's own commands, options and help.

    python man/make_man.py [--check]

One page for the program and one for each command, beside this file. ``--check`` writes nothing,
names the pages that are not what would be written, and exits with 1 if there are any.

A page says what ``--help`` says: to change it, change that. Only what help does not tell stands
here: what exit statuses mean, which environment variables matter and which files appear.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from onebyone_cli import __version__
from onebyone_cli.cli.groups import Option
from onebyone_cli.cli.manual import Page, read_page
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
        "SLURM_CPUS_PER_TASK, NCPUS, PBS_NUM_PPN, LSB_DJOB_NUMPROC, NSLOTS",
        "The processors that Slurm, PBS, LSF or SGE give a task. Without --threads and "
        "ONEBYONE_THREADS there are no more worker threads than this, nor than the affinity and "
        "the control group allow.",
        "--threads",
    ),
    Note(
        "OMP_NUM_THREADS",
        "A further limit, where --threads and ONEBYONE_THREADS are not given.",
        "--threads",
    ),
    Note(
        "SLURM_MEM_PER_NODE, SLURM_MEM_PER_CPU",
        "The memory that Slurm gives on a node, or for each processor, in MiB. The default of "
        "--memory is at most half of it.",
        "--memory",
    ),
    Note("TMPDIR", "The folder for temporary files, see FILES. Default: /tmp.", "--memory"),
    Note(
        "TERM",
        "If it is unset, empty or dumb there are plain lines in place of a progress bar and of "
        "drawn tables.",
        "--progress --get",
    ),
    Note(
        "NO_COLOR",
        "If it is set and not empty, the progress bar has no colour and no heading is bold.",
        "--progress --get",
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
        "SOURCE_DATE_EPOCH",
        "Seconds since 1970: the time in the history of outputs, which has none otherwise.",
        "--output",
    ),
    Note(
        "MPLCONFIGDIR",
        "Read by matplotlib: the folder for its cache of fonts. Default: in ~/.cache; where that "
        "can't be written to, one under $TMPDIR, which is removed again.",
        "--plot",
    ),
    Note(
        "ONEBYONE_ATTENDED",
        "If it is 1, the program stops, as after SIGTERM, when its standard input is closed: for "
        "programs that run it.",
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
        "same command goes on from it; any other is refused, unless with --resume restart. To give "
        "up, remove both.",
        "--resume",
    ),
    Note(
        "$TMPDIR/onebyone-*",
        "Buffered data: what can be read or written only in one order, such as a pipe, is kept "
        "here when memory does not hold it. Such a file has no name while it is used: it is not "
        "listed, takes space on the disk, and is gone when the program ends.",
        "--memory",
    ),
)


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


def verbatim(examples: Sequence[str]) -> list[str]:
    """Write lines that stay as they are, the long ones continued as a shell would read them."""
    lines = [part for line in examples for part in fold(line)]
    return [".EX", *(line_of(escape(line)) for line in lines), ".EE"]


def fold(line: str) -> list[str]:
    """Break a command before an option, a pipe or a redirection if it is too long."""
    places = [found.start() for found in re.finditer(r"(?<=\S) (?=--?[a-z]|[|>] )", line)]
    fitting = [place for place in places if place <= EXAMPLE_WIDTH - len(" \\")]
    if len(line) <= EXAMPLE_WIDTH or not fitting:
        return [line]
    return [f"{line[: fitting[-1]]} \\", *fold("    " + line[fitting[-1] + 1 :])]


def paragraphs(texts: Iterable[str], styles: Styles = NO_STYLES) -> list[str]:
    """Write paragraphs, apart by empty lines."""
    lines: list[str] = []
    for text in texts:
        lines += [".PP"] if lines else []
        lines += prose(text, styles)
    return lines


def entry(term: str, text: Sequence[str]) -> list[str]:
    """Write something and, indented, what it is."""
    return [".TP", line_of(term), *text]


def section(title: str, lines: Sequence[str]) -> list[str]:
    """Write a section, or nothing if there is nothing in it."""
    return [f".SH {title}", *lines] if lines else []


# ------------------------------------------------------------------------------- parts of the pages


def value_of(record: Option) -> str:
    """Write what stands for a value."""
    dots = "..." * record.value_name.endswith("...")
    return "|".join(style(word) for word, style in styles_of(record).items()) + dots


def synopsis(page: Page) -> list[str]:
    """Write what must be given; options are told further down."""
    words = []
    for record in page.records:
        # The blank must not be broken, and dots at the end of a line must not end a sentence.
        if record.flags and record.is_required:
            words.append(f"{bold(record.flags[0])}\\ {value_of(record)}")
        elif not record.flags:
            words.append(value_of(record) if record.is_required else f"[{value_of(record)}]")
    words.append("[\\fIOPTION\\fR]...")
    if page.children:
        words += ["\\fICOMMAND\\fR", "[\\fIARGUMENT\\fR]..."]
    return [f'.SY "{escape(" ".join(page.path))}"', *map(line_of, words), ".YS"]


def description(page: Page) -> list[str]:
    """Write the help but for the summary, which is in the name, unless that is all."""
    return paragraphs(page.description, placeholders_of(page))


def children(page: Page) -> list[str]:
    """Write the commands below."""
    lines: list[str] = []
    for heading, pages in page.children.items():
        lines.append(f".SS {heading}")
        for child in pages:
            lines += entry(reference(name_of(child)), prose(child.summary + "."))
    return lines


def parameters(page: Page) -> list[str]:
    """Write arguments and options under their headings."""
    lines: list[str] = []
    for heading, records in page.sections.items():
        lines.append(f".SS {heading}")
        for record in records:
            names = ", ".join(map(bold, filter(None, [*record.flags, record.off])))
            required = " Required." * (record.is_required and bool(names))
            styles = {**placeholders_of(page), **styles_of(record)}
            term = f"{names} {value_of(record)}".strip()
            lines += entry(term, prose(record.help + required, styles))
    return lines


def exit_status(page: Page) -> list[str]:
    """Write what every status means."""
    lines: list[str] = []
    for status, text in sorted(statuses_of(page).items()):
        lines += entry(bold(str(status)), prose(text))
    return [*lines, ".PP", *prose(BY_SIGNAL)]


def statuses_of(page: Page) -> dict[int, str]:
    """Say what statuses mean; the page of the program has those of single commands as well."""
    texts = {int(status): text for status, text in EXIT_STATUS.items()}
    for name, (status, text) in OWN_STATUS.items():
        if page.path[1:] == (name,):
            texts[status] = text
        elif not page.path[1:]:
            texts[status] = f"Of {name} alone: {text[0].lower()}{text[1:]}"
    return texts


def notes(page: Page, all_notes: Iterable[Note], style: Style) -> list[str]:
    """Write those notes that concern a command."""
    options = set(_all_options(page))
    lines: list[str] = []
    for note in all_notes:
        if not note.option or options & set(note.option.split()):
            term = ", ".join(style(name) for name in note.name.split(", "))
            lines += entry(term, prose(note.text, {"NAME": italic}))
    return lines


def see_also(page: Page, family: Sequence[Page]) -> list[str]:
    """Write the names of the pages above, beside and below."""
    names = [name_of(each) for each in (*family, *children_of(page)) if each != page]
    return [reference(name) + "," * (name != names[-1]) for name in names]


def reference(page: str) -> str:
    """Write the name of another page."""
    return f"{bold(page)}(1)"


def styles_of(record: Option) -> dict[str, Style]:
    """Styles of the words that stand for a value: bold if typed as they are, else italic."""
    words = record.value_name.strip("[]").removesuffix("...").split("|")
    typed = {
        word for word in words if word in record.choices or (len(words) > 1 and word.islower())
    }
    return {word: bold if word in typed else italic for word in words if word}


def placeholders_of(page: Page) -> dict[str, Style]:
    """Styles of the words that stand for something wherever the help of a command has them."""
    styles = (styles_of(record).items() for record in page.records)
    return {word: style for words in styles for word, style in words if style is italic}


def name_of(page: Page) -> str:
    """Name a page, as in ``onebyone-apply``."""
    return "-".join(page.path)


def children_of(page: Page) -> list[Page]:
    """List the pages below a page."""
    return [child for pages in page.children.values() for child in pages]


def _all_options(page: Page) -> Iterator[str]:
    for record in page.records:
        yield from record.flags
    for child in children_of(page):
        yield from _all_options(child)


# --------------------------------------------------------------------------------------- the pages


def page_of(page: Page, family: Sequence[Page], date: str) -> str:
    """Write the page of a command."""
    program, title = page.path[0], escape(name_of(page).upper())
    body = [
        f'.TH {title} 1 "{date}" "{program} {__version__}" "{program} manual"',
        *RAGGED,
        *section("NAME", [f"{escape(name_of(page))} \\- {_as_name(page.summary)}"]),
        *section("SYNOPSIS", synopsis(page)),
        *section("DESCRIPTION", description(page)),
        *section("COMMANDS", children(page)),
        *section("OPTIONS", parameters(page)),
        *section("EXIT STATUS", exit_status(page)),
        *section("ENVIRONMENT", notes(page, ENVIRONMENT, bold)),
        *section("FILES", notes(page, FILES, italic)),
        *section("EXAMPLES", verbatim(page.examples)),
        *section("SEE ALSO", see_also(page, family)),
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


def make_pages(root: Page, date: str) -> dict[str, str]:
    """Write the pages of a program and all its commands, by the names of their files."""
    return {f"{name}.1": text for name, text in _pages_below(root, [root], date)}


def _pages_below(page: Page, family: Sequence[Page], date: str) -> Iterator[tuple[str, str]]:
    yield name_of(page), page_of(page, family, date)
    below = children_of(page)
    for child in below:
        yield from _pages_below(child, [page, *below], date)


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
    pages = make_pages(read_page(), page_date())
    if not options.check:
        write_pages(folder, pages)
        return 0
    stale = stale_pages(folder, pages)
    for name in stale:
        print(f"{folder.name}/{name} is stale: run make man", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
