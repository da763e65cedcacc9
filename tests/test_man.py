import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import make_man
import pytest

from onebyone_cli import __version__
from onebyone_cli.cli.groups import REQUIRED, Option, option
from onebyone_cli.cli.manual import Page, all_pages
from onebyone_cli.errors import ExitStatus

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "man").glob("*.1"))

DATE = "2026-01-02"

GLYPHS = {
    "\\-": "-",
    "\\ ": " ",
    "\\(aq": "'",
    "\\(dq": '"',
    "\\(ga": "`",
    "\\(ha": "^",
    "\\(ti": "~",
    "\\(mu": "×",
    "\\(en": "–",
    "\\(rs": "\\",
}


COMMANDS = {"-".join(page.path): page for page in all_pages()}


def page(name: str) -> str:
    return (ROOT / "man" / f"{name}.1").read_text(encoding="ascii")


def section(text: str, title: str) -> str:
    return text.partition(f".SH {title}\n")[2].partition("\n.SH ")[0]


def shown(roff: str) -> str:
    """What a page shows, without fonts and on one line."""
    text = re.sub(r"\\f[BIR]|\\&", "", roff)
    text = re.sub(r"\\\[u([0-9A-F]{4})\]", lambda found: chr(int(found[1], 16)), text)
    for escape, character in GLYPHS.items():
        text = text.replace(escape, character)
    return " ".join(text.split())


