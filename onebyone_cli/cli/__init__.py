"""The command line: one thin command per file, and nothing imported before it is needed.

A well-formed command line is read by `direct`. Everything else, such as help, completion and
errors, goes to Typer by `typer_app`, whose import takes as long as the rest of a short run.
"""

#: Commands by headings, in the order in which help lists them. Each is a function in a module, both
#: of this name, beside a text ``EXAMPLES``; or a package with ``COMMANDS`` of its own, the first
#: paragraph of whose docstring is a summary.
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
