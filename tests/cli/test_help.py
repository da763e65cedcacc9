"""Help: one screen for -h, everything for --help, under the same headings everywhere."""

import re
from pathlib import Path

import pytest
from command import environment, onebyone

from onebyone_cli.cli.groups import HEADINGS
from onebyone_cli.cli.manual import Page, all_pages

PAGES = {" ".join(page.path[1:]): page for page in all_pages()}
COMMANDS = {name: page for name, page in PAGES.items() if not page.children}


def shown(page: Page, flag: str, folder: Path, columns: int = 80) -> str:
    env = environment(COLUMNS=str(columns))
    done = onebyone(*page.path[1:], flag, cwd=folder, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.decode()


def joined(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_short_help_is_one_screen(name: str, tmp_path: Path) -> None:
    page = PAGES[name]
    text = shown(page, "-h", tmp_path)
    lines = text.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(f"Usage: onebyone {name} ")
    assert lines[-1] == f"All options: onebyone {name} --help"
    examples = [line for line in page.examples if f"  {line}\n" in text]
    assert examples == list(page.examples[:3])
    for record in page.records:
        if record.daily:
            assert record.label in text


@pytest.mark.parametrize("name", PAGES)
def test_full_help_is_everything(name: str, tmp_path: Path) -> None:
    page = PAGES[name]
    text = shown(page, "--help", tmp_path)
    for record in page.records:
        assert joined(record.help) in joined(text)
    headings = re.findall(r"^(\S.*):$", text, re.MULTILINE)
    assert [each for each in headings if each in HEADINGS and each in page.sections] == list(
        page.sections
    )
    order = [HEADINGS.index(heading) for heading in page.sections]
    assert order == sorted(order)


@pytest.mark.parametrize("columns", [50, 60, 200])
def test_help_fits_the_terminal(columns: int, tmp_path: Path) -> None:
    text = shown(PAGES["apply"], "--help", tmp_path, columns)
    examples = PAGES["apply"].examples
    lines = [line for line in text.splitlines() if line.strip() not in examples]
    assert max(map(len, lines)) <= min(columns, 80)


@pytest.mark.parametrize("name", ["", "weights"])
def test_commands_are_listed_under_headings(name: str, tmp_path: Path) -> None:
    page = PAGES[name]
    text = shown(page, "-h", tmp_path)
    assert text == shown(page, "--help", tmp_path)
    for heading, children in page.children.items():
        listed = text.partition(f"\n{heading}:\n")[2].partition("\n\n")[0]
        assert re.findall(r"^  (\w+) ", listed, re.MULTILINE) == [c.path[-1] for c in children]
    assert text.count("\n  onebyone ") == 3


def test_everything_is_in_the_help_of_apply() -> None:
    assert list(PAGES["apply"].sections) == list(HEADINGS)
