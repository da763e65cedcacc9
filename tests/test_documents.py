"""Help, man pages, README and other documents agree with the program.

Every command line that is written anywhere must be one that the program takes, and every option
that is named must be one of the command it is named with.
"""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from onebyone_cli.cli import typer_app
from onebyone_cli.cli.manual import COMMANDS, all_pages, read_page

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("[a-z]*/README.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/how-to/*.md"),
        ROOT / "Makefile",
        *(path for path in ROOT.glob("examples/*") if path.is_file()),
    ]
)
PROGRAM = "onebyone"
NAMES = [name for names in COMMANDS.values() for name in names]

#: What ends a command in a shell.
_ENDS = {"|", "||", "&", "&&", ";", ";;", ")", "<", ">", ">>", "<<<", ":::"}

#: Stands for what a shell puts in place of a variable.
_VALUE = "1"


class Line(NamedTuple):
    """A command line, and where it was found."""

    place: str
    words: tuple[str, ...]


def texts() -> Iterator[tuple[str, str]]:
    """All that is told about the program, by what it is called."""
    for path in DOCUMENTS:
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    for page in all_pages():
        yield f"help of {' '.join(page.path[1:])}", "\n".join([*page.paragraphs, *page.examples])


@cache
def commands() -> dict[str, Any]:
    """Every command by its words, as in ``"apply"``; the program itself is ``""``."""
    program = typer.main.get_command(typer_app.app)
    found: dict[str, Any] = {"": program}
    ahead = [("", program)]
    while ahead:
        above, group = ahead.pop()
        for name in group.list_commands(None):
            whole = f"{above} {name}".strip()
            found[whole] = group.get_command(None, name)
            if hasattr(found[whole], "list_commands"):
                ahead.append((whole, found[whole]))
    return found


def options_of(name: str) -> set[str]:
    """All options of a command, those that every command has included."""
    params = commands()[name].params
    return {"-h", "--help"}.union(*({*each.opts, *each.secondary_opts} for each in params))


# -------------------------------------------------------------------------------- command lines


def written(text: str) -> Iterator[str]:
    """Lines of code blocks and scripts, joined where they go on; not what prose names."""
    joined = re.sub(r"\\\n\s*", " ", text)
    yield from (line for line in joined.splitlines() if "`" not in line)


def command_lines(text: str) -> Iterator[tuple[str, ...]]:
    """Command lines that begin with the program and name a command or an option."""
    for line in written(text):
        for found in re.finditer(rf"(?:^|[|;(,']|exec|\d|::|:) *(?={PROGRAM} )", line):
            words = tuple(words_of(line[found.end() :]))
            if len(words) > 1 and (words[1] in commands() or words[1].startswith("-")):
                yield words


def words_of(line: str) -> Iterator[str]:
    """Take a line apart as a shell does, up to the end of the first command."""
    line = re.sub(r"\$\{[^}]*\}|[$<]\([^)]*\)|\$\w+|\{/?\}", _VALUE, line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split, lexer.commenters = True, "#"
    try:
        for word in lexer:
            if word in _ENDS:
                return
            yield word
    except ValueError:  # a quotation that another one is in
        return


def all_lines() -> list[Line]:
    return [Line(place, words) for place, text in texts() for words in command_lines(text)]


def parse(words: tuple[str, ...]) -> None:
    """Have the program parse a command line, and run nothing."""
    name, rest = "", list(words[1:])
    while rest and f"{name} {rest[0]}".strip() in commands():
        name = f"{name} {rest.pop(0)}".strip()
    command = commands()[name]
    if {"-h", "--help", "--version"} & set(rest):
        unknown = {word for word in rest if word.startswith("-")} - options_of(name)
        assert not unknown
        return
    if name and not rest:
        return  # the command is named, not shown
    if not name:
        assert rest[0] in options_of("")
        return
    command.make_context(name, rest).close()


def test_command_lines_are_found() -> None:
    """The test of the tests: what it looks for is there, in every kind of document."""
    lines = all_lines()
    places = {line.place for line in lines}
    assert {"README.md", "Makefile", "sample_data/README.md", "examples/slurm_array.sh"} <= places
    assert {f"help of {name}" for name in NAMES} <= places
    assert (PROGRAM, "apply", "cube.h5:/radiance", "-w", "model.npz", "-o", "reduced.h5") in {
        line.words for line in lines
    }
    assert len(lines) > 60


@pytest.mark.parametrize("line", dict.fromkeys(all_lines()), ids=lambda line: " ".join(line.words))
def test_every_command_line_is_one(line: Line) -> None:
    parse(line.words)


@pytest.mark.parametrize(
    "line", ["onebyone apply a.npy --kernle 1", "onebyone fit a.npy -k", "onebyone cost --plan"]
)
def test_a_command_line_that_is_none_is_found(line: str) -> None:
    (words,) = command_lines(f"    {line}\n")
    with pytest.raises(Exception, match=r"No such option|requires an argument"):
        parse(words)


# -------------------------------------------------------------------------------------- options

#: Options of other programs, and of scripts beside ours, that documents name by themselves.
FOREIGN = {
    *("-include", "-j", "-name", "-print0", "-z"),
    *("--check", "--folder", "--keep", "--runs", "--side", "--strict"),
}

#: Options that were removed; the list of changes alone names them.
GONE = {"--range", "--requeue-exit-code", "--restart", "--stretch"}


def spans(text: str) -> Iterator[tuple[str, str]]:
    """Options between backticks, each with the command that is named before it in there."""
    for span in re.findall(r"`([^`\n]*(?:\n[^`\n]+)?)`", text):
        words = span.split()
        name = words[1] if words[:1] == [PROGRAM] and len(words) > 1 else (words or [""])[0]
        for word in words:
            if re.fullmatch(r"--?[a-z][\w-]*", word):
                yield (name if name in commands() else ""), word


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_option_that_is_named_exists(path: Path) -> None:
    known = set().union(*map(options_of, commands()))
    past = GONE if path.name == "CHANGELOG.md" else set()
    for name, option in spans(path.read_text(encoding="utf-8")):
        if option not in FOREIGN | past:
            assert option in (options_of(name) if name else known), f"{name} {option}"


@pytest.mark.parametrize("name", commands())
def test_help_names_options_that_exist(name: str) -> None:
    """An option that the help of a command speaks of is its own, or another command's by name."""
    page = read_page(*name.split())
    known = set().union(*map(options_of, commands()))
    said = [*page.paragraphs, *(record.help for record in page.records)]
    for text in said:
        for option in re.findall(r"(?<![\w-])--[a-z][\w-]+", text):
            others = {other for other in commands() if re.search(rf"\b{other}\b", text)}
            allowed = options_of(name).union(*map(options_of, others - {""}))
            assert option in (allowed if name else known) or option == "--print0", (name, option)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_in_the_readme(name: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"\b{PROGRAM} {name}\b", text)


def test_options_that_were_removed_are_gone() -> None:
    assert not GONE & set().union(*map(options_of, commands()))


def test_options_of_others_are_still_named() -> None:
    named = {option for path in DOCUMENTS for _, option in spans(path.read_text(encoding="utf-8"))}
    assert named >= FOREIGN
