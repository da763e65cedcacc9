"""Write help for a terminal: one screen for ``-h``, everything for ``--help``."""

import shutil
from collections.abc import Iterable, Iterator
from textwrap import wrap

from onebyone_cli.cli.groups import Option
from onebyone_cli.cli.manual import Page, first_sentence

#: Most columns of a text, and of terms; columns before terms.
_WIDEST, _TERMS, _INDENT = 80, 26, 2

#: Examples of short help.
_EXAMPLES = 3


def full_help(page: Page) -> str:
    """Write usage, description, options under their headings, and examples."""
    width = _columns()
    blocks = [_usage(page, width)]
    blocks += [_indented(text, width) for text in page.paragraphs]
    if page.children:
        blocks.append(_examples(page.examples[:_EXAMPLES]))
        blocks += [_commands(heading, pages, width) for heading, pages in page.children.items()]
    for heading, records in page.sections.items():
        rows = ((_term(record), _help(record)) for record in records)
        blocks.append("\n".join([f"{heading}:", *_rows(rows, width)]))
    if not page.children:
        blocks.append(_examples(page.examples))
    return "\n\n".join(blocks)


def short_help(page: Page) -> str:
    """Write usage, three examples, and the options of every day."""
    width = _columns()
    lines = [_usage(page, width), "", *wrap(page.summary + ".", width - 1), ""]
    lines += [_examples(page.examples[:_EXAMPLES]), ""]
    for heading, records in page.sections.items():
        daily = [record for record in records if record.daily]
        if daily:
            rows = [(_term(record), first_sentence(record.help)) for record in daily]
            lines += [f"{heading}:", *_rows(rows, width)]
    return "\n".join([*lines, "", f"All options: {' '.join(page.path)} --help"])


def usage_words(page: Page) -> list[str]:
    """Return the words after the name of a command in its usage line."""
    words = []
    for record in page.records:
        value = record.value_name
        if record.flags and record.is_required:
            words.append(f"{record.flags[0]} {value}")
        elif not record.flags:
            is_open = not record.is_required and not value.startswith("[")
            words.append(f"[{value}]" if is_open else value)
    if page.children:
        return [*words, "COMMAND", "[ARGUMENT]..."]
    return [*words, "[OPTION]..."]


def _columns() -> int:
    return max(40, min(_WIDEST, shutil.get_terminal_size().columns))


def _usage(page: Page, width: int) -> str:
    text = " ".join(["Usage:", *page.path, *usage_words(page)])
    return "\n".join(wrap(text, width - 1, subsequent_indent=" " * 7, break_on_hyphens=False))


def _indented(text: str, width: int) -> str:
    space = " " * _INDENT
    return "\n".join(wrap(text, width - 1, initial_indent=space, subsequent_indent=space))


def _examples(lines: Iterable[str]) -> str:
    return "\n".join(["Examples:", *(" " * _INDENT + line for line in lines)])


def _commands(heading: str, pages: Iterable[Page], width: int) -> str:
    rows = ((page.path[-1], page.summary + ".") for page in pages)
    return "\n".join([f"{heading}:", *_rows(rows, width)])


def _term(record: Option) -> str:
    names = ", ".join(filter(None, [*record.flags, record.off]))
    return f"{names} {record.value_name}".strip()


def _help(record: Option) -> str:
    return record.help + " Required." * (record.is_required and bool(record.flags))


def _rows(rows: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    """Write terms to the left and texts to the right; a long term has a line of its own."""
    listed = list(rows)
    fitting = [len(term) for term, _ in listed if len(term) <= _TERMS]
    column = _INDENT + max(fitting, default=0) + 2
    for term, text in listed:
        # Options in prose are not broken at their hyphens.
        lines = wrap(text, width - 1 - column, break_on_hyphens=False, break_long_words=False)
        first = lines.pop(0) if len(term) <= _TERMS and lines else ""
        yield f"{'':{_INDENT}}{term:<{column - _INDENT}}{first}".rstrip()
        yield from (" " * column + line for line in lines)
