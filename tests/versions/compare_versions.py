r"""Show that two installs of onebyone write the same bytes.

    python tests/versions/compare_versions.py OLD_ONEBYONE NEW_ONEBYONE [--only WORD] [--jobs 2]

Every command line of ``command_lines.py`` runs with both installs, in folders of their own with the
same names inside. The exit status, the bytes of all files and standard output must be equal;
standard error is shown where a status differs. Free text, such as the ``meta`` of a model, is
compared by itself: what differs there is a note. Differences that ``ON_PURPOSE`` explains are
listed apart. Both installs need the same versions of NumPy, h5py and Pillow.

The exit status is 1 if anything differs that ``ON_PURPOSE`` does not explain.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from command_lines import ON_PURPOSE, all_lines
from inputs import make_inputs
from line import Line
from outputs import Comparison, compare_folders, compare_steps
from running import Install


@dataclass(frozen=True)
class Result:
    """What one line has shown."""

    line: Line
    found: Comparison
    reason: str | None
    errors: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether anything but free text differs."""
        return bool(self.found.differences)


def main(words: Sequence[str] | None = None) -> int:
    options = parse(words)
    lines = [line for line in all_lines() if options.only in line.id]
    if options.list:
        print("\n".join(f"{line.id}\t{' && '.join(line.steps)}" for line in lines))
        return 0
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="onebyone-versions-"))
    try:
        results = run(folder, options, lines)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if options.errors:
        for result in results:
            for error in result.errors:
                print(f"{result.line.id}: status {error}")
    summarize(results, whole=not options.only)
    print(f"{time.monotonic() - started:.0f} s" + (f"; outputs in {folder}" * options.keep))
    return any(result.differs and not result.reason for result in results)


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", type=Path, help="onebyone of the old install")
    parser.add_argument("new", type=Path, help="onebyone of the new install")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="run lines with WORD in their id"
    )
    parser.add_argument("--jobs", type=int, default=2, help="lines at the same time (2)")
    parser.add_argument("--keep", action="store_true", help="keep inputs and outputs that differ")
    parser.add_argument("--errors", action="store_true", help="show lines that the old refuses")
    parser.add_argument("--list", action="store_true", help="print the lines, and run nothing")
    return parser.parse_args(words)


def run(folder: Path, options: argparse.Namespace, lines: Sequence[Line]) -> list[Result]:
    """Make the inputs, and run all lines with both installs."""
    inputs = folder / "inputs"
    inputs.mkdir()
    make_inputs(inputs)
    programs = {"old": options.old, "new": options.new}
    installs = [Install(path.absolute(), folder / name, inputs) for name, path in programs.items()]
    print(", ".join(f"{one.folder.name}: {one.version()}" for one in installs), flush=True)

    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(lambda line: compare(line, installs), lines):
            results.append(result)
            show(result)
            if len(results) % 100 == 0:
                print(f"... {len(results)} of {len(lines)} lines", flush=True)
    return results


def compare(line: Line, installs: Sequence[Install]) -> Result:
    """Run a line with both installs, and remove what is equal."""
    (old, steps_old), (new, steps_new) = (install.run(line) for install in installs)
    found = Comparison()
    compare_steps(steps_old, steps_new, found)
    compare_folders(old, new, found)
    if not found.differences:
        shutil.rmtree(old)
        shutil.rmtree(new)
    errors = tuple(f"{step.status}: {step.stderr.strip()}" for step in steps_old if step.status)
    return Result(line, found, reason_of(line.id, ON_PURPOSE), errors)


def reason_of(line: str, on_purpose: Mapping[str, str]) -> str | None:
    """Return why a line may differ, or None."""
    return next((why for key, why in on_purpose.items() if fnmatchcase(line, key)), None)


def show(result: Result) -> None:
    """Print a line that differs without a reason, at once."""
    if result.differs and not result.reason:
        print(f"DIFFERS {result.line.id}: {' && '.join(result.line.steps)}")
        print("\n".join(f"  {difference}" for difference in result.found.differences), flush=True)


def summarize(results: Sequence[Result], *, whole: bool) -> None:
    """Print the lines by topic, differences on purpose, notes, and reasons that nothing needs."""
    differing = [result for result in results if result.differs]
    unexplained = [result for result in differing if not result.reason]
    explained = [result for result in differing if result.reason]
    topics = Counter(result.line.topic for result in results)
    print("\nlines by topic: " + ", ".join(f"{topic} {count}" for topic, count in topics.items()))
    print_notes(results)
    for result in explained:
        print(f"on purpose: {result.line.id}: {result.reason}")
        print("\n".join(f"  {difference}" for difference in result.found.differences))
    for key in unneeded(results, ON_PURPOSE) if whole else ():
        print(f"no longer differs, remove it from ON_PURPOSE: {key}")
    refused = sum(bool(result.errors) for result in results)
    print(
        f"{len(results)} lines ({refused} of them with an error in old):"
        f" {len(results) - len(differing)} equal,"
        f" {len(explained)} differ on purpose, {len(unexplained)} differ"
    )
    for result in unexplained:
        print(f"  differs: {result.line.id}")


def print_notes(results: Iterable[Result]) -> None:
    """Print what differs in free text, each kind of difference once with its number of lines."""
    notes = Counter(note for result in results for note in set(result.found.notes))
    for note, count in notes.most_common():
        print(f"note: {note} ({count} {'line' if count == 1 else 'lines'})")


def unneeded(results: Iterable[Result], on_purpose: Mapping[str, str]) -> list[str]:
    """Return the keys of `on_purpose` of which no line differs."""
    differing = [result.line.id for result in results if result.differs]
    return [key for key in on_purpose if not any(fnmatchcase(one, key) for one in differing)]


if __name__ == "__main__":
    sys.exit(main())
