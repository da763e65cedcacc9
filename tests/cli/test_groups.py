"""Options as data: records, groups, and commands that take groups."""

import ast
import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from onebyone_cli.cli import options
from onebyone_cli.cli.groups import HEADINGS, REQUIRED, Group, argument, groups_of, option
from onebyone_cli.cli.manual import all_pages
from onebyone_cli.cli.options.inputs import ApplyInput
from onebyone_cli.cli.options.learning import Learning
from onebyone_cli.cli.options.running import Resources
from onebyone_cli.cli.options.weights import ApplyWeights
from onebyone_cli.cli.spread import spread
from onebyone_cli.errors import UsageError

FOLDER = Path(options.__file__).parent


class Few(Group):
    heading = "Input"

    path: str = argument("FILE", names="file")
    size: int | None = option("-s", "--size", type=int, least=1, most=9)
    often: list[str] = option("--often", multiple=True, names="maybe")
    loud: bool = option("--loud", type=bool)
    bar: bool | None = option("--bar", type=bool, off="--no-bar")
    order: str = option("--order", default="up", choices=("up", "down"))


class More(Few):
    extra: str = option("--extra")
    size: int | None = option("--size", type=int, help="Another one.")


def commands() -> Iterator[tuple[str, Callable[..., Any]]]:
    for page in all_pages():
        if not page.children:
            module = import_module(".".join(["onebyone_cli.cli.commands", *page.path[1:]]))
            yield " ".join(page.path[1:]), getattr(module, page.path[-1])


COMMANDS = dict(commands())


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_options_and_commands_import_no_typer() -> None:
    folder = FOLDER.parent
    files = [*FOLDER.glob("*.py"), folder / "groups.py", *folder.glob("commands/**/*.py")]
    assert len(files) > 20
    assert [path.name for path in files if "typer" in imported(path)] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_take_few_groups_with_known_headings(name: str) -> None:
    groups = groups_of(COMMANDS[name])
    assert 0 < len(groups) <= 12
    places = [HEADINGS.index(kind.heading) for kind in groups.values()]
    assert places == sorted(places)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help_and_names_of_its_own(name: str) -> None:
    records = [
        record for kind in groups_of(COMMANDS[name]).values() for record in kind.members.values()
    ]
    flags = [flag for record in records for flag in (*record.flags, record.off) if flag]
    assert len(set(flags)) == len(flags)
    for record in records:
        assert record.help.endswith(".")
        assert record.type is bool or record.value_name
        assert (
            record.default is REQUIRED
            or not record.choices
            or record.default
            in (
                "",
                *record.choices,
            )
        )


@pytest.mark.parametrize("name", COMMANDS)
def test_spread_gives_a_parameter_for_each_record(name: str) -> None:
    wanted = [m for kind in groups_of(COMMANDS[name]).values() for m in kind.members]
    assert list(inspect.signature(spread(COMMANDS[name], print)).parameters) == [
        *wanted,
        "short_help",
    ]


def test_a_group_has_the_values_that_were_given() -> None:
    few = Few(path="x", size=3)
    assert (few.path, few.size, few.often, few.loud, few.bar, few.order) == (
        *("x", 3, [], False, None, "up"),
    )


def test_members_of_subclasses_come_first_and_replace_others() -> None:
    assert list(More.members) == ["extra", "size", "path", "often", "loud", "bar", "order"]
    assert More.members["size"].help == "Another one."
    assert Few.members["size"].least == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"path": "x"}, ["x"]),
        ({"path": "x", "size": 3, "order": "down"}, ["x", "--size", "3", "--order", "down"]),
        ({"path": "x", "order": "up"}, ["x"]),
        ({"path": "x", "loud": True, "bar": True}, ["x", "--loud", "--bar"]),
        ({"path": "x", "bar": False}, ["x", "--no-bar"]),
        ({"path": "x", "often": ["1 2", "3"]}, ["x", "--often", "1 2", "--often", "3"]),
    ],
)
def test_a_group_writes_itself_as_words(given: dict[str, Any], words: list[str]) -> None:
    assert Few(**given).words() == words


def test_words_of_some_members() -> None:
    few = Few(path="x", size=3, loud=True)
    assert few.words(only={"size"}) == ["--size", "3"]


def test_words_mean_the_same_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.txt").touch()
    few = Few(path="x", often=["there.txt", "1 2"])
    assert few.words(absolute=True) == [
        *(f"{tmp_path}/x", "--often", f"{tmp_path}/there.txt", "--often", "1 2"),
    ]
    given = ApplyInput(inputs=["a.h5:/b", "-", "c.npy"])
    assert given.words(absolute=True) == [f"{tmp_path}/a.h5:/b", "-", f"{tmp_path}/c.npy"]
    assert few.files() == {f"{tmp_path}/{name}": name for name in ("x", "there.txt", "1 2")}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("size", "9", 9), ("order", "down", "down"), ("path", "-1", "-1")],
)
def test_records_convert_words(name: str, text: str, value: object) -> None:
    assert Few.members[name].parse(text) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("size", "x", "--size x is not a whole number"),
        ("size", "1.5", "--size 1.5 is not a whole number"),
        ("size", "0", "--size 0 is too small; give 1 or more"),
        ("size", "10", "--size 10 is too large; give 9 or less"),
        ("order", "UP", "--order UP is unknown; choose from up, down"),
    ],
)
def test_records_refuse_words(name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Few.members[name].parse(text)
    assert str(caught.value) == message


def test_an_unknown_attribute_of_an_option() -> None:
    with pytest.raises(TypeError, match="hepl: no attribute of an option"):
        option("--x", hepl="")


def test_words_of_a_real_command_line() -> None:
    groups = [
        ApplyWeights(weights=["a.npz", "b.npz"], bias=["1"]),
        Resources(memory="1G", threads=2),
        Learning(components="all", method="mnf"),
    ]
    assert [word for group in groups for word in group.words()] == [
        *("--weights", "a.npz", "--weights", "b.npz", "--bias", "1"),
        *("--memory", "1G", "--threads", "2", "--components", "all", "--method", "mnf"),
    ]
