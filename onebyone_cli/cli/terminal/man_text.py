"""A man page as plain text, for where there is no ``man``.

It knows the requests and escapes of man(7) that our own pages are written in, and no others:
``man/make_man.py`` writes them, and the tests compare the words with those that mandoc shows.
"""

import re
from collections.abc import Iterator, Sequence
from textwrap import wrap

#: What man leaves free in front of text, and further in front of what a term stands for.
_INDENT = 7
_INDENTS = {".SH": _INDENT, ".PP": _INDENT, ".TP": 2 * _INDENT}

_WIDEST = 78

#: Requests that say how lines are filled, which is decided here, and what is for other formatters.
_IGNORED = (".nr", ".ad", ".if", ".fchar", '.\\"', ".TH")

_GLYPHS = {
    "\\(rs": "\\",
    "\\(aq": "'",
    "\\(dq": '"',
    "\\(ga": "`",
    "\\(ha": "^",
    "\\(ti": "~",
    "\\(mu": "×",
    "\\(en": "–",
    "\\-": "-",
    "\\&": "",
    "\\ ": "\xa0",
}
_ESCAPE = re.compile(r"\\(?:f[A-Z]|\[u[0-9A-F]{4}\]|\([a-z]{2}|[-& ])")


def plain_text(page: str, columns: int = _WIDEST) -> str:
    """Format a page.

    Parameters
    ----------
    page : str
        As `make_man.py` writes it.
    columns : int
        Longest line, but for words and examples that are longer.

    Raises
    ------
    ValueError
        If there is a request that is not known here.
    """
    blocks = list(_blocks(page.splitlines(), min(columns, _WIDEST)))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(blocks)).strip("\n").replace("\xa0", " ")


def _blocks(lines: Sequence[str], width: int) -> Iterator[str]:
    """Give what stands between empty lines, each with one at its end."""
    indent, filled = _INDENT, list[str]()
    rest = iter(lines)
    for line in rest:
        if not line.startswith("."):
            filled.append(_shown(line))
            continue
        request, _, words = line.partition(" ")
        if filled:
            yield _fill(filled, indent, width)
        filled = [_shown(words.strip('"'))] if request == ".SY" else []
        indent = _INDENTS.get(request, indent)
        if request == ".SH":
            yield f"\n{_shown(words)}"
        elif request == ".TP":
            yield " " * _INDENT + _shown(next(rest))
        elif request == ".EX":
            yield "\n".join(_until_end(rest, indent)) + "\n"
        elif request not in (*_INDENTS, ".SY", ".YS", *_IGNORED):
            raise ValueError(f"the request {request} is not known")
    if filled:
        yield _fill(filled, indent, width)


def _until_end(rest: Iterator[str], indent: int) -> Iterator[str]:
    for line in rest:
        if line == ".EE":
            return
        yield " " * indent + _shown(line)


def _fill(filled: Sequence[str], indent: int, width: int) -> str:
    space = " " * indent
    text = wrap(
        " ".join(filled),
        max(width, 2 * indent),
        initial_indent=space,
        subsequent_indent=space,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(text) + "\n"


def _shown(roff: str) -> str:
    return _ESCAPE.sub(lambda found: _character(found[0]), roff)


def _character(escape: str) -> str:
    if escape.startswith("\\["):
        return chr(int(escape[3:-1], 16))
    return "" if escape.startswith("\\f") else _GLYPHS[escape]
