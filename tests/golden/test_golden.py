"""Every golden case gives what it is expected to give; ``make bless`` writes the expectations."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from golden.runner import CASES, Outcome, all_cases, expected, prepare, run_prepared

OutcomeOf = Callable[[str], Outcome]


@pytest.fixture(scope="module")
def outcome_of(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OutcomeOf]:
    """Run all cases that were selected, several at a time, and hand out what came of them."""
    running: dict[str, Future[Outcome]] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for item in request.session.items:
            call = getattr(item, "callspec", None)
            if item.path == request.path and call is not None and "case" in call.params:
                name = call.params["case"]
                scratch = tmp_path_factory.mktemp("case")
                prepare(name, scratch)
                running[name] = pool.submit(run_prepared, name, scratch)
        yield lambda name: running[name].result()
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", all_cases())
def test_case(case: str, outcome_of: OutcomeOf) -> None:
    wanted = expected(case)
    found = outcome_of(case)
    # The status last: what was said tells more.
    assert found.experr == wanted.experr
    assert found.expout == wanted.expout
    assert found.expfiles == wanted.expfiles
    assert found.expstatus == wanted.expstatus
    assert "Traceback" not in found.experr
    assert ".part" not in found.expfiles
    assert "$TMPDIR" not in found.expfiles


@pytest.mark.parametrize("name", [name for name in all_cases() if name.startswith("errors_")])
def test_an_error_is_one_line_and_has_a_status(name: str) -> None:
    wanted = expected(name)
    assert wanted.expstatus.strip() in {"2", "65", "66", "69", "73", "74", "77"}
    assert wanted.experr.startswith("onebyone: ")
    assert wanted.experr.count("\n") == 1


def test_every_folder_of_a_case_has_a_command() -> None:
    folders = {path for path in CASES.glob("*/*") if path.is_dir()}
    assert folders == {CASES / name for name in all_cases()}
