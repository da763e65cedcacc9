"""Report a picture of a stack: a line for people, a document for programs."""

from math import isfinite
from typing import TYPE_CHECKING, Any

from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onebyone_cli.operations.view.drawing import Drawing
    from onebyone_cli.operations.view.run import ViewJob

#: Whole numbers below this are printed with all digits; float64 holds them exactly.
_ALL_DIGITS = 1e15


def closing_line(drawing: "Drawing | None", job: "ViewJob") -> str:
    """Say what the picture shows, or with None what the numbers are."""
    names = job.names
    shown = drawing.shares if drawing else []
    shares = ", ".join(f"{number} ({share:.1%})" for number, share in enumerate(shown))
    what = {
        "sheet": _sheet_text(job),
        "channel": f"channel {names[0]}",
        "rgb": "red {}, green {}, blue {}".format(*(names * 3)[:3]),
        "pca": f"principal components {shares}",
    }[job.kind]
    line = f"{job.path}: {job.spec.size}; {what}"
    alone = job.kind == "channel" or job.spec.channels == 1
    if alone and drawing and drawing.ranges[0]:
        line += ", {:.6g} to {:.6g}".format(*drawing.ranges[0])
    if job.spec.items > 1:
        line += f", item {job.item} of {job.spec.items}"
    return line


def _sheet_text(job: "ViewJob") -> str:
    total, names = job.spec.channels, job.names
    if len(names) == total:
        return count(total, "channel")
    return f"{len(names)} of {count(total, 'channel')}; --channel N shows one"


def number_lines(planes: list[list[list[float]]], names: "Sequence[str]") -> list[str]:
    """Set numbers in lines, a column of the plane in each column; a heading above each of several.

    >>> number_lines([[[1.0, 0.25], [-10.0, float("nan")]]], ["0"])
    ['  1  0.25', '-10   nan']
    """
    texts = [[list(map(_number_text, row)) for row in plane] for plane in planes]
    width = max(len(text) for plane in texts for row in plane for text in row)
    lines = []
    for name, plane in zip(names, texts, strict=True):
        lines += [name] if len(texts) > 1 else []
        lines += ["  ".join(text.rjust(width) for text in row) for row in plane]
    return lines


def _number_text(value: float) -> str:
    """Write whole numbers with all digits, others with six."""
    exact = value.is_integer() and abs(value) < _ALL_DIGITS
    return f"{value:.0f}" if exact else f"{value:.6g}"


def numbers_document(planes: list[list[list[float]]], job: "ViewJob") -> dict[str, Any]:
    """Return the JSON document of numbers; null for those that are invalid."""
    numbers = [[[x if isfinite(x) else None for x in row] for row in p] for p in planes]
    return _shown(job) | {"kind": "numbers", "numbers": numbers}


def document(output: str, drawing: "Drawing", job: "ViewJob") -> dict[str, Any]:
    """Return the JSON document of a picture."""
    planes = [
        {"low": limits[0], "high": limits[1]} if limits else {"low": None, "high": None}
        for limits in drawing.ranges
    ]
    shares = {"ranges": planes, "explained_variance_ratio": drawing.shares}
    return {"output": output} | _shown(job) | shares


def _shown(job: "ViewJob") -> dict[str, Any]:
    return {
        "kind": job.kind,
        "shape": list(job.spec.shape),
        "item": job.item,
        "channels": job.channels,
        "names": job.names,
    }
