"""The command line: one thin command per file, imported only when it runs.

`direct` reads a well-formed command line. Everything else, such as help, completion and errors,
goes to Typer by `typer_app`, whose import takes as long as the rest of a short run.
"""

#: Commands by headings, in the order of help. Each is a function in a module of the same name that
#: also has ``EXAMPLES``; or a package with ``COMMANDS``, ``HELP`` and ``EXAMPLES``.
COMMANDS = {
    "Apply and learn": ("apply", "fit", "reduce", "stats", "merge"),
    "Look": ("info", "view", "compare"),
    "Weights": ("weights",),
    "More": ("cost", "man"),
}

#: Where the modules of commands are.
PACKAGE = f"{__name__}.commands"


def names_in(commands: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """List the names of commands without their headings."""
    return tuple(name for names in commands.values() for name in names)
