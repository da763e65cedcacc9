"""The documents show what commands do now; ``make docs`` brings them up to date."""

import re
from pathlib import Path

import make_reference
import numpy as np
import pytest
import run_commands
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGES = run_commands.all_pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_is_what_happens(page: Path) -> None:
    assert run_commands.update(page, check=True) == []


def test_the_readme_is_short_and_its_commands_need_no_preparation(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert text.count("\n") <= 120
    seen = re.sub(r"<!-- run.*?-->\n", "", text, flags=re.DOTALL)
    assert run_commands.current(seen, tmp_path) == seen
    assert (tmp_path / "components.png").exists()


def test_the_reference_is_what_help_says() -> None:
    assert make_reference.stale_pages(make_reference.make_pages()) == []


def test_every_picture_is_made_by_a_command_and_shown() -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    for picture in (ROOT / "docs/pictures").iterdir():
        assert f"-o pictures/{picture.name}" in text
        assert re.search(rf"(\(|src=\")(\.\./|docs/)?pictures/{re.escape(picture.name)}", text)


def test_pictures_are_small() -> None:
    for picture in (ROOT / "docs/pictures").iterdir():
        assert picture.stat().st_size < 200_000, picture.name


def anchor_of(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", text):
        target = "".join(link)
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
            assert anchor in map(anchor_of, headings), target


PAGE = """\
```console
$ echo one \\
    two
one two
$ cat <<'END'
> three
>
> END
something old
```

<!-- run
four=4
-->

```sh
test $four = 4
```

```console
$ false
$ echo $?
$ echo "done in 0.10 s, 1.0 MiB/s, peak 2.0 MiB"
done in 9.99 s, 5 B/s, peak 7.0 MiB
```

    onebyone --version > version.txt

This is text.

    indented, and not run
"""


def test_output_is_kept_current_and_the_rest_as_it_is(tmp_path: Path) -> None:
    wanted = PAGE.replace("something old", "three\n").replace("$ echo $?\n", "$ echo $?\n1\n")
    assert run_commands.current(PAGE, tmp_path) == wanted
    assert (tmp_path / "version.txt").exists()


@pytest.mark.parametrize("command", ["false", "exit 3", "if"])
def test_a_command_that_fails_is_told(command: str, tmp_path: Path) -> None:
    with pytest.raises(run_commands.PageError, match=command):
        run_commands.current(f"```console\n$ true\n$ {command}\n$ true\n```\n", tmp_path)


def test_pictures_may_differ_by_rounding_only(tmp_path: Path) -> None:
    grey = np.full((4, 5), 100, np.uint8)
    for name, change in (("one", 0), ("near", 2), ("far", 3)):
        Image.fromarray(grey + np.uint8(change)).save(tmp_path / f"{name}.png")
    assert run_commands.same_picture(tmp_path / "one.png", tmp_path / "near.png")
    assert not run_commands.same_picture(tmp_path / "one.png", tmp_path / "far.png")
    assert not run_commands.same_picture(tmp_path / "one.png", tmp_path / "none.png")
