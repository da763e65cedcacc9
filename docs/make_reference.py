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

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "man"))

import make_man  # noqa: E402 (found by the line above)
from make_man import Note  # noqa: E402

from onebyone_cli.cli.groups import Option  # noqa: E402
from onebyone_cli.cli.manual import Page, all_pages  # noqa: E402
from onebyone_cli.cli.terminal.help_text import usage_words  # noqa: E402

FOLDER = HERE / "reference"

WRITTEN_BY = "<!-- Written by docs/make_reference.py: change the help of the command. -->"


def make_pages() -> dict[str, str]:
    """Write all pages, by the names of their files."""
    return {_file_of(page): "\n".join([WRITTEN_BY, "", *lines_of(page)]) for page in all_pages()}


def _file_of(page: Page) -> str:
    return f"{'-'.join(page.path[1:])}.md" if page.path[1:] else "README.md"


def lines_of(page: Page) -> Iterator[str]:
    """Write the page of a command, line by line."""
    yield f"# {' '.join(page.path)}"
    yield ""
    for text in page.paragraphs:
        yield _plain(text) + "\n"
    yield _fenced(" ".join([*page.path, *usage_words(page)]))
    yield "## Examples\n"
    yield _fenced("\n".join(page.examples))
    for heading, pages in page.children.items():
        yield f"## {heading}\n"
        for child in pages:
            yield f"- [`{child.path[-1]}`]({_file_of(child)}): {_plain(child.summary)}."
        yield ""
    for heading, records in page.sections.items():
        yield f"## {heading}\n"
        yield from map(_parameter, records)
        yield ""
    yield from _rest(page)


def _rest(page: Page) -> Iterator[str]:
    """Write what is true of all commands."""
    if len(page.path) > 1:
        return
    yield "## Exit status\n"
    yield "| status | meaning |\n|---|---|"
    for status, text in sorted(make_man.statuses_of(page).items()):
        yield f"| {status} | {_plain(text)} |"
    yield f"| by signal | {_plain(make_man.BY_SIGNAL)} |\n"
    for title, notes in (("Environment", make_man.ENVIRONMENT), ("Files", make_man.FILES)):
        yield f"## {title}\n"
        yield from map(_note, notes)
        yield ""


def _note(note: Note) -> str:
    return f"- {', '.join(f'`{name}`' for name in note.name.split(', '))}: {_plain(note.text)}"


def _parameter(record: Option) -> str:
    names = [f"`{name}`" for name in (*record.flags, record.off) if name]
    value = f"`{record.value_name}`" if record.value_name else ""
    required = " Required." * (record.is_required and bool(names))
    term = " ".join(filter(None, [", ".join(names), value]))
    return f"- {term}: {_plain(record.help)}{required}"


def _fenced(text: str) -> str:
    return f"```text\n{text}\n```\n"


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
