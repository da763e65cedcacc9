"""``onebyone compare``: how far two stacks differ."""

from contextlib import ExitStack
from math import degrees, isfinite, isnan
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onebyone_cli.cli import values
from onebyone_cli.cli.options import inputs
from onebyone_cli.cli.terminal.console import Console, print_out, print_table
from onebyone_cli.cli.terminal.progress import Progress
from onebyone_cli.errors import UsageError
from onebyone_cli.operations.inputs import Reading
from onebyone_cli.units import count, printable

if TYPE_CHECKING:
    from onebyone_cli.arithmetic.difference import Differences, Tolerance
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.operations.compare.picture import DifferenceMap
    from onebyone_cli.spec import StackSpec

EXAMPLES = """\b
Examples:
  onebyone compare expected.npy result.h5
  onebyone compare expected.npy result.npy --relative 1e-5 -q && echo close
  onebyone compare stack.npy denoised.npy --difference difference.png
  onebyone compare stack.npy <(onebyone apply codes.npy -w model.npz --inverse -o -)
"""

#: The exit status for stacks that differ, as that of diff and cmp; 0 is for those that do not.
DIFFERENT = 1

One = Annotated[
    str,
    typer.Argument(
        metavar="A",
        help="A stack: a .npy or .h5 file (file.h5:/dataset), an image, a folder of images, a "
        "named pipe, or - for a .npy stream on standard input.",
        show_default=False,
    ),
]
Other = Annotated[
    str, typer.Argument(metavar="B", help="Another one of the same shape.", show_default=False)
]
Absolute = Annotated[
    str,
    typer.Option(
        "--tolerance",
        metavar="X",
        help="Numbers may be this far apart. Default: 0.",
        show_default=False,
    ),
]
Relative = Annotated[
    str,
    typer.Option(
        "--relative",
        metavar="Y",
        help="Numbers may be this part of the larger magnitude apart, as in 1e-5; with "
        "--tolerance, one of the two is enough.",
        show_default=False,
    ),
]
Peak = Annotated[
    str,
    typer.Option(
        "--peak",
        metavar="VALUE",
        help="The largest signal, for PSNR. Default: the range of the type of A for integers, "
        "the range of its numbers for floats.",
        show_default=False,
    ),
]
NoData = Annotated[
    str,
    typer.Option(
        "--nodata",
        metavar="VALUE",
        help="Numbers of this value are invalid in either stack, as NaN is.",
        show_default=False,
    ),
]
LayoutOfB = Annotated[
    str,
    typer.Option(
        "--layout-b",
        metavar="CHW|HWC|HCW",
        help="Order of the last three axes in B, where it is not that of A.",
        show_default=False,
    ),
]
Picture = Annotated[
    str,
    typer.Option(
        "--difference",
        metavar="FILE.png",
        help="Draw where they differ: of each pixel the largest difference of all channels (and "
        "items of a batch), from black for none to bright; what is invalid in one alone is grey. "
        "Planes of more than 1024 rows or columns are drawn in blocks of pixels.",
        show_default=False,
    ),
]


def compare(
    a: One,
    b: Other,
    tolerance: Absolute = "",
    relative: Relative = "",
    peak: Peak = "",
    difference: Picture = "",
    force: inputs.Force = False,
    layout: inputs.Layout = "CHW",
    layout_b: LayoutOfB = "",
    raw: inputs.Raw = False,
    shape: inputs.Shape = "",
    dtype_in: inputs.DTypeIn = "",
    nodata: NoData = "",
    memory: inputs.Memory = "",
    threads: inputs.Threads = None,
    json: inputs.Json = False,
    quiet: inputs.Quiet = False,
    verbose: inputs.Verbose = False,
    progress: inputs.ShowProgress = None,
    debug: inputs.Debug = False,
) -> int:
    """Show how far two stacks differ.

    Of each channel: how many numbers differ, the largest difference, the largest in relation to
    the larger magnitude of the two numbers, the root mean square (RMSE) and the peak
    signal-to-noise ratio (PSNR, in dB); of pixels: the angle between their spectra. Types and
    containers do not matter, only numbers do. What is NaN in both counts as equal, what is NaN in
    one alone as a difference; infinities are equal if they are the same.

    The exit status is 1 if they differ by more than the tolerance: by anything at all, unless
    --tolerance or --relative says more.
    """
    from onebyone_cli.operations.compare.job import CompareJob, CompareSettings

    console = Console(quiet=quiet, verbose=verbose, json=json)
    values.check_names([a, b], [])
    values.tell_defaults(memory, threads, console)
    settings = CompareSettings(
        memory=values.memory_of(memory),
        threads=values.threads_of(threads),
        nodata=values.number_of("--nodata", nodata) if nodata else None,
        tolerance=_tolerance_of(tolerance, relative),
    )
    signal = _peak_of(peak)
    reading = Reading(layout, settings.memory, values.raw_of(raw, shape, dtype_in))
    with ExitStack() as stack:
        (one,) = reading.open_among([a], stack, 2)
        (other,) = reading._replace(layout=_layout_of(layout_b) or layout).open_among([b], stack, 2)
        picture = _picture_of(difference, force, one, other)
        job = CompareJob(one, other, settings, picture)
        with Progress(console, progress) as shown:
            found = job.run(shown)
    if picture:
        from onebyone_cli.picture.png import write_png

        write_png(picture.drawn(), difference, force=force)
    report = _Report(a, b, one, other, found, signal)
    if not console.quiet:
        report.print(settings.tolerance, detailed=verbose)
    console.document(report.document(settings.tolerance))
    return 0 if found.are_close else DIFFERENT


