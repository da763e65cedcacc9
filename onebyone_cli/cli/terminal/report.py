"""Report a model or an output: tables for people, documents for programs."""

from typing import TYPE_CHECKING, Any

from onebyone_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onebyone_cli.cli.terminal.console import Console
    from onebyone_cli.cli.terminal.resources import Spent
    from onebyone_cli.learners.model import Model
    from onebyone_cli.learners.statistics import Statistics
    from onebyone_cli.operations.apply.settings import ApplyReport

#: Names of what is counted in an output.
COUNTS = ("invalid_pixels", "saturated", "replaced", "moved")

#: Components listed for people; all are in the JSON document and in the model.
_MOST_ROWS = 20


def print_model(model: "Model", console: "Console") -> None:
    """Print the components and warnings."""
    header, rows = _components(model)
    if rows:
        console.table(header, rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:
        console.say(f"... and {count(len(rows) - _MOST_ROWS, 'more component')}")
    for warning in model.warnings:
        console.say(f"warning: {warning}")


def _components(model: "Model") -> tuple[list[str], list[list[str]]]:
    """Return the header and a row for each component that was kept."""
    values = model.eigenvalues[: model.map.out_channels].tolist()
    columns = {"component": [str(index) for index in range(len(values))]}
    columns["eigenvalue"] = [f"{value:.4g}" for value in values]
    if model.meta["method"] == "mnf":
        columns["SNR"] = [f"{value - 1:.4g}" for value in values]
    if model.meta["method"] == "maf":
        columns["autocorrelation"] = [f"{1 - value / 2:.4f}" for value in values]
    shares = model.explained_variance_ratio
    if len(shares):
        columns["share"] = [f"{share:.2%}" for share in shares.tolist()]
        columns["cumulative"] = [f"{share:.2%}" for share in shares.cumsum().tolist()]
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def print_errors(errors: "Sequence[float]", names: "Sequence[str]", console: "Console") -> None:
    """Print the root mean square reconstruction error of each channel, if known."""
    if not errors:
        return
    rows = [
        [str(channel), *names[channel : channel + 1], f"{error:.4g}"]
        for channel, error in enumerate(errors)
    ]
    console.table(["channel", *["name"] * bool(names), "RMSE"], rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:
        console.say(f"... and {count(len(rows) - _MOST_ROWS, 'more channel')}")


def applied(output: str, done: "ApplyReport", spent: "Spent | str" = "") -> str:
    """Write a line about an output, its resources and its counts."""
    line = f"{shown(output)}: {done.output.size} {done.output.dtype}{spent}"
    line += unchanged(done.changed)
    line += counted(done.counts)
    if done.fill.origin == "picture" and done.invalid_pixels:
        line += "; invalid pixels are black"
    return line


def counted(counts: "Mapping[str, int]") -> str:
    """Write the counts that are not 0, for the end of a line."""
    line = ""
    if invalid := counts.get("invalid_pixels"):
        line += f"; {count(invalid, 'invalid pixel')}"
    if saturated := counts.get("saturated"):
        line += f"; {count(saturated, 'value')} saturated"
    if replaced := counts.get("replaced"):
        line += f"; {count(replaced, 'value')} filled in for NaN"
    if moved := counts.get("moved"):
        line += f"; {count(moved, 'valid value')} moved away from the nodata value"
    return line


def unchanged(changed: bool) -> str:
    """Write for a closing line whether an equal output was kept."""
    return "" if changed else ", unchanged"


def shown(output: str) -> str:
    """Return the name of an output for people."""
    return "standard output" if output == "-" else output


def document(model: "Model") -> dict[str, Any]:
    """Return the document about a model for programs."""
    return {
        "method": model.meta["method"],
        "components": model.map.out_channels,
        "channels": model.map.in_channels,
        "pixels": model.meta["count"],
        "invalid_pixels": model.meta["invalid"],
        "eigenvalues": model.eigenvalues.tolist(),
        "explained_variance": model.explained_variance.tolist(),
        "explained_variance_ratio": model.explained_variance_ratio.tolist(),
        "warnings": list(model.warnings),
    }


def moments_line(statistics: "Statistics") -> str:
    """Write a line about moments."""
    line = (
        f"moments of {count(statistics.channels, 'channel')} and {count(statistics.count, 'pixel')}"
    )
    if statistics.classes is None:
        return line
    labelled = sum(moments.count for moments in statistics.classes.values())
    classes = "1 class" if len(statistics.classes) == 1 else f"{len(statistics.classes)} classes"
    return f"{line}, {labelled} of them in {classes}"


def classes_document(statistics: "Statistics") -> dict[str, Any]:
    """Return the pixels of each class for programs; empty without labels."""
    if statistics.classes is None:
        return {}
    pixels = sorted((label, moments.count) for label, moments in statistics.classes.items())
    return {"classes": [{"label": label, "pixels": number} for label, number in pixels]}
