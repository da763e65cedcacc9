"""The house as its imports show it: data flows one way, and a new format is a file of its own.

The table is that of ``docs/architecture.md``. Imports for type checkers count too: what a module
speaks about is what it knows.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import onebyone_cli
from onebyone_cli import formats

ROOT = Path(onebyone_cli.__file__).parent

#: Rooms, and the rooms they may know. A room is a module, or a package with all that is in it.
PLAIN = {"errors", "spec", "units"}
CONTRACTS = {
    "formats.base",
    "formats.array_layout",
    "formats.array_file",
    "formats.byte_source",
    "formats.array_stream",
    "formats.array_source",
}
#: How what is written gets its name.
OUTPUTS = {"descriptors", "atomic", "part_files"}
MAY_KNOW: dict[str, set[str]] = {
    "": {"api", "blas", "errors"},
    "errors": set(),
    "spec": set(),
    "units": set(),
    "limits": {"units"},
    "blas": set(),
    "checkpoint": PLAIN | {"part_files"},
    "sharding": PLAIN,
    # It runs command lines, and knows nothing of what they do.
    "cluster": PLAIN | {""},
    "buffers": set(),
    "npy_header": PLAIN,
    "descriptors": PLAIN,
    "renaming": PLAIN,
    "atomic": PLAIN | {"descriptors", "renaming"},
    "part_files": PLAIN | {"renaming", "atomic"},
    "targets": PLAIN,
    "tiling": PLAIN,
    "planning": PLAIN | {"tiling", "buffers"},
    "cost": PLAIN | {"npy_header"},
    "workers": {"spec"},
    "weights": PLAIN | {"npy_header", "descriptors", "atomic", "targets"},
    "fit": PLAIN | {"weights"},
    "linear_algebra": PLAIN | {"weights"},
    "kernels": PLAIN | {"weights"},
    "moments_file": PLAIN | {"weights", "fit"},
    "comparison": {"buffers"},
    "casting": PLAIN,
    "conv1x1": PLAIN | {"weights", "buffers"},
    "formats.array_layout": PLAIN,
    "formats.base": PLAIN | {"formats.array_layout", "atomic"},
    "formats.array_file": PLAIN | {"formats.array_layout", "formats.base"},
    "formats.byte_source": PLAIN | {"descriptors"},
    "formats.array_stream": PLAIN | {"formats.array_layout", "formats.base", "formats.byte_source"},
    "formats.array_source": PLAIN
    | {f"formats.{name}" for name in ("base", "byte_source", "array_layout")}
    | {"formats.array_file", "formats.array_stream"},
    "formats.raw": PLAIN | CONTRACTS,
    # The registry finds formats by their names, so it imports none but the one that has no name.
    "formats": PLAIN | {"part_files", "targets", "formats.base", "formats.raw"},
    "stack": PLAIN | {"formats.base"},
    "in_memory": PLAIN | CONTRACTS,
    "spool": PLAIN | CONTRACTS | {"targets"},
    "picture": PLAIN | {"descriptors", "atomic", "targets"},
}
#: What each format may know, besides the modules of its own family.
FORMATS_MAY_KNOW = PLAIN | CONTRACTS | OUTPUTS | {"targets", "npy_header"}
#: Formats, and what is one in all but that no file is known for it.
FORMATS = (*formats.NAMES, "raw")
#: These know everything that lies before them.
JOINING = ("pipeline", "inspection", "api", "cli", "__main__", "attended")

#: Beyond the standard library, wherever in the module the import stands.
THIRD_PARTY = {
    "weights": {"numpy"},
    "fit": {"numpy", "sklearn"},
    "linear_algebra": {"numpy"},
    "kernels": {"numpy"},
    "moments_file": {"numpy"},
    "comparison": {"numpy"},
    "casting": {"numpy"},
    "buffers": {"numpy"},
    "conv1x1": {"numpy"},
    "formats.base": {"numpy"},
    "formats.array_layout": {"numpy"},
    "formats.array_file": {"numpy"},
    "formats.array_stream": {"numpy"},
    "stack": {"numpy"},
    "picture": {"numpy", "PIL"},
    "in_memory": {"numpy"},
    "api": {"numpy"},
    "pipeline": {"numpy"},
    "cluster": {"dask", "distributed"},
    "cli": {"typer", "rich", "matplotlib"},
}
#: One library for each format, with the extra that gives it more filters.
LIBRARIES_OF_FORMATS = {
    "npy": {"numpy"},
    "raw": {"numpy"},
    "hdf5": {"numpy", "h5py", "hdf5plugin"},
    "images": {"numpy", "PIL"},
}

#: What makes start-up slow. Help, version and completion get by without.
HEAVY = {"numpy", "h5py", "PIL", "rich", "matplotlib", "sklearn", "distributed"}


@dataclass(frozen=True)
class Import:
    """One import: what, where, and when it is done."""

    name: str
    line: int
    when: str

    @property
    def library(self) -> str:
        return self.name.split(".")[0]


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the package by its name without the package's; packages by their own."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports_below(node: ast.AST, when: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inner = when
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inner = "in a function"
        elif is_for_type_checkers(child):
            inner = "for type checkers"
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, inner) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            assert child.module is not None
            for alias in child.names:
                whole = f"{child.module}.{alias.name}"
                known = whole.removeprefix("onebyone_cli.") in modules()
                yield Import(whole if known else child.module, child.lineno, inner)
        yield from imports_below(child, inner)


@cache
def imports_of(module: str) -> tuple[Import, ...]:
    """All imports of a module; names imported from a package count as its modules."""
    return tuple(imports_below(modules()[module], "at start"))


def ours(module: str) -> set[str]:
    """Modules of the package that a module imports, whenever."""
    names = (found.name for found in imports_of(module) if found.library == "onebyone_cli")
    return {name.removeprefix("onebyone_cli").removeprefix(".") for name in names}


def room_of(module: str) -> str:
    """The room of a module: formats are rooms of their own."""
    first, _, rest = module.partition(".")
    if first != "formats" or not rest:
        return first
    return f"formats.{rest.split('.')[0]}"


@cache
def family_of(name: str) -> frozenset[str]:
    """All modules that a format of the registry consists of: what it reaches within formats."""
    reached: set[str] = set()
    ahead = [module for module in modules() if room_of(module) == f"formats.{name}"]
    while ahead:
        module = ahead.pop()
        reached.add(module)
        near = {other for other in ours(module) if other.startswith("formats.")}
        ahead += near - CONTRACTS - reached
    return frozenset(reached)


def is_format(module: str) -> bool:
    return module.startswith("formats.") and module not in CONTRACTS


every_module = pytest.mark.parametrize("module", sorted(modules()))


def test_the_parser_sees_what_is_there():
    names = {found.name: found.when for found in imports_of("formats.npy")}
    assert names["onebyone_cli.errors"] == "at start"
    assert names["onebyone_cli.formats.arrays.file"] == "in a function"
    assert names["numpy.typing"] == "for type checkers"
    assert names["onebyone_cli.commit.part"] == "at start"
    assert len(modules()) > 30


@every_module
def test_a_module_knows_only_what_lies_before_it(module: str):
    room = room_of(module)
    known = {room_of(other) for other in ours(module)} - {room}
    if is_format(module):
        families = [family_of(name) for name in FORMATS if module in family_of(name)]
        family = {room_of(other) for other in frozenset().union(*families)}
        assert known - family <= FORMATS_MAY_KNOW
    elif room in JOINING:
        after = set(JOINING[JOINING.index(room) + 1 :])
        assert not known & after
    else:
        assert room in MAY_KNOW, "a room that is not in the table"
        assert known <= MAY_KNOW[room]


@every_module
def test_only_the_package_knows_its_face(module: str):
    if room_of(module) not in ("", "api"):
        assert not {other for other in ours(module) if room_of(other) == "api"}


@every_module
def test_nothing_imports_the_command_line(module: str):
    if room_of(module) not in ("cli", "__main__"):
        assert not {other for other in ours(module) if room_of(other) == "cli"}


def test_the_direction_has_no_way_back():
    """The table itself: no two rooms may know each other."""
    for room, known in MAY_KNOW.items():
        for other in known:
            assert room not in MAY_KNOW.get(other, ()), f"{room} and {other} know each other"


# -------------------------------------------------------------------------------- formats


def test_no_format_imports_another():
    for name in FORMATS:
        for other in FORMATS:
            if name < other:
                assert not family_of(name) & family_of(other)


def test_every_file_of_formats_belongs_to_a_format():
    whole = frozenset().union(*(family_of(name) for name in FORMATS))
    strangers = {module for module in modules() if is_format(module)} - whole
    assert not strangers


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_uses_its_own_library(name: str):
    used = {found.library for module in family_of(name) for found in imports_of(module)}
    foreign = used - set(sys.stdlib_module_names) - {"onebyone_cli"}
    assert foreign <= LIBRARIES_OF_FORMATS[name]


USERS_OF_FORMATS = {
    "pipeline",
    "planning",
    "tiling",
    "conv1x1",
    "fit",
    "stack",
    "spool",
    "picture",
    "inspection",
    "cli",
}


def test_formats_do_not_know_what_is_done_with_them():
    for module in modules():
        if module.startswith("formats"):
            assert not {room_of(other) for other in ours(module)} & USERS_OF_FORMATS


# ------------------------------------------------------------------------------ libraries


@every_module
def test_libraries(module: str):
    if is_format(module):
        return  # see above
    used = {found.library for found in imports_of(module)}
    foreign = used - set(sys.stdlib_module_names) - {"onebyone_cli"}
    assert foreign <= THIRD_PARTY.get(room_of(module), set())


def test_only_two_modules_know_rich():
    know = {module for module in modules() for i in imports_of(module) if i.library == "rich"}
    assert know <= {"cli.progress", "cli.console"}


LIGHT = [
    module
    for module in modules()
    if room_of(module)
    in (
        "",
        "__main__",
        "attended",
        "blas",
        "cli",
        "cluster",
        "descriptors",
        "renaming",
        "atomic",
        "part_files",
        "limits",
        "npy_header",
        "cost",
    )
    or module
    in (
        "tiling",
        "planning",
        "inspection.stacks",
        "inspection.unfinished",
        "formats",
        "formats.base",
    )
    or module in {f"formats.{name}" for name in FORMATS}
]


@pytest.mark.parametrize("module", LIGHT)
def test_nothing_heavy_is_imported_at_start(module: str):
    """Neither by the module itself nor by what it imports at start."""
    seen: set[str] = set()
    ahead = [module]
    while ahead:
        current = ahead.pop()
        seen.add(current)
        for found in imports_of(current):
            if found.when != "at start":
                continue
            assert found.library not in HEAVY, f"{current} imports {found.name}, line {found.line}"
            if found.library == "onebyone_cli":
                # With a module, the packages that it is in.
                parts = found.name.split(".")[1:]
                whole = {".".join(parts[:end]) for end in range(len(parts) + 1)}
                ahead += whole & modules().keys() - seen


# --------------------------------------------------------------------------------- habits


@every_module
def test_no_module_is_a_drawer_for_odds_and_ends(module: str):
    assert not {"utils", "util", "helpers", "helper", "common", "misc"} & set(module.split("."))


def calls(module: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


@every_module
def test_only_one_module_exits(module: str):
    if module != "cli.exit_status":
        leaving = {"exit", "quit", "sys.exit", "os._exit", "os.abort", "SystemExit"}
        assert not [line for name, line in calls(module) if name in leaving]


@every_module
def test_only_the_command_line_speaks(module: str):
    if room_of(module) != "cli":
        found = {name for name, _ in calls(module)}
        assert not found & {"print", "input", "warnings.warn", "logging.warning"}
        assert not {i.name for i in imports_of(module)} & {"typer", "getpass"}


@every_module
def test_nothing_runs_code_from_data_or_reaches_out(module: str):
    dangerous = {
        "pickle", "marshal", "shelve", "code", "runpy", "subprocess", "socket", "ssl", "http",
        "urllib", "ftplib", "webbrowser", "multiprocessing",
    }  # fmt: skip
    # A worker runs our own program, and nothing else.
    dangerous -= {"subprocess"} if module == "cluster.child" else set()
    assert not {found.library for found in imports_of(module)} & dangerous
    running = {"eval", "exec", "compile", "ast.literal_eval", "os.system", "os.popen", "np.load"}
    assert not [line for name, line in calls(module) if name in running]
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert ast.unparse(node.value) == "False"
