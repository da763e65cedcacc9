"""The house as its imports show it: data flows one way, and no files import each other in a circle.

The table is that of ``docs/architecture.md``. Imports for type checkers count, too: what a module
speaks about is what it knows.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import onebyone_cli
from onebyone_cli import formats

ROOT = Path(onebyone_cli.__file__).parent

#: Modules at the root, which import nothing but the standard library and each other.
PLAIN = {
    "axes",
    "envi_header",
    "errors",
    "file_kinds",
    "names",
    "spec",
    "units",
    "version",
    "npy_header",
    "safetensors_header",
}

#: Rooms, and the rooms that each may import besides `PLAIN`.
MAY_IMPORT: dict[str, set[str]] = {
    "system": set(),
    "plan": {"system"},
    "commit": {"system"},
    "formats": {"commit", "system"},
    "weights": {"commit", "system"},
    "stack": {"formats", "plan", "system"},
    "learners": {"weights", "commit", "system"},
    "arithmetic": {"weights", "system"},
    "picture": {"commit", "system"},
    "operations": {
        *("formats", "stack", "plan", "arithmetic", "weights", "learners", "picture"),
        *("commit", "system"),
    },
    "cluster": {"operations", "commit"},
    "api": {
        *("formats", "stack", "plan", "arithmetic", "weights", "learners", "operations"),
        *("commit", "system"),
    },
    "cli": {
        *("formats", "stack", "plan", "arithmetic", "weights", "learners", "operations"),
        *("picture", "commit", "system", "cluster"),
    },
    "": {"api", "system", "cli"},  # `__init__` and `__main__`
}

#: What formats share. A format imports these and its own files, and no other format.
SHARED_BY_FORMATS = ("formats.contracts", "formats.arrays", "formats.folders")

#: Libraries beyond the standard one, by room, wherever in the module the import stands.
LIBRARIES: dict[str, set[str]] = {
    "system": {"numpy", "h5py"},
    "stack": {"numpy"},
    "weights": {"google", "ml_dtypes", "numpy", "onnx"},
    "learners": {"numpy", "sklearn"},
    "arithmetic": {"numpy"},
    "picture": {"numpy", "PIL", "matplotlib"},
    "operations": {"numpy"},
    "cluster": {"dask", "distributed"},
    "api": {"numpy"},
    "cli": {"typer", "rich"},
    "formats.contracts": {"numpy"},
    "formats.arrays": {"numpy"},
    "formats.folders": {"numpy"},
    "formats.opening": set(),
    "formats.netpbm": {"numpy"},
    "formats.npy": set(),
    "formats.npz": set(),
    "formats.raw": set(),
    "formats.envi": {"numpy"},
    "formats.hdf5": {"numpy", "hdf5plugin"},
    "formats.netcdf3": {"numpy"},
    "formats.mat": {"numpy"},
    "formats.images": {"numpy", "PIL"},
    "formats.zarr": {"numpy", "zarr", "numcodecs", "fsspec", "google_crc32c"},
    "formats.tiff": {"numpy", "imagecodecs", "tifffile"},
    "formats.gdal": {"numpy", "rasterio"},
}

#: What makes start-up slow. Help, version and completion do without.
HEAVY = {"numpy", "h5py", "PIL", "rich", "matplotlib", "sklearn", "distributed", "imagecodecs"}
HEAVY |= {"onnx", "rasterio", "tifffile", "zarr"}

#: Modules that import nothing heavy at start, neither themselves nor by what they import.
LIGHT = (
    *(
        "",
        "__main__",
        "cli",
        "cluster",
        "commit",
        "plan",
        "npy_header",
        "safetensors_header",
        "formats",
    ),
    *("system.blas", "system.limits", "system.pipes", "system.rename"),
    *("formats.opening", "formats.contracts", *(f"formats.{name}" for name in formats.NAMES)),
    *("operations.info.stacks", "operations.info.unfinished"),
)


class Import(NamedTuple):
    """One import: what, where, and when it is done."""

    name: str
    line: int
    when: str

    @property
    def library(self) -> str:
        return self.name.split(".")[0]


@cache
def modules() -> dict[str, ast.Module]:
    """Every module by its name below the package; packages by their own."""
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
                is_module = whole.removeprefix("onebyone_cli.") in modules()
                yield Import(whole if is_module else child.module, child.lineno, inner)
        yield from imports_below(child, inner)


@cache
def imports_of(module: str) -> tuple[Import, ...]:
    """All imports of a module; names imported from a package count as its modules."""
    return tuple(imports_below(modules()[module], "at start"))


def ours(module: str, *, when: str = "") -> set[str]:
    """Modules of the package that a module imports."""
    found = (i for i in imports_of(module) if i.library == "onebyone_cli")
    names = (i.name for i in found if not when or i.when == when)
    return {name.removeprefix("onebyone_cli").removeprefix(".") for name in names}


def room_of(module: str) -> str:
    """The room of a module; modules at the root that are not plain are the door."""
    first, dot, _ = module.partition(".")
    return first if dot or first in PLAIN | MAY_IMPORT.keys() else ""


def part_of_formats(module: str) -> str:
    """The format, or the shared part of the room, that a module belongs to."""
    return ".".join(module.split(".")[:2])


# ---------------------------------------------------------------------------------- rooms


def test_the_parser_sees_what_is_there():
    names = {found.name: found.when for found in imports_of("formats.arrays.pipe_writers")}
    assert names["onebyone_cli.errors"] == "at start"
    assert names["numpy.typing"] == "for type checkers"
    assert "in a function" in {found.when for found in imports_of("formats.arrays.pipe_writers")}
    assert len(modules()) > 100


def test_rooms_import_what_the_table_says():
    strangers = []
    for module in modules():
        room = room_of(module)
        known = PLAIN | {room} | MAY_IMPORT.get(room, set())
        strangers += [
            f"{module} imports {other}" for other in ours(module) if room_of(other) not in known
        ]
    assert not strangers


def test_the_table_has_no_way_back():
    for room, known in MAY_IMPORT.items():
        for other in known:
            assert room not in MAY_IMPORT.get(other, ()), f"{room} and {other} import each other"


def test_no_files_import_each_other_in_a_circle():
    """Strongly connected components of the graph of imports (Tarjan 1972) have one file each."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in ours(module) & modules().keys():
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            circle = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(circle) > 1:
                circles.append(sorted(circle))

    for module in modules():
        if module not in index:
            visit(module)
    assert not circles


