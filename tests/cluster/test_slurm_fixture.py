"""The Slurm that tests start is a real one, and nothing is left of it afterwards."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.slurm import Slurm, Task, missing_for_slurm

pytestmark = [
    pytest.mark.skipif(bool(missing_for_slurm()), reason=missing_for_slurm()),
    pytest.mark.cluster,
    pytest.mark.xdist_group("slurm"),
]

#: Long enough for any machine: what is waited for here takes seconds.
ENDS_S = 120.0


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with Slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


def script(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["#!/bin/bash", "#SBATCH --output=job_%A_%a.log", *lines, ""]))
    return path


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + ENDS_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.05)


def running(pids: set[int]) -> set[int]:
    """Which of these processes run; one that has ended and waits to be collected does not."""
    stats = {pid: Path(f"/proc/{pid}/stat") for pid in pids}
    return {
        pid
        for pid, stat in stats.items()
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
    }


def test_every_task_of_an_array_runs(slurm: Slurm, tmp_path: Path) -> None:
    job = script(
        tmp_path / "array.sh", 'echo "$SLURM_ARRAY_TASK_ID" > "task_$SLURM_ARRAY_TASK_ID.txt"'
    )
    job_id = slurm.submit("--array=0-3", job, cwd=tmp_path)
    assert slurm.wait(job_id, ENDS_S) == [Task(index, "COMPLETED", 0, 0) for index in range(4)]
    texts = {path.name: path.read_text() for path in tmp_path.glob("task_*.txt")}
    assert texts == {f"task_{index}.txt": f"{index}\n" for index in range(4)}


def test_a_failure_is_told_per_task(slurm: Slurm, tmp_path: Path) -> None:
    job = script(tmp_path / "fails.sh", 'exit "$SLURM_ARRAY_TASK_ID"')
    job_id = slurm.submit("--array=0,3", job, cwd=tmp_path)
    assert slurm.wait(job_id, ENDS_S) == [Task(0, "COMPLETED", 0, 0), Task(3, "FAILED", 3, 0)]


def test_a_cancelled_array_has_ended_with_all_its_tasks(slurm: Slurm, tmp_path: Path) -> None:
    # More tasks than Slurm writes out in a list, if it is not told to.
    job = script(tmp_path / "waits.sh", "sleep 1000")
    job_id = slurm.submit("--array=1-199:2", "--hold", job, cwd=tmp_path)
    assert [task.state for task in slurm.tasks(job_id)] == ["PENDING"] * 100
    assert slurm.run("scancel", job_id, cwd=tmp_path).returncode == 0
    tasks = slurm.wait(job_id, ENDS_S)
    assert tasks == [Task(index, "CANCELLED", 0, 0) for index in range(1, 200, 2)]


def test_a_job_sees_the_environment_of_the_tests_and_its_own(slurm: Slurm, tmp_path: Path) -> None:
    job = script(tmp_path / "env.sh", 'echo "$SHADE" > shade.txt', "onebyone --version > it.txt")
    job_id = slurm.submit(job, cwd=tmp_path, env={"SHADE": "grey"})
    assert slurm.wait(job_id, ENDS_S) == [Task(None, "COMPLETED", 0, 0)]
    assert (tmp_path / "shade.txt").read_text() == "grey\n"
    assert (tmp_path / "it.txt").read_text().startswith("onebyone ")


def test_steps_run_side_by_side(slurm: Slurm, tmp_path: Path) -> None:
    job = script(tmp_path / "steps.sh", "srun bash -c 'echo $SLURM_PROCID > step_$SLURM_PROCID'")
    job_id = slurm.submit("--ntasks=3", job, cwd=tmp_path)
    assert slurm.wait(job_id, ENDS_S) == [Task(None, "COMPLETED", 0, 0)]
    assert sorted(path.name for path in tmp_path.glob("step_*")) == ["step_0", "step_1", "step_2"]


def test_a_job_requeues_itself_when_it_is_warned(slurm: Slurm, tmp_path: Path) -> None:
    # The time limit is far away, so the warning is sent by hand. Slurm itself would look at time
    # limits twice a minute only.
    job = script(
        tmp_path / "requeue.sh",
        "#SBATCH --requeue --signal=B:USR1@60 --time=10",
        'if [ "${SLURM_RESTART_COUNT:-0}" = 1 ]; then touch second; exit 0; fi',
        "trap 'touch warned; scontrol requeue \"$SLURM_JOB_ID\"; exit 75' USR1",
        "sleep 1000 &",
        "touch first",
        "wait",
        "touch never",
    )
    job_id = slurm.submit(job, cwd=tmp_path)
    wait_for(tmp_path / "first")
    warned = slurm.run("scancel", "--batch", "--signal=USR1", job_id, cwd=tmp_path)
    assert warned.returncode == 0, warned.stderr
    assert slurm.wait(job_id, ENDS_S) == [Task(None, "COMPLETED", 0, 1)]
    marks = {name for name in ("first", "warned", "second", "never") if (tmp_path / name).exists()}
    assert marks == {"first", "warned", "second"}


def test_a_job_that_does_not_end_is_shown_with_the_logs(slurm: Slurm, tmp_path: Path) -> None:
    job_id = slurm.submit("--hold", script(tmp_path / "held.sh", "true"), cwd=tmp_path)
    with pytest.raises(TimeoutError, match=rf"(?s)job {job_id}.*PENDING.*slurmctld.log"):
        slurm.wait(job_id, 0)


def test_a_job_that_is_refused_says_why(slurm: Slurm, tmp_path: Path) -> None:
    job = script(tmp_path / "refused.sh", "true")
    with pytest.raises(RuntimeError, match=r"sbatch ended with 1: .*invalid partition"):
        slurm.submit("--partition=none", job, cwd=tmp_path)


def test_two_run_side_by_side_and_nothing_is_left_of_them(tmp_path: Path) -> None:
    # The folder is not what a path of a socket or a value in a configuration may be.
    folder = tmp_path / "a folder, with blanks" / ("and a long name" * 10)
    with Slurm(folder) as one:
        seen = one.processes()
        with Slurm(tmp_path / "other") as other:
            seen |= other.processes()
            job_ids = []
            for name, slurm in (("one", one), ("other", other)):
                job = script(tmp_path / f"{name}.sh", f"sleep 1000 & touch {name}_runs; wait")
                job_ids.append(slurm.submit(job, cwd=tmp_path))
                wait_for(tmp_path / f"{name}_runs")
                seen |= slurm.processes()
            assert job_ids[0] == job_ids[1]  # each counts for itself
            assert not one.processes() & other.processes()
            # munged, slurmctld, slurmd; slurmstepd, the script and its sleep
            assert len(running(seen)) >= 2 * 6
        assert not other.processes()
        assert [task.state for task in one.tasks(job_ids[0])] == ["RUNNING"]
    assert not running(seen)
    assert not Path(one.environment["SLURM_CONF"]).parent.is_symlink()


def test_what_a_job_hid_from_slurm_is_killed_and_told(tmp_path: Path) -> None:
    # A Slurm without cgroups ends the group of the script, and this is in a group of its own.
    job = script(
        tmp_path / "hides.sh",
        "setsid bash -c 'touch hidden; exec sleep 1000' &",
        "until [ -e hidden ]; do sleep 0.05; done",
    )
    slurm = Slurm(tmp_path / "slurm")
    with pytest.raises(RuntimeError, match=r"were left and have been killed; .*sleep 1000"):  # noqa: SIM117
        with slurm:
            slurm.wait(slurm.submit(job, cwd=tmp_path), ENDS_S)
    assert not slurm.processes()


def test_a_daemon_that_does_not_start_is_shown_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.slurm._CONFIGURATION", "NoSuchSetting={folder}\n")
    slurm = Slurm(tmp_path / "slurm")
    with pytest.raises(RuntimeError, match=r"(?s)slurm.* ended.*NoSuchSetting"), slurm:
        pass
    assert not slurm.processes()