def need(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")


def check_with(tool: str, path: Path) -> str:
    """Have a formatter complain about a page."""
    need(tool)
    command = {
        "mandoc": ["mandoc", "-T", "lint", "-W", "warning"],
        "groff": ["groff", "-man", "-ww", "-z"],
        "groff in ASCII": ["groff", "-man", "-ww", "-z", "-Tascii"],
    }[tool]
    done = subprocess.run([*command, path], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def render(tool: str, path: Path) -> str:
    """Format a page as a terminal of 80 columns shows it."""
    need(tool)
    command = {
        "mandoc": ["mandoc", "-T", "utf8", "-O", "width=78"],
        "groff": ["groff", "-man", "-Tutf8", "-P-cbou", "-rLL=78n"],
    }[tool]
    done = subprocess.run([*command, path], capture_output=True, check=True, timeout=60)
    return re.sub(".\x08", "", done.stdout.decode())


# ---------------------------------------------------------------------------- the pages in man/


def test_pages_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert make_man.main(["--check"]) == 0, capsys.readouterr().err


def test_every_command_has_a_page_and_every_page_a_command() -> None:
    assert {path.stem for path in PAGES} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_on_the_page(name: str) -> None:
    terms = section(page(name), "OPTIONS").split(".TP\n")[1:]
    told = [shown(term.split("\n")[0]) for term in terms]
    for record in COMMANDS[name].records:
        if record.flags:
            names = ", ".join(filter(None, [*record.flags, record.off]))
            assert [term for term in told if f"{term} ".startswith(f"{names} ")], names
    assert {"--help", "-h, --help"} & {*told}


@pytest.mark.parametrize("name", COMMANDS)
def test_headings_are_those_of_help(name: str) -> None:
    headings = re.findall(r"^\.SS (.*)$", section(page(name), "OPTIONS"), re.MULTILINE)
    assert headings == list(COMMANDS[name].sections)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_option_is_on_the_page(name: str) -> None:
    told = shown(section(page(name), "OPTIONS"))
    for record in COMMANDS[name].records:
        assert record.help in told


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_those_of_help(name: str) -> None:
    told = shown(section(page(name), "EXAMPLES").replace("\\(rs\n    ", ""))
    assert COMMANDS[name].examples
    for line in COMMANDS[name].examples:
        assert " ".join(line.split()) in told


@pytest.mark.parametrize("name", COMMANDS)
def test_sections_and_their_order(name: str) -> None:
    titles = re.findall(r"^\.SH (.*)$", page(name), re.MULTILINE)
    order = [
        *("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "EXIT STATUS"),
        *("ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"),
    ]
    assert titles == [title for title in order if title in titles]
    assert {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS"} <= set(titles)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_exit_status_is_explained(name: str) -> None:
    assert set(make_man.EXIT_STATUS) == set(ExitStatus)
    told = re.findall(r"^\\fB(\d+)\\fR$", section(page(name), "EXIT STATUS"), re.MULTILINE)
    own = {
        make_man.OWN_STATUS[key][0]
        for key in make_man.OWN_STATUS
        if name in (f"onebyone-{key}", "onebyone")
    }
    assert told == [str(status) for status in sorted({*map(int, ExitStatus), *own})]


def test_environment_of_the_program_is_told() -> None:
    read = re.compile(r"environ(?:\.get\(|\[)\"(\w+)\"|\"(HDF5_\w+)\"")
    source = [path.read_text(encoding="utf-8") for path in (ROOT / "onebyone_cli").rglob("*.py")]
    names = {name for text in source for found in read.findall(text) for name in found if name}
    told = {name for note in make_man.ENVIRONMENT for name in note.name.split(", ")}
    assert names <= told


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
@pytest.mark.parametrize("tool", ["mandoc", "groff"])
def test_formatters_have_nothing_to_say(tool: str, path: Path) -> None:
    assert check_with(tool, path) == ""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
@pytest.mark.parametrize("tool", ["mandoc", "groff"])
def test_pages_fit_80_columns(tool: str, path: Path) -> None:
    assert [line for line in render(tool, path).splitlines() if len(line) > 80] == []


def test_wheel_has_the_pages(tmp_path: Path) -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    (built,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        shared = [name for name in archive.namelist() if ".data/" in name]
    folder = f"onebyone_cli-{__version__}.data/data/share/man/man1"
    assert sorted(shared) == [f"{folder}/{path.name}" for path in PAGES]


# ------------------------------------------------------------------------------ how they are made


def make_root() -> Page:
    """A program with everything that is hard to write in roff, and commands below commands."""
    number = option("-n", "--number", type=int, default=REQUIRED, metavar="N", help="N of it.")
    mode = option("--mode", metavar="fast|NAME", help="How; fast or by NAME.")
    keep = option("--keep", type=bool, off="--drop", help="See --mode.")
    files = Option((), str, REQUIRED, metavar="FILE...", help=".dotted, or -.", multiple=True)
    one = Page(
        ("prog", "one"),
        ("Do one thing. And tell --number.",),
        ("prog one -n 3 a.npy", "prog one -n 4 'b c'", ".lines   stay", "'as      they \\ are"),
        {"Input": [files], "Messages": [number, mode, keep]},
        {},
    )
    show = Page(("prog", "tools", "show"), ("Show tools.",), ("prog tools show",), {}, {})
    tools = Page(
        *(("prog", "tools"), ("Keep tools. Of all kinds.",), ("prog tools show",), {}),
        {"All": (show,)},
    )
    return Page(
        ("prog",),
        (
            "Write Σ for a sum, and 1×1, and 1–1.",
            "Σ, 1×1 and 1–1 in text. .TH starts this paragraph; 'quoted' \"twice\" `thrice` "
            "\\fBnot bold\\fR ^~ and a-b well-known.",
        ),
        ("prog one -n 3 a.npy",),
        {},
        {"Some": (one, tools)},
    )


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return make_man.make_pages(make_root(), DATE)


def test_groups_have_pages_for_all_their_commands(made: dict[str, str]) -> None:
    assert list(made) == ["prog.1", "prog-one.1", "prog-tools.1", "prog-tools-show.1"]
    assert shown(section(made["prog-tools.1"], "SYNOPSIS")) == (
        '.SY "prog tools" [OPTION]... COMMAND [ARGUMENT]... .YS'
    )
    assert shown(section(made["prog-tools-show.1"], "SEE ALSO")) == "prog-tools(1)"
    assert shown(section(made["prog-one.1"], "SEE ALSO")) == "prog(1), prog-tools(1)"


def test_name_is_the_first_sentence_and_description_the_rest(made: dict[str, str]) -> None:
    assert section(made["prog-one.1"], "NAME") == "prog\\-one \\- do one thing"
    assert section(made["prog-one.1"], "DESCRIPTION") == "And tell \\fB\\-\\-number\\fR."
    assert section(made["prog-tools-show.1"], "DESCRIPTION") == "Show tools."


def test_synopsis_has_what_is_required(made: dict[str, str]) -> None:
    assert section(made["prog-one.1"], "SYNOPSIS").splitlines() == [
        '.SY "prog one"',
        "\\fIFILE\\fR...\\&",
        "\\fB\\-n\\fR\\ \\fIN\\fR",
        "[\\fIOPTION\\fR]...\\&",
        ".YS",
    ]


def test_options_have_placeholders_defaults_and_limits(made: dict[str, str]) -> None:
    options = section(made["prog-one.1"], "OPTIONS")
    assert "\\fB\\-n\\fR, \\fB\\-\\-number\\fR \\fIN\\fR\n\\fIN\\fR of it." in options
    assert "\\fIN\\fR of it.\nRequired." in options
    assert "\\fBfast\\fR|\\fINAME\\fR\nHow; \\fBfast\\fR or by \\fINAME\\fR." in options
    assert "\\fB\\-\\-keep\\fR, \\fB\\-\\-drop\\fR\nSee \\fB\\-\\-mode\\fR." in options


def test_notes_stand_where_there_is_such_an_option(made: dict[str, str]) -> None:
    assert "ONEBYONE_THREADS" in page("onebyone")
    assert all("ONEBYONE_THREADS" not in text for text in made.values())
    assert all(".SH FILES" not in text for text in made.values())


@pytest.mark.parametrize("tool", ["mandoc", "groff"])
def test_what_is_hard_to_write_is_shown(tool: str, made: dict[str, str], tmp_path: Path) -> None:
    for name, text in made.items():
        (tmp_path / name).write_text(text, encoding="ascii")
        assert check_with(tool, tmp_path / name) == ""
    whole = " ".join(render(tool, tmp_path / "prog.1").split())
    assert "prog - write sum for a sum, and 1x1, and 1-1 SYNOPSIS" in whole  # as whatis needs it
    assert (
        "Σ, 1×1 and 1–1 in text. .TH starts this paragraph; 'quoted' \"twice\" `thrice` "
        "\\fBnot bold\\fR ^~ and a-b well-known."
    ) in whole.replace("‐", "-")
    one = render(tool, tmp_path / "prog-one.1")
    assert ".dotted, or -." in " ".join(one.split())
    assert ".lines   stay" in one
    assert "'as      they \\ are" in one


def test_ascii_terminals_lose_nothing(made: dict[str, str], tmp_path: Path) -> None:
    need("groff")
    path = tmp_path / "prog.1"
    path.write_text(made["prog.1"], encoding="ascii")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", path], capture_output=True, check=True, timeout=60
    )
    assert done.stderr == b""
    assert "sum, 1x1 and 1-1 in text." in " ".join(done.stdout.decode("ascii").split())


@pytest.mark.parametrize(
    "line",
    [
        "prog " + "name.npy " * 6 + "--kernel '1 -1 2' --dtype uint8 -o grey.png > /dev/null",
        "prog " + "x" * 100,
        "prog " + "--option value " * 20,
    ],
)
def test_long_examples_are_continued_as_a_shell_reads_them(line: str) -> None:
    folded = make_man.fold(line)
    assert "\n".join(folded).replace("\\\n    ", "") == line
    if " --" in line:
        assert max(map(len, folded)) <= make_man.EXAMPLE_WIDTH
        assert len(folded) > 1


def test_stale_pages_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "man"
    folder.mkdir()
    (folder / "onebyone-gone.1").write_text("left over")
    assert make_man.main(["--check"], folder=folder) == 1
    assert "man/onebyone-gone.1 is stale" in capsys.readouterr().err

    assert make_man.main([], folder=folder) == 0
    assert sorted(path.name for path in folder.iterdir()) == [path.name for path in PAGES]
    assert make_man.main(["--check"], folder=folder) == 0

    with (folder / "onebyone.1").open("a") as file:
        file.write("more")
    assert make_man.main(["--check"], folder=folder) == 1
    assert capsys.readouterr().err == "man/onebyone.1 is stale: run make man\n"


def test_the_date_is_asked_for_or_fixed_and_makes_nothing_stale(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    changes = tmp_path / "CHANGELOG.md"
    monkeypatch.setattr(make_man, "CHANGELOG", changes)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    changes.write_text("## [Unreleased]\n")
    assert make_man.page_date() == make_man.FIRST_DATE
    changes.write_text("## [Unreleased]\n\n## [1.1.0] - 2027-03-04\n\n## [1.0.0] - 2027-01-01\n")
    assert make_man.page_date() == "2027-03-04"

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86399")
    assert make_man.page_date() == "1970-01-01"
    make_man.main([], folder=tmp_path)
    assert '"1970-01-01"' in (tmp_path / "onebyone.1").read_text()
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert make_man.main(["--check"], folder=tmp_path) == 0