def _tolerance_of(absolute: str, relative: str) -> "Tolerance":
    from onebyone_cli.arithmetic.difference import Tolerance

    numbers = []
    for option, text in (("--tolerance", absolute), ("--relative", relative)):
        number = values.number_of(option, text, "0.001 or 1e-6") if text else 0.0
        if isnan(number) or number < 0:
            raise UsageError(f"{option} {text} is no distance; give 0 or more")
        numbers.append(number)
    return Tolerance(*numbers)


def _peak_of(text: str) -> float | None:
    if not text:
        return None
    number = values.number_of("--peak", text, "255 or 1")
    if not (isfinite(number) and number > 0):
        raise UsageError(f"--peak {text} is no signal; give a number above 0")
    return number


def _layout_of(text: str) -> Any:
    from onebyone_cli.spec import LAYOUTS

    if text and text not in LAYOUTS:
        raise UsageError(f"--layout-b {text} is unknown; choose from {', '.join(LAYOUTS)}")
    return text


def _picture_of(
    path: str, force: bool, one: "Reader | StreamReader", other: "Reader | StreamReader"
) -> "DifferenceMap | None":
    from onebyone_cli.operations.compare.picture import DifferenceMap
    from onebyone_cli.picture.png import check_png

    if not path:
        return None
    if path == "-":
        raise UsageError("standard output is for what is told; name a .png file")
    check_png(path, force=force, inputs=(*one.about.files, *other.about.files))
    return DifferenceMap(one.spec)


