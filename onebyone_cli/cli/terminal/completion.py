"""What shells are offered at a Tab in ``file.h5:``: the datasets of the file.

Typer's completion knows commands and options and leaves the rest to the shell, which knows files.
The name of a dataset is neither, and it stands behind a colon, where each shell has a way of its
own: bash takes a colon for the end of a word. So this is looked at first.

A file that is damaged, hostile or not there offers nothing, and nothing is ever said: it would be
written into the line that somebody types.
"""

import os
import shlex
from collections.abc import Mapping
from typing import Any

from onebyone_cli.cli.terminal.console import print_out

#: More names than this are no help to anybody who types.
_MOST_OFFERED = 500

#: What needs no backslash in a word that is typed in bash, besides letters and digits.
_SAFE = frozenset("/._-+@%,:~")


def completing() -> Any:
    """Answer a shell: datasets where a file with datasets is meant, else what Typer offers."""
    offered = offer_datasets(os.environ)
    if offered is None:
        from onebyone_cli.cli.typer_app import app

        return app(standalone_mode=False)
    if offered:
        print_out(offered)
    return 0


def offer_datasets(environment: Mapping[str, str]) -> str | None:
    """Answer a shell that wants the word at its cursor completed.

    Parameters
    ----------
    environment : mapping
        In which the scripts that Typer installs say what was typed.

    Returns
    -------
    str or None
        What to print: words for bash and fish, commands for zsh. None if no file with datasets is
        named, or none of them fits.
    """
    shell = environment.get("_ONEBYONE_COMPLETE", "").removeprefix("complete_")
    try:
        typed, is_apart = _bash_word(environment) if shell == "bash" else (_line(environment), True)
        word = _last_word(typed)
        known, names = _datasets(word)
    except Exception:  # whatever a file holds, and however far somebody has typed
        return None
    if not names:
        return None
    # bash and zsh replace what follows the last colon only.
    begun = word.rpartition(":")[0] + ":"
    rest = [(known + name).removeprefix(begun) for name in names]
    if shell == "zsh":
        return f"compset -P '*:' && compadd -- {' '.join(map(shlex.quote, rest))}"
    if shell == "bash":
        is_quoted = typed[:1] in ("'", '"')
        words = rest if is_apart else [known + name for name in names]
        return "\n".join(words if is_quoted else map(_escaped, words))
    # Asked whether there is anything to offer, fish looks at the status only.
    asks = environment.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args"
    return "" if asks else "\n".join(known + name for name in names)


def _datasets(word: str) -> tuple[str, list[str]]:
    """Give the part of a word that names the file, with the colon, and the datasets that fit.

    Names begin with a slash only where that was typed or nothing was.
    """
    from onebyone_cli.formats import opening

    if ":" not in word:
        return word, []
    path, inner = opening.split_inner(os.path.expanduser(word))
    if not inner and not word.endswith(":"):
        return word, []
    known = word.removesuffix(inner)
    slash = "/" if inner.startswith("/") or not inner else ""
    wanted = "/" + inner.lstrip("/")
    names = [each.name for each in opening.list_datasets(path)]
    fitting = [name for name in names if name.startswith(wanted) and name.isprintable()]
    return known, [slash + name[1:] for name in fitting[:_MOST_OFFERED]]


def _bash_word(environment: Mapping[str, str]) -> tuple[str, bool]:
    """Put together what bash took apart at colons; tell whether it did.

    ``cube.h5:/ra`` arrives as three words, unless the user has taken the colon out of
    ``COMP_WORDBREAKS`` or has opened a quotation.
    """
    words = environment["COMP_WORDS"].split("\n")
    at = int(environment["COMP_CWORD"])
    word = words[at] if at < len(words) else ""
    is_apart = False
    while at > 1 and ":" in (words[at][:1] if at < len(words) else "", words[at - 1][-1:]):
        at -= 1
        word, is_apart = words[at] + word, True
    return word, is_apart


def _line(environment: Mapping[str, str]) -> str:
    """Give the line up to the cursor, as zsh and fish tell it."""
    return environment["_TYPER_COMPLETE_ARGS"]


def _last_word(line: str) -> str:
    """Take quotes and backslashes off the word that a line ends in; a quotation may be open."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    word = ""
    try:
        for token in lexer:
            word = token
    except ValueError:
        return lexer.token
    return "" if line[-1:].isspace() else word


def _escaped(word: str) -> str:
    return "".join(c if c.isalnum() or c in _SAFE else f"\\{c}" for c in word)
