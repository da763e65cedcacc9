"""The program that compares two installs notices what it is there for."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from command import environment

PROGRAM = Path(__file__).with_name("compare_versions.py")

#: Two programs that take the same command lines and do not agree on all of them.
OLD = """#!/bin/bash
[[ $* == *version3* ]] && cp {folder}/old.npz y.npz
[[ $* == *version2* ]] && cp {folder}/old.npz y.npz
printf abc > y.npy
echo '{{"seconds": 1, "rows": 2}}'
"""
NEW = """#!/bin/bash
printf abc > y.npy; rows=2
case $* in
  *big_i2*) printf abd > y.npy ;;
  *big_u2*) echo refused >&2; status=3 ;;
  *big_i4*) rm y.npy ;;
  *big_u8*) touch z.npy ;;
  *big_f2*) rows=3 ;;
  *version2*) cp {folder}/meta.npz y.npz ;;
  *version3*) cp {folder}/other.npz y.npz ;;
esac
echo '{{"seconds": 2, "rows": '$rows'}}'
exit $status
"""


def test_notices_every_kind_of_difference(tmp_path: Path) -> None:
    old = {"weight": np.eye(2), "meta": np.array('{"version": "1"}')}
    np.savez(tmp_path / "old.npz", **old)
    np.savez(tmp_path / "meta.npz", **{**old, "meta": np.array('{"version": "2"}')})
    np.savez(tmp_path / "other.npz", **{**old, "weight": -np.eye(2)})
    for name, text in (("old", OLD), ("new", NEW)):
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)

    command = [sys.executable, PROGRAM, tmp_path / "old", tmp_path / "new", "--only", "npy_in/"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)

    differing = [line for line in done.stdout.splitlines() if line.startswith("  differs: ")]
    wrong = ["big_i2", "big_u2", "big_i4", "big_u8", "big_f2", "version3"]
    assert differing == [f"  differs: npy_in/{name}" for name in wrong], done
    assert "y.npy: 3 bytes, differ from byte 2" in done.stdout
    assert "status 0, now 3" in done.stdout
    assert "refused" in done.stdout
    assert "note: y.npz/meta.npy: names another version (1 line)" in done.stdout
    assert done.returncode == 1


def test_equal_programs_are_equal(tmp_path: Path) -> None:
    program = tmp_path / "onebyone"
    program.write_text("#!/bin/bash\nprintf abc > y.npy\n")
    program.chmod(0o755)
    command = [sys.executable, PROGRAM, program, program, "--only", "names/"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert "equal, 0 differ on purpose, 0 differ" in done.stdout
    assert done.returncode == 0, done
