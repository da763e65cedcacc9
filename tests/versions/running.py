"""Run the steps of a command line with one install, in surroundings that are always the same."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from line import SPELLINGS, Line, spell

#: Long enough for the slowest machine.
TIMEOUT_S = 180.0

#: Holds the ``sitecustomize`` that stops a job in the middle.
STOPPING = Path(__file__).resolve().parent / "stopping"


@dataclass(frozen=True)
class Step:
    """How one step of a command line ended."""

    command: str
    status: int
    stdout: bytes
    stderr: str


class Install:
    """One install of the program.

    Parameters
    ----------
    program : Path
        Its ``onebyone``.
    folder : Path
        A new folder, where ``onebyone`` is a link to it and the outputs of all lines go.
    inputs : Path
        What ``in`` is in the folder of each line.
    """

    def __init__(self, program: Path, folder: Path, inputs: Path) -> None:
        self.program = program
        self.folder = folder
        self._inputs = inputs
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "onebyone").symlink_to(program)
        self._spelling = cache(lambda key: SPELLINGS[key].choose(self._help))

    def run(self, line: Line) -> tuple[Path, list[Step]]:
        """Run all steps of a line, also after one that failed.

        Returns
        -------
        folder : Path
            The line's own folder, with its outputs.
        steps : list of Step
        """
        folder = self.folder / line.id.replace("/", "__")
        folder.mkdir()
        (folder / "in").symlink_to(self._inputs)
        commands = [spell(step, self._spelling) for step in line.steps]
        steps = [self._run(command, folder) for command in commands]
        (folder / "in").unlink()
        return folder, steps

    def version(self) -> str:
        """Return what ``onebyone --version`` prints."""
        return self._run("onebyone --version", self.folder).stdout.decode().strip()

    def _help(self, command: str) -> str:
        return self._run(f"onebyone {command} --help", self.folder).stdout.decode()

    def _run(self, command: str, folder: Path) -> Step:
        process = subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        try:
            stdout, stderr = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            stderr += f"\nended after {TIMEOUT_S:g} s\n".encode()
        return Step(command, process.returncode, stdout, stderr.decode(errors="backslashreplace"))

    def _environment(self) -> dict[str, str]:
        path: Sequence[str] = (str(self.folder / "bin"), os.environ.get("PATH", os.defpath))
        handed_on = {name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ}
        return {
            **handed_on,
            "PATH": os.pathsep.join(path),
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
            "COLUMNS": "80",
            "STOPPING": str(STOPPING),
        }
