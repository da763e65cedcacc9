"""Complete the datasets after ``file.h5:`` for a shell.

Typer completes commands and options, and the shell completes files. The name of a dataset is
neither, and each shell treats the colon before it in its own way: for bash it ends a word.

A file that is damaged, hostile or missing has no completions and no message, which would appear in
the line being typed.
"""

import os
import shlex
from collections.abc import Mapping
from typing import Any

from onebyone_cli.cli.terminal.console import print_out

_MOST_OFFERED = 500

#: Characters that need no backslash in bash, besides letters and digits.
_SAFE = frozenset("/._-+@%,:~")


def completing() -> Any:
    """Answer a shell: datasets of a file, or else the completions of Typer."""
    offered = offer_datasets(os.environ)
    if offered is None:
        from onebyone_cli.cli.typer_app import app

        return app(standalone_mode=False)
    if offered:
        print_out(offered)
    return 0


def offer_datasets(environment: Mapping[str, str]) -> str | None:
    """Return the datasets that complete the word at the cursor.

    `environment` holds the line, as the scripts that Typer installs pass it. The result is words
    for bash and fish, and commands for zsh; None if no datasets fit.
    """
    shell = environment.get("_ONEBYONE_COMPLETE", "").removeprefix("complete_")
    try:
        typed, is_apart = _bash_word(environment) if shell == "bash" else (_line(environment), True)
        word = _last_word(typed)
        known, names = _datasets(word)
    except Exception:  # any file, and any incomplete word
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
    # Here fish only uses the exit status.
    asks = environment.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args"
    return "" if asks else "\n".join(known + name for name in names)


def _datasets(word: str) -> tuple[str, list[str]]:
    """Return the part of a word up to the colon, and the datasets that fit.

    A slash in front of a name is left out if it was not typed.
    """
    from onebyone_cli.formats import opening

    if ":" not in word:
        return word, []
    path, inner = opening.split_inner(os.path.expanduser(word))
    if not inner and not word.endswith(":"):
        return word, []
    known = word.removesuffix(inner)
    names = [each.name for each in opening.list_datasets(path)]
    if inner and not inner.startswith("/"):
        names = [name.removeprefix("/") for name in names]
    fitting = [name for name in names if name.startswith(inner) and name.isprintable()]
    return known, fitting[:_MOST_OFFERED]


def _bash_word(environment: Mapping[str, str]) -> tuple[str, bool]:
    """Join the words that bash split at colons; return whether it did.

    ``cube.h5:/ra`` arrives as three words, unless the colon is not in ``COMP_WORDBREAKS`` or a
    quotation is open.
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
    """Return the line up to the cursor, from zsh and fish."""
    return environment["_TYPER_COMPLETE_ARGS"]


def _last_word(line: str) -> str:
    """Return the last word of a line without quotes and backslashes; a quotation may be open."""
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