class _Report:
    """What is told of a comparison.

    Parameters
    ----------
    a, b : str
        The stacks, as the user named them.
    one, other : Reader or StreamReader
        They themselves.
    found : Differences
        What there is to tell.
    peak : float or None
        The largest signal, where the user said.
    """

    def __init__(
        self,
        a: str,
        b: str,
        one: "Reader | StreamReader",
        other: "Reader | StreamReader",
        found: "Differences",
        peak: float | None,
    ) -> None:
        self._a, self._b = a, b
        self._spec, self._names = one.spec, one.about.metadata.channels
        self._dtypes = {"a": one.spec.dtype, "b": other.spec.dtype}
        self._found, self._all = found, found.together()
        self._peak = _default_peak(one.spec, self._all) if peak is None else peak

    def print(self, tolerance: "Tolerance", *, detailed: bool) -> None:
        """Print a table and some lines; for equal stacks a line is enough."""
        if not self._found.are_equal or detailed:
            rows = [*self._channels(), {"channel": "all", "name": "", **self._row(self._all, 0)}]
            header = [name for name in rows[0] if name in _SHOWN]
            print_table(
                [_SHOWN[name] for name in header],
                [[_cell(row[name]) for name in header] for row in rows],
            )
        for line in self._lines(tolerance):
            print_out(printable(line))

    def document(self, tolerance: "Tolerance") -> dict[str, Any]:
        """Gather everything for programs; what is infinite or unknown is null."""
        angles = self._found.angles
        content = {
            "a": self._a,
            "b": self._b,
            "shape": list(self._spec.shape),
            "equal": self._found.are_equal,
            "close": self._found.are_close,
            "tolerance": tolerance.absolute,
            "relative_tolerance": tolerance.relative,
            "peak": self._peak,
            **self._row(self._all, 0),
            "largest_at": self._place(),
            "spectral_angle": {
                "pixels": angles.count,
                "mean_degrees": degrees(angles.total / angles.count) if angles.count else None,
                "max_degrees": degrees(angles.largest) if angles.count else None,
            },
            "channels": self._channels(),
        }
        plain = _without_infinities(content)
        assert isinstance(plain, dict)
        return plain

    def _channels(self) -> list[dict[str, Any]]:
        return [
            {
                "channel": channel,
                **({"name": self._names[channel]} if self._names else {}),
                **self._row(self._found, channel),
            }
            for channel in range(self._spec.channels)
        ]

    def _row(self, found: "Differences", at: int) -> dict[str, Any]:
        from onebyone_cli.arithmetic.difference import psnr, rmse

        error = rmse(float(found.squares[at]), int(found.count[at]))
        counts = ("count", "different", "beyond", "both", "only_a", "only_b")
        row: dict[str, Any] = {name: int(getattr(found, name)[at]) for name in counts}
        row["max_absolute"] = float(found.largest[at])
        row["max_relative"] = float(found.relative[at])
        row["rmse"], row["psnr"] = error, psnr(error, self._peak)
        return {_NAMES.get(name, name): value for name, value in row.items()}

    def _place(self) -> dict[str, Any] | None:
        if not self._all.largest[0] > 0:
            return None
        row, column = divmod(int(self._all.pixel[0]), self._spec.width)
        channel = int(self._found.largest.argmax())
        place: dict[str, Any] = {"channel": channel, "row": row, "column": column}
        if self._spec.batch:
            place = {"item": _index_in(self._spec.batch, int(self._all.item[0]))} | place
        return place | {"a": float(self._all.a[0]), "b": float(self._all.b[0])}

    def _lines(self, tolerance: "Tolerance") -> list[str]:
        from onebyone_cli.arithmetic.difference import in_digits_of

        lines = []
        place = self._place()
        if place:
            where = ", ".join(f"{name} {place[name]}" for name in list(place)[:-2])
            a, b = (in_digits_of(self._dtypes[name], place[name]) for name in "ab")
            lines.append(f"largest difference: {where}: {a} in A, {b} in B")
        angles = self._found.angles
        if angles.count and not self._found.are_equal:
            mean, most = degrees(angles.total / angles.count), degrees(angles.largest)
            lines.append(f"spectral angle: mean {mean:.4g}°, largest {most:.4g}°")
        return [*lines, *self._invalid(), self._verdict(tolerance)]

    def _invalid(self) -> list[str]:
        found = self._all
        told = {
            "in both, which counts as equal": int(found.both[0]),
            "in A alone": int(found.only_a[0]),
            "in B alone": int(found.only_b[0]),
        }
        parts = [f"{number} {where}" for where, number in told.items() if number]
        return [f"invalid numbers: {'; '.join(parts)}"] if parts else []

    def _verdict(self, tolerance: "Tolerance") -> str:
        found, names = self._all, f"{self._a} and {self._b}"
        numbers = count(int(found.count[0] + found.both[0]), "number")
        if found.are_equal:
            return f"{names} are equal: {self._spec.size}, {numbers}"
        alone = int(found.only_a[0] + found.only_b[0])
        if not (tolerance.absolute or tolerance.relative):
            return f"{names} differ in {count(int(found.different[0]) + alone, 'number')}"
        if found.are_close:
            return f"{names} differ within the tolerance"
        beyond = count(int(found.beyond[0]) + alone, "number")
        return f"{names} differ by more than the tolerance in {beyond}"


#: Names of counts in the JSON document that need more words there.
_NAMES = {
    "both": "invalid_in_both",
    "only_a": "invalid_in_a_only",
    "only_b": "invalid_in_b_only",
    "beyond": "beyond_tolerance",
}

#: Columns of the table, and their headings.
_SHOWN = {
    "channel": "channel",
    "name": "name",
    "different": "different",
    "max_absolute": "largest",
    "max_relative": "relative",
    "rmse": "RMSE",
    "psnr": "PSNR",
}


def _default_peak(spec: "StackSpec", found: "Differences") -> float:
    """Return the range of an integer type, or of the numbers of A."""
    if spec.dtype.startswith("float"):
        return float(found.high[0]) - float(found.low[0])
    # Signed or not, the range has as many steps; of bool it is 1.
    return 1.0 if spec.dtype == "bool" else float(2 ** (8 * spec.item_bytes) - 1)


def _index_in(batch: tuple[int, ...], item: int) -> int | list[int]:
    """Name an item of a batch by its place on each leading axis; a number if there is one."""
    index: list[int] = []
    for size in reversed(batch):
        item, place = divmod(item, size)
        index.insert(0, place)
    return index[0] if len(index) == 1 else index


def _without_infinities(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _without_infinities(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_without_infinities(value) for value in content]
    return None if isinstance(content, float) and not isfinite(content) else content


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "-" if isnan(value) else f"{value:.4g}"
    return str(value)