def test_no_format_imports_another():
    strangers = []
    for module in modules():
        if module.startswith("formats.") and module != "formats.opening":
            known = {part_of_formats(module), *SHARED_BY_FORMATS}
            known -= {part_of_formats(module)} & set(SHARED_BY_FORMATS)
            near = {other for other in ours(module) if other.startswith("formats.")}
            strangers += [
                f"{module} imports {other}"
                for other in near
                if part_of_formats(other) not in known | {part_of_formats(module)}
            ]
    assert not strangers


def test_the_registry_names_every_format():
    known = {*(f"formats.{name}" for name in formats.NAMES), *SHARED_BY_FORMATS}
    known |= {"formats.raw", "formats.opening"}  # no name tells of raw numbers
    found = {part_of_formats(module) for module in modules() if module.startswith("formats.")}
    assert found == known


# ------------------------------------------------------------------------------ libraries


def test_each_room_uses_its_own_libraries():
    strangers = []
    for module in modules():
        room = part_of_formats(module) if module.startswith("formats.") else room_of(module)
        used = {found.library for found in imports_of(module)}
        foreign = used - set(sys.stdlib_module_names) - {"onebyone_cli"}
        strangers += [f"{module} imports {name}" for name in foreign - LIBRARIES.get(room, set())]
    assert not strangers


def test_two_modules_know_rich():
    know = {module for module in modules() for i in imports_of(module) if i.library == "rich"}
    assert know <= {"cli.terminal.progress", "cli.terminal.console"}


