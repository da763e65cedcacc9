"""Options of ``man``."""

from onebyone_cli.cli.groups import Group, argument


def _commands() -> tuple[str, ...]:
    from onebyone_cli.cli import COMMANDS

    return tuple(name for names in COMMANDS.values() for name in names)


class Page(Group):
    """A page of the manual."""

    heading = "What to compute"

    command: list[str] = argument(
        "COMMAND",
        multiple=True,
        complete=_commands,
        help="The command whose page is shown. Default: the page of the program.",
    )
