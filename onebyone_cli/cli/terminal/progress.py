"""Show progress of long jobs: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from onebyone_cli.units import format_bytes

if TYPE_CHECKING:
    from onebyone_cli.cli.terminal.console import Console

#: Shorter jobs show nothing: importing rich would take a noticeable part of the time.
_PATIENCE_S = 0.7

#: Time between plain lines.
_LINE_EVERY_S = 10.0


class Progress:
    """Show the progress that a job reports.

    `wanted` is ``--progress`` or ``--no-progress``; None shows a bar on a terminal, lines
    elsewhere.
    """

    def __init__(self, console: Console, wanted: bool | None = None) -> None:
        self._console = console
        self._shown = wanted is not False and not console.quiet
        self._started = time.monotonic()
        self._step, self._step_started = "", self._started
        self._line_at = self._started + (_PATIENCE_S if wanted else _LINE_EVERY_S)
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, step: str, done: int, total: int) -> None:
        """Report that `done` of `total` bytes of a step are done."""
        if not self._shown:
            return
        now = time.monotonic()
        if step != self._step:
            self._step, self._step_started = step, now
        if self._console.is_terminal:
            if self._bar is not None or now - self._started > _PATIENCE_S:
                self._draw(step, done, total)
        elif now >= self._line_at:
            self._line_at = now + _LINE_EVERY_S
            rate = done / max(now - self._step_started, 1e-9)
            left = _clock((total - done) / rate) if done else "?"
            self._console.say(
                f"{step}: {100 * done // max(total, 1)} % of {format_bytes(total)}, "
                f"{format_bytes(int(rate))}/s, {left} left"
            )

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _draw(self, step: str, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = _make_bar()
            self._bar.start()
            self._task = self._bar.add_task(step, total=total)
        self._bar.update(self._task, description=step, completed=done, total=total)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _clock(seconds: float) -> str:
    """Write a time as the bar does, as in ``0:01:30``."""
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def _make_bar() -> Any:
    from rich.console import Console as RichConsole
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Rate(ProgressColumn):
        """Bytes in a second, in the units of all other messages."""

        def render(self, task: Any) -> Text:
            shown = "?" if task.speed is None else f"{format_bytes(int(task.speed))}/s"
            return Text(shown, style="progress.data.speed")

    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        Rate(),
        TimeRemainingColumn(),
        console=RichConsole(stderr=True),
        transient=True,
    )