def test_nothing_heavy_is_imported_at_start():
    slow = []
    for module in modules():
        if not any(module == light or module.startswith(f"{light}.") for light in LIGHT if light):
            continue
        if module.startswith("formats.") and part_of_formats(module) != module:
            continue  # the files of a format are imported when it is used
        seen: set[str] = set()
        ahead = [module]
        while ahead:
            current = ahead.pop()
            seen.add(current)
            heavy = {i.name for i in imports_of(current) if i.library in HEAVY}
            heavy &= {i.name for i in imports_of(current) if i.when == "at start"}
            slow += [f"{module} imports {name} by {current}" for name in heavy]
            for other in ours(current, when="at start"):
                parts = other.split(".")
                whole = {".".join(parts[:end]) for end in range(len(parts) + 1)}
                ahead += whole & modules().keys() - seen
    assert not slow


# --------------------------------------------------------------------------------- habits


def calls(module: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(modules()[module]):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def test_no_module_is_a_drawer_for_odds_and_ends():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [module for module in modules() if drawers & set(module.split("."))]


def test_one_module_exits():
    leaving = {"exit", "quit", "sys.exit", "os._exit", "os.abort", "SystemExit"}
    found = {module for module in modules() for name, _ in calls(module) if name in leaving}
    assert found == {"cli.exit_status"}


def test_only_the_command_line_speaks():
    """Python hears warnings instead, all of them from one place."""
    speaking = {"print", "input", "warnings.warn", "logging.warning"}
    found = {module for module in modules() for name, _ in calls(module) if name in speaking}
    assert {room_of(module) for module in found - {"api.telling"}} <= {"cli"}


def test_only_the_command_line_names_its_options():
    """A message names a setting; the command line writes two dashes before it."""
    naming = []
    for module, tree in modules().items():
        if room_of(module) in ("cli", ""):
            continue
        documents = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        naming += [
            f"{module}, line {node.lineno}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in documents
            and any(word.startswith("--") and word[2:3].isalpha() for word in node.value.split())
        ]
    # A cluster's tasks are command lines.
    assert not [each for each in naming if not each.startswith("cluster.")]


def test_nothing_runs_code_from_data_or_reaches_out():
    dangerous = {
        "pickle", "marshal", "shelve", "code", "runpy", "subprocess", "socket", "ssl", "http",
        "urllib", "ftplib", "webbrowser", "multiprocessing",
    }  # fmt: skip
    running = {"eval", "exec", "compile", "ast.literal_eval", "os.system", "os.popen", "np.load"}
    found = []
    for module, tree in modules().items():
        libraries = {each.library for each in imports_of(module)}
        # A worker of a cluster runs our own program, and nothing else.
        libraries -= {"subprocess"} if module == "cluster.child" else set()
        found += [f"{module} imports {name}" for name in libraries & dangerous]
        found += [f"{module} calls {name}" for name, _ in calls(module) if name in running]
        found += [
            f"{module} allows pickle"
            for node in ast.walk(tree)
            if isinstance(node, ast.keyword)
            and node.arg == "allow_pickle"
            and ast.unparse(node.value) != "False"
        ]
    assert not found


# ----------------------------------------------------------------------------------- size


def test_files_functions_and_parameter_lists_are_short():
    """What does not fit on a screen, or in the head, is taken apart."""
    long = []
    for module, tree in modules().items():
        lines = max((getattr(node, "end_lineno", 0) or 0 for node in ast.walk(tree)), default=0)
        if lines > 400:
            long.append(f"{module} has {lines} lines")
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            code = (node.end_lineno or 0) - node.body[0].lineno + 1
            if isinstance(node.body[0], ast.Expr) and len(node.body) > 1:
                code = (node.end_lineno or 0) - (node.body[0].end_lineno or 0)
            if code > 60:
                long.append(f"{module}.{node.name} has {code} lines")
            arguments = node.args
            taken = len([*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs])
            # The face for notebooks has a keyword for each option, as NumPy's functions have.
            if taken > 12 and room_of(module) != "api":
                long.append(f"{module}.{node.name} takes {taken} parameters")
    assert not long
