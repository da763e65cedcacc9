"""Report how far two stacks differ: tables for people, a document for programs."""

from math import degrees, isfinite, isnan
from typing import TYPE_CHECKING, Any

from onebyone_cli.cli.terminal.console import print_out, print_table
from onebyone_cli.units import count, printable

if TYPE_CHECKING:
    from onebyone_cli.arithmetic.difference import Differences, Tolerance
    from onebyone_cli.operations.compare.run import Compared


class ComparisonReport:
    """The report of a comparison.

    Parameters
    ----------
    a, b : str
        The stacks, as the user named them.
    compared : Compared
        What was found.
    peak : float or None
        The largest signal, if the user gave it.
    """

    def __init__(self, a: str, b: str, compared: "Compared", peak: float | None) -> None:
        self._a, self._b = a, b
        self._spec, self._names = compared.spec, compared.labels.texts
        self._dtypes = dict(zip("ab", compared.dtypes, strict=True))
        self._found, self._all = compared.differences, compared.differences.together()
        self._peak = compared.default_peak if peak is None else peak

    def print(self, tolerance: "Tolerance", *, detailed: bool) -> None:
        """Print a table and some lines; for equal stacks only a line."""
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
        """Return the JSON document; infinite and unknown numbers are null."""
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
            "invalid_pixels": dict(zip("ab", self._found.invalid_pixels.tolist(), strict=True)),
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
        kinds = {
            "in both, which counts as equal": int(found.both[0]),
            "in A alone": int(found.only_a[0]),
            "in B alone": int(found.only_b[0]),
        }
        parts = [f"{number} {where}" for where, number in kinds.items() if number]
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


#: Longer names of counts in the JSON document.
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


def _index_in(batch: tuple[int, ...], item: int) -> int | list[int]:
    """Return the index of an item on each leading axis of a batch; a number for a single axis."""
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
