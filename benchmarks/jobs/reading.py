"""Applying weights to files, against reading them with the libraries of their formats."""

from __future__ import annotations

from pathlib import Path

from inputs import FILTERS, SMALL_SIDE, provide_stack, run_tool, weights_file
from measuring import Contender, measure_in_turns, wall, warm_up
from tables import print_table, print_target

from jobs.commands import Options, compare_outputs, onebyone_apply, python_script


def measure_tiff(options: Options) -> None:
    """Measure TIFF files of the 72 MB stack: compressed or not, by pages or interleaved."""
    folder = options.folder
    _provide(folder, "tiff")
    for path in sorted(folder.glob("tiff_*.tif")):
        whole = folder / f"tiff_{path.name.split('_')[1]}.npy"
        _measure(options, path, path, whole, 1.3 if "_plain_" in path.name else 1.0)


def measure_formats(options: Options) -> None:
    """Measure the 72 MB stack as Zarr, netCDF-4 and MATLAB files, and as what GDAL reads."""
    folder = options.folder
    stack = _provide(folder, "formats")
    for path in sorted(folder.glob("formats_*.*")):
        by_gdal = Path(f"gdal:{path}") if path.suffix == ".tif" else path
        _measure(options, path, by_gdal, stack, 1.3 if "_plain" in path.name else 1.0)


def _provide(folder: Path, kind: str) -> Path:
    """Make the files of a kind unless they are there; return the stack that they hold."""
    stack = provide_stack(folder, SMALL_SIDE)
    if not (folder / f"{kind}_done").exists():
        run_tool(f"{kind}_inputs.py", stack, folder)
    return stack


def _measure(options: Options, path: Path, name: Path, stack: Path, most: float) -> None:
    """Measure one file: `name` is that of the input, and `stack` has the same numbers."""
    folder, weights = options.folder, weights_file(options.folder)
    whole = onebyone_apply(stack, weights, folder / "reading_npy.npy")
    read = Contender("read by its library", python_script("read_file.py", path))
    mine = onebyone_apply(name, weights, folder / "reading_onebyone.npy")
    warm_up([whole, read, mine])
    compare_outputs(mine, whole)
    measure_in_turns([read, mine], options.runs or 7, options.keep)
    print_table(f"{path.name} to {FILTERS} channels", [read, mine], reference=read)
    if not mine.missing:
        print_target("wall time", mine.ratio(read, wall), most, " × reading it with its library")
