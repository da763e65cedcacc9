"""Run the commands in the documents, and update the output that the documents show.

    python docs/run_commands.py [--check] [PAGE ...]

Every page is one session of bash in a fresh folder with a copy of ``sample_data/`` and
``examples/``. These commands run, from top to bottom:

- the lines after ``$ `` in blocks fenced as ``console``, with continuation lines after ``> ``; the
  lines between commands are their output;
- blocks fenced as ``sh``, and indented blocks that call ``onebyone``; their output is not shown;
- ``<!-- run``, lines, ``-->``: preparations that readers need not see.

A command that fails stops the page, unless ``$ echo $?`` follows. If only times, rates or peak
memory have changed, the output on the page stays. Files in ``pictures/`` of that folder are copied
to ``docs/pictures/`` if their pixels have changed. ``--check`` writes nothing, reports what is out
of date, and then exits with 1.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PICTURES = HERE / "pictures"

#: Most time that a page may take, in seconds.
PATIENCE_S = 300

#: Largest difference of equal pixels: processors round differently.
PIXEL_TOLERANCE = 2

#: Separates the outputs of commands; a character that no command prints.
MARK = "\x1e"

#: Matches what differs from run to run.
VARIABLE = re.compile(
    r"(?<= in )[0-9]+\.[0-9]{2,3} s(, [0-9.]+ ([KMGTP]i)?B/s)?, peak [0-9.]+ [KMG]iB"
    r"|(?<=\"seconds\": )[0-9.e-]+|(?<=\"bytes_per_second\": )[0-9]+|(?<=\"peak_bytes\": )[0-9]+"
)

_FENCE = re.compile(r"^```(\w*)")
_HIDDEN = "<!-- run"


class PageError(Exception):
    """A command of a page failed."""


@dataclass(frozen=True)
class Run:
    """Commands of a page, and the lines that show their output.

    Attributes
    ----------
    text : str
        The input of bash.
    shown : range or None
        Lines of the page with the output; None if it is not shown.
    """

    text: str
    shown: range | None = None


def runs_of(lines: Sequence[str]) -> Iterator[Run]:
    """Find the commands of a page, in order."""
    at = 0
    while at < len(lines):
        start, line = at, lines[at]
        fence = _FENCE.match(line)
        if fence:
            end = lines.index("```", at + 1)
            if fence[1] == "console":
                yield from _dialogue(lines, at + 1, end)
            elif fence[1] == "sh":
                yield _unseen(lines[at + 1 : end])
            at = end
        elif line.startswith(_HIDDEN):
            at = lines.index("-->", at)
            yield _unseen(lines[start + 1 : at])
        elif line.startswith("    ") and (at == 0 or not lines[at - 1]):
            while at + 1 < len(lines) and (lines[at + 1].startswith("    ") or not lines[at + 1]):
                at += 1
            block = [each[4:] for each in lines[start : at + 1]]
            if any(re.match(r"onebyone |[^#]*\| onebyone ", each) for each in block):
                yield _unseen(block)
        at += 1


def _unseen(block: Sequence[str]) -> Run:
    """Make a run of a block whose output is not shown; a failure in it ends the session."""
    return Run("\n".join(["set -e", *block, "set +e"]))


def _dialogue(lines: Sequence[str], at: int, end: int) -> Iterator[Run]:
    """Split a block into commands and their output."""
    while at < end:
        command = [lines[at].removeprefix("$ ")]
        at += 1
        while at < end and (command[-1].endswith("\\") or re.match(r">( |$)", lines[at])):
            command.append(re.sub(r"^> ?", "", lines[at]))
            at += 1
        first = at
        while at < end and not lines[at].startswith("$ "):
            at += 1
        yield Run("\n".join(command), range(first, at))


def outputs_of(runs: Sequence[Run], folder: Path) -> list[str]:
    """Run all commands in one session; return what each command printed.

    Raises
    ------
    PageError
        If a command fails and the next one is not ``echo $?``.
    """
    for name in ("sample_data", "examples"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "pictures").mkdir()
    script = "exec 2>&1\n" + "".join(
        f"{run.text}\nstatus=$?; printf '{MARK}%d{MARK}' $status; (exit $status)\n" for run in runs
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    parts = done.stdout.decode("utf-8", "backslashreplace").split(MARK)
    printed, statuses = parts[0:-1:2], parts[1::2]
    for number, (run, status) in enumerate(zip(runs, statuses, strict=False)):
        asked = number + 1 < len(runs) and runs[number + 1].text == "echo $?"
        if status != "0" and not asked:
            raise PageError(f"{run.text}\nexits with {status}:\n{printed[number]}")
    if len(printed) != len(runs):
        raise PageError(f"{runs[len(printed)].text}\nends the session:\n{parts[-1]}")
    return printed


def _environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    fixed = {
        "PATH": path,
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "COLUMNS": "80",
        "HOME": str(folder),
        "ONEBYONE_THREADS": "2",
    }
    return fixed | {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


def current(page: str, folder: Path) -> str:
    """Return a page with the present output of its commands.

    Parameters
    ----------
    page : str
        The Markdown.
    folder : Path
        Empty; commands run there.
    """
    lines = page.split("\n")
    runs = list(runs_of(lines))
    if not runs:
        return page
    printed = outputs_of(runs, folder)
    for run, text in reversed(list(zip(runs, printed, strict=True))):
        if run.shown is None:
            continue
        found = [line.rstrip() for line in text.removesuffix("\n").split("\n")] if text else []
        there = [lines[at] for at in run.shown]
        if [VARIABLE.sub("#", line) for line in found] != [VARIABLE.sub("#", x) for x in there]:
            lines[run.shown.start : run.shown.stop] = found
    return "\n".join(lines)


def same_picture(one: Path, two: Path) -> bool:
    """Return whether two images are equal up to rounding."""
    import numpy as np
    from PIL import Image

    if not (one.exists() and two.exists()):
        return False
    with Image.open(one) as a, Image.open(two) as b:
        if (a.size, a.mode) != (b.size, b.mode):
            return False
        return bool(np.abs(np.asarray(a, int) - np.asarray(b, int)).max() <= PIXEL_TOLERANCE)


def update(path: Path, *, check: bool) -> list[str]:
    """Update a page and its pictures, or with `check` only list what is out of date."""
    name, stale = path.relative_to(ROOT), []
    page = path.read_text("utf-8")
    with tempfile.TemporaryDirectory(prefix="docs-") as scratch:
        folder = Path(scratch).resolve()
        new = current(page, folder).replace(str(folder), "$PWD")
        if new != page:
            diff = difflib.unified_diff(page.split("\n"), new.split("\n"), lineterm="", n=1)
            stale.append("\n".join([f"{name} is out of date", *diff]))
        for picture in sorted((folder / "pictures").glob("*")):
            kept = PICTURES / picture.name
            if not same_picture(picture, kept):
                stale.append(f"docs/pictures/{picture.name} is out of date")
                if not check:
                    PICTURES.mkdir(exist_ok=True)
                    shutil.copyfile(picture, kept)
    if not check and new != page:
        path.write_text(new, "utf-8")
    return stale


def all_pages() -> list[Path]:
    """List the pages: the README and those below this folder."""
    return [ROOT / "README.md", *sorted(HERE.rglob("*.md"))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Update pages, or check them."""
    parser = argparse.ArgumentParser(description="Run the commands of the documents.")
    parser.add_argument("--check", action="store_true", help="only report what is out of date")
    parser.add_argument("pages", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    status = 0
    for path in [page.resolve() for page in options.pages] or all_pages():
        try:
            stale = update(path, check=options.check)
        except PageError as error:
            print(f"{path.relative_to(ROOT)}: {error}", file=sys.stderr)
            status = 1
            continue
        for text in stale:
            print(text if options.check else text.partition("\n")[0].replace("is out", "was out"))
        status = status or int(options.check and bool(stale))
    return status


if __name__ == "__main__":
    sys.exit(main())
