"""Write the pages of ``docs/reference/`` from the program's own commands, options and help.

    python docs/make_reference.py [--check]

What a page says is what ``--help`` and the man pages say, read by the same code,
``man/make_man.py``. ``--check`` writes nothing, names the pages that are not what would be written,
and exits with 1 if there are any.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "man"))

import make_man  # noqa: E402 (found by the line above)
from make_man import Block, Command, Note, Parameter  # noqa: E402

from onebyone_cli import cli  # noqa: E402

FOLDER = HERE / "reference"

WRITTEN_BY = "<!-- Written by docs/make_reference.py: change the help of the command. -->"


def make_pages() -> dict[str, str]:
    """Write all pages, by the names of their files."""
    root = make_man.read_command(typer.main.get_command(cli.app))
    return dict(_pages_below(root))


def _pages_below(command: Command) -> Iterator[tuple[str, str]]:
    yield _file_of(command), "\n".join([WRITTEN_BY, "", *page_of(command)])
    for child in command.children:
        yield from _pages_below(child)


def _file_of(command: Command) -> str:
    return f"{'-'.join(command.path[1:])}.md" if command.path[1:] else "README.md"


def page_of(command: Command) -> Iterator[str]:
    """Write the page of a command, line by line."""
    yield f"# {' '.join(command.path)}"
    yield ""
    for block in command.help:
        yield from _paragraph(block)
    yield from _fenced(_synopsis(command))
    for title, parameters in (("Arguments", command.arguments), ("Options", command.options)):
        if parameters:
            yield f"## {title}\n"
            yield from map(_parameter, parameters)
            yield ""
    if command.examples:
        yield "## Examples\n"
        for block in command.examples:
            yield from _paragraph(block)
    if command.children:
        yield from _commands(command)
        yield from _rest(command)


def _commands(command: Command) -> Iterator[str]:
    yield "## Commands\n"
    for child in command.children:
        yield f"- [`{child.path[-1]}`]({_file_of(child)}): {_plain(child.summary)}."
    yield ""


def _rest(command: Command) -> Iterator[str]:
    """Write what is true of all commands."""
    if len(command.path) > 1:
        return
    yield "## Exit status\n"
    yield "| status | meaning |\n|---|---|"
    for status, text in sorted(make_man.statuses_of(command).items()):
        yield f"| {status} | {_plain(text)} |"
    yield f"| by signal | {_plain(make_man.BY_SIGNAL)} |\n"
    for title, notes in (("Environment", make_man.ENVIRONMENT), ("Files", make_man.FILES)):
        yield f"## {title}\n"
        yield from map(_note, notes)
        yield ""


def _note(note: Note) -> str:
    return f"- {', '.join(f'`{name}`' for name in note.name.split(', '))}: {_plain(note.text)}"


def _synopsis(command: Command) -> str:
    words = [" ".join(command.path)]
    for parameter in (*command.arguments, *command.options):
        value = _value(parameter) + "..." * (parameter.repeated and not parameter.names)
        if parameter.required:
            words.append(" ".join(filter(None, [*parameter.names[:1], value])))
        elif not parameter.names:
            words.append(f"[{value}]")
    return " ".join([*words, "[OPTION]...", *["COMMAND"] * bool(command.children)])


def _value(parameter: Parameter) -> str:
    return "|".join(parameter.value.words) if parameter.value else ""


def _parameter(parameter: Parameter) -> str:
    names = [f"`{name}`" for name in parameter.names]
    value = f"`{_value(parameter)}`" if parameter.value else ""
    required = " Required." * (parameter.required and bool(names))
    return (
        f"- {' '.join(filter(None, [', '.join(names), value]))}: {_plain(parameter.help)}{required}"
    )


def _paragraph(block: Block) -> Iterator[str]:
    if block.verbatim:
        yield from _fenced(block.text)
    else:
        yield _plain(block.text) + "\n"


def _fenced(text: str) -> Iterator[str]:
    yield f"```text\n{text}\n```\n"


def _plain(text: str) -> str:
    """Write text so that Markdown shows it as it is; options as code."""
    text = re.sub(r"([*_<|\[\]])", r"\\\1", text)
    return re.sub(r"(?<![\w`-])--?[A-Za-z][\w-]*", r"`\g<0>`", text)


def stale_pages(pages: dict[str, str]) -> list[str]:
    """Name the pages that are missing, left over or different."""
    there = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.md")}
    return sorted(
        name for name in there.keys() | pages.keys() if there.get(name) != pages.get(name)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description="Write the reference pages.")
    parser.add_argument("--check", action="store_true", help="only name the pages that are stale")
    options = parser.parse_args(arguments)
    pages = make_pages()
    if options.check:
        stale = stale_pages(pages)
        for name in stale:
            print(f"docs/reference/{name} is out of date: run make docs", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in stale_pages(pages):
        (FOLDER / name).unlink(missing_ok=True)
    for name, text in pages.items():
        (FOLDER / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
