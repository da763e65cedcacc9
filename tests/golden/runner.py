"""Run one golden case and put what came of it into a form that is the same everywhere.

A case is a folder ``cases/<topic>/<name>/``:

=============  ===================================================================================
``cmd``        a command line, or a few, for ``bash -c`` in a fresh folder
``setup``      optional: Python that makes the inputs there beforehand
``expout``     what must come on standard output, ``experr`` on standard error,
``expstatus``  the exit status, and ``expfiles`` all files that are there afterwards
=============  ===================================================================================

An empty text has no file. `files_after` says what a line of ``expfiles`` looks like.
"""

import contextlib
import hashlib
import os
import re
import runpy
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from command import TAKEN, TIMEOUT_S, environment, for_shells

CASES = Path(__file__).parent / "cases"

#: Most numbers that a line shows, so that a reader can check them.
_SHOWN_NUMBERS = 60

#: Files above this size are listed without a look inside: some cases make them of holes.
_LOOK_INSIDE_BYTES = 1 << 24


@dataclass(frozen=True)
class Outcome:
    """What a run left behind; the fields are named after the files of a case."""

    expout: str
    experr: str
    expstatus: str
    expfiles: str

    def as_files(self) -> dict[str, str]:
        """Contents of the files that expect this outcome."""
        return {name: text for name, text in vars(self).items() if text}


def all_cases() -> list[str]:
    """Names of all cases, as in ``errors_npy/missing_file``."""
    return sorted(str(cmd.parent.relative_to(CASES)) for cmd in CASES.glob("*/*/cmd"))


def expected(name: str) -> Outcome:
    """Read what a case must give.

    Raises
    ------
    FileNotFoundError
        If it was never blessed: every case has a status.
    """
    folder = CASES / name
    texts = {}
    for field in ("expout", "experr", "expfiles"):
        path = folder / field
        texts[field] = path.read_text("utf-8") if path.exists() else ""
    return Outcome(expstatus=(folder / "expstatus").read_text("utf-8"), **texts)


def run_case(name: str, scratch: Path) -> Outcome:
    """Run a case in `scratch`, an empty folder."""
    _prepare(name, scratch)
    return _run_prepared(name, scratch)


def _prepare(name: str, scratch: Path) -> None:
    (scratch / "work").mkdir()
    (scratch / "tmp").mkdir()
    setup = CASES / name / "setup"
    if setup.exists():
        with contextlib.chdir(scratch / "work"):
            runpy.run_path(str(setup))


def _run_prepared(name: str, scratch: Path) -> Outcome:
    scratch = scratch.resolve()
    work, temporary = scratch / "work", scratch / "tmp"
    command = (CASES / name / "cmd").read_text("utf-8")
    env = for_shells(environment(TMPDIR=str(temporary), HOME=str(work)))
    status, out, err = _run_to_the_end(["bash", "-c", command], work, env)
    places = {str(work): "$WORK", str(temporary): "$TMPDIR"}
    return Outcome(
        expout=_normal(out, places),
        experr=_normal(err, places),
        expstatus=f"{status}\n",
        expfiles="".join(f"{line}\n" for line in files_after(scratch)),
    )


def _run_to_the_end(command: list[str], cwd: Path, env: dict[str, str]) -> tuple[int, bytes, bytes]:
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    )
    try:
        out, err = process.communicate(timeout=TIMEOUT_S)
    except BaseException:
        # The whole group: what bash had started would keep the pipes open.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    return process.returncode, out, err


#: What differs from run to run, and what stands for it.
_VARIABLE = (
    (TAKEN, ""),
    (re.compile(r'"(seconds|bytes_per_second|peak_bytes)": [0-9.e-]+'), r'"\1": #'),
    (re.compile(r"\b[0-9]+\.[0-9]{2} s\b"), "#.## s"),
    (re.compile(r"\b[0-9]+(\.[0-9])? ([KMGT]i)?B/s"), "# B/s"),
    (re.compile(r"\b[0-9]+ bytes free"), "# bytes free"),
    (re.compile(r"^onebyone [0-9]+\.[0-9]+\S*$", re.MULTILINE), "onebyone #.#.#"),
)


def _normal(raw: bytes, places: dict[str, str]) -> str:
    text = raw.decode("utf-8", "backslashreplace")
    for path, name in places.items():
        text = text.replace(path, name)
    for pattern, stand_in in _VARIABLE:
        text = pattern.sub(stand_in, text)
    return text


def files_after(scratch: Path) -> Iterator[str]:
    """One line for each file in the working folder, and for any that was left in ``$TMPDIR``.

    The line has the path and what is in the file: type, shape and numbers of an array, a dataset
    or an image, in C order; of anything else the size.
    """
    for path in sorted((scratch / "work").rglob("*")):
        name = str(path.relative_to(scratch / "work"))
        if path.is_symlink():
            yield f"{name} -> {os.readlink(path)}"
        elif path.is_dir():
            if not any(path.iterdir()):
                yield f"{name}/ empty"
        elif not path.is_file():
            yield f"{name} special"
        else:
            for line in _contents(path):
                yield f"{name} {line}"
    for path in sorted((scratch / "tmp").rglob("*")):
        yield f"$TMPDIR/{path.name}"


def _contents(path: Path) -> list[str]:
    size = path.stat().st_size
    reader = _READERS.get(path.suffix)
    if reader is None or size > _LOOK_INSIDE_BYTES:
        return [f"{size} bytes"]
    try:
        return reader(path)
    except Exception:  # malformed on purpose
        return [f"{size} bytes"]


def _npy(path: Path) -> list[str]:
    array = np.load(path, allow_pickle=False)
    return [f"{path.stat().st_size} bytes, {describe(array)}"]


def _npz(path: Path) -> list[str]:
    # numpy would leave a damaged file open.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return [f"{name} {describe(array)}" for name, array in archive.items()]


def _image(path: Path) -> list[str]:
    from PIL import Image

    with Image.open(path) as image:
        return [describe(np.asarray(image))]


def _hdf5(path: Path) -> list[str]:
    import h5py

    lines: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            filters = [item.compression, item.shuffle and "shuffle", item.fletcher32 and "check"]
            stored = " ".join(["", *(f for f in filters if f)])
            chunks = f" chunks {item.chunks}" if item.chunks else ""
            names = "".join(f" @{key}={value}" for key, value in sorted(item.attrs.items()))
            numbers = describe(np.asarray(item[()]))
            lines.append(f"/{name} {numbers}{chunks}{stored}{names}")

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return lines or ["without datasets"]


_READERS = {".npy": _npy, ".npz": _npz, ".h5": _hdf5, ".png": _image, ".tif": _image}


def describe(array: np.ndarray[Any, Any]) -> str:
    """Type and shape of an array, then its numbers; of a large one, a SHA-256 of them."""
    if array.dtype.kind not in "biuf":
        return f"of type {array.dtype.name} {array.shape}"
    if array.size <= _SHOWN_NUMBERS:
        numbers = " ".join(str(number).removesuffix(".0") for number in array.ravel().tolist())
        return f"{array.dtype.name} {array.shape}: {numbers}"
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return f"{array.dtype.name} {array.shape} sha256:{hashlib.sha256(plain.tobytes()).hexdigest()}"
