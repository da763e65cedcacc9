"""Applying weights to TIFF files, against reading them with tifffile."""

from __future__ import annotations

from inputs import FILTERS, SMALL_SIDE, provide_stack, run_tool, weights_file
from measuring import Contender, measure_in_turns, wall, warm_up
from tables import print_table, print_target

from jobs.commands import Options, compare_outputs, onebyone_apply, python_script


def measure_tiff(options: Options) -> None:
    """Measure TIFF files of the 72 MB stack: compressed or not, by pages or interleaved."""
    folder = options.folder
    stack, weights = provide_stack(folder, SMALL_SIDE), weights_file(folder)
    if not (folder / "tiff_done").exists():
        run_tool("tiff_inputs.py", stack, folder)
    for path in sorted(folder.glob("tiff_*.tif")):
        dtype = path.name.split("_")[1]
        whole = onebyone_apply(folder / f"tiff_{dtype}.npy", weights, folder / "tiff_npy.npy")
        read = Contender("read by tifffile", python_script("tifffile_read.py", path))
        mine = onebyone_apply(path, weights, folder / "tiff_onebyone.npy")
        warm_up([whole, read, mine])
        compare_outputs(mine, whole)
        measure_in_turns([read, mine], options.runs or 7, options.keep)
        print_table(f"tiff, {path.name} to {FILTERS} channels", [read, mine], reference=read)
        if not mine.missing:
            most = 1.3 if "_plain_" in path.name else 1.0
            print_target("wall time", mine.ratio(read, wall), most, " × reading it with tifffile")
