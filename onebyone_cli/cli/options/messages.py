"""Options for messages."""

from onebyone_cli.cli.groups import Group, option
from onebyone_cli.cli.terminal.console import Console


class Debugging(Group):
    """Options of all commands."""

    heading = "Messages"

    debug: bool = option("--debug", type=bool, help="Show a traceback with an error.")


class Printing(Debugging):
    """Options of commands that print."""

    json: bool = option(
        "--json", type=bool, daily=True, help="Print one JSON document on standard output."
    )


class Messages(Printing):
    """Options of commands that report what they did."""

    quiet: bool = option("-q", "--quiet", type=bool, help="Print only errors.")

    #: An option of longer commands.
    verbose: bool = False

    def console(self) -> Console:
        """Return the console for these options."""
        return Console(quiet=self.quiet, verbose=self.verbose, json=self.json)


class SlowMessages(Messages):
    """Options of commands that show progress."""

    progress: bool | None = option(
        "--progress",
        type=bool,
        off="--no-progress",
        help="Show a progress bar. Default: for jobs that take more than a moment.",
    )


class RunMessages(SlowMessages):
    """Options of commands that read all pixels."""

    verbose: bool = option("-v", "--verbose", type=bool, help="Print more.")


class ApplyMessages(RunMessages):
    """Options of ``apply``."""

    dry_run: bool = option(
        "--dry-run",
        type=bool,
        daily=True,
        help="Check everything, show the plan and write nothing.",
    )
