"""Rewrite what the golden cases expect, from what the program does at present.

Run by hand, as ``make bless`` or ``python tests/golden/bless.py [TOPIC/NAME or TOPIC ...]``; then
read ``git diff``: what it shows is what users will see. No test imports or runs this.
"""

import os
import sys
import tempfile
from pathlib import Path

FIELDS = ("expout", "experr", "expstatus", "expfiles")


def main(wanted: list[str]) -> int:
    if "PYTEST_CURRENT_TEST" in os.environ:
        return _fail("bless.py must not run inside a test: expectations come from people")
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from golden.runner import CASES, all_cases, run_case

    names = [name for name in all_cases() if not wanted or {name, name.split("/")[0]} & {*wanted}]
    if not names:
        return _fail(f"no such case: {' '.join(wanted)}")
    changed = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix="bless-") as scratch:
            files = run_case(name, Path(scratch)).as_files()
        before = {
            field: path.read_text("utf-8")
            for field in FIELDS
            if (path := CASES / name / field).exists()
        }
        if files == before:
            continue
        changed.append(name)
        for field in FIELDS:
            path = CASES / name / field
            if field in files:
                path.write_text(files[field], "utf-8")
            else:
                path.unlink(missing_ok=True)
    lines = [f"{len(names)} cases run, {len(changed)} changed", *(f"  {name}" for name in changed)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _fail(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
