"""Every golden case gives what it is expected to give; ``make bless`` writes the expectations."""

import pytest
from golden.runner import CASES, all_cases, expected, run_case


@pytest.mark.parametrize("case", all_cases())
def test_case(case: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    wanted = expected(case)
    found = run_case(case, tmp_path_factory.mktemp("case"))
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
