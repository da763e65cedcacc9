"""Errors: settings in their messages, the classes of Python, statuses, and pickling."""

import pickle
from collections.abc import Iterator

import pytest

from onebyone_cli import errors
from onebyone_cli.cli.exit_status import as_option
from onebyone_cli.errors import OneByOneError, setting


@pytest.fixture
def on_the_command_line() -> Iterator[None]:
    errors.spell_settings(as_option)
    yield
    errors.spell_settings(errors.as_argument)


def error() -> OneByOneError:
    return errors.UsageError(
        f"{setting('memory', '1M')} is too small; give {setting('nan_to')} or {setting('k', 0)}",
        "x.npy",
    )


def test_python_reads_of_arguments() -> None:
    assert str(error()) == "x.npy: memory=1M is too small; give nan_to= or k=0"


@pytest.mark.usefixtures("on_the_command_line")
def test_the_command_line_reads_of_options() -> None:
    assert error().message == "--memory 1M is too small; give --nan-to or -k 0"
    assert str(error()) == f"x.npy: {error().message}"


def test_an_error_knows_the_first_setting_it_names() -> None:
    assert error().setting == "memory"
    assert OneByOneError("memory is short").setting == ""


def test_advice_comes_last() -> None:
    one = error()
    one.advise(f"; or {setting('threads', 1)}")
    assert one.message.endswith("k=0; or threads=1")
    assert one.setting == "memory"


BUILTINS = {
    errors.UsageError: ValueError,
    errors.DataError: ValueError,
    errors.ShapeMismatchError: ValueError,
    errors.InputMissingError: FileNotFoundError,
    errors.DependencyMissingError: ImportError,
    errors.ClusterError: OneByOneError,
    errors.OutputRefusedError: OSError,
    errors.ReadWriteError: OSError,
    errors.PolicyError: PermissionError,
}


@pytest.mark.parametrize(("cls", "builtin"), BUILTINS.items())
def test_every_class(cls: type[OneByOneError], builtin: type[Exception]) -> None:
    one = cls(f"give {setting('threads')}", "x.npy")
    assert isinstance(one, builtin)
    assert str(one) == "x.npy: give threads="
    again = pickle.loads(pickle.dumps(one))
    assert type(again) is cls
    assert (again.message, again.path, again.setting) == (one.message, one.path, "threads")


@pytest.mark.parametrize("cls", BUILTINS)
def test_a_status_stands_for_a_class(cls: type[OneByOneError]) -> None:
    status = errors.status_of(cls("so it is"))
    found = errors.class_of(status)
    assert found is not None
    assert errors.status_of(found("again")) == status


def test_other_statuses_stand_for_none() -> None:
    for status in (errors.ExitStatus.DONE, 1, errors.ExitStatus.BUG, errors.ExitStatus.STOPPED):
        assert errors.class_of(status) is None
    assert errors.class_of(69) is errors.DependencyMissingError
