"""Report a picture of a stack: a line for people, a document for programs."""

from typing import TYPE_CHECKING, Any

from onebyone_cli.units import count

if TYPE_CHECKING:
    from onebyone_cli.operations.view.drawing import Drawing
    from onebyone_cli.operations.view.run import ViewJob


def closing_line(drawing: "Drawing", job: "ViewJob") -> str:
    """Say what the picture shows."""
    names = job.names
    shares = ", ".join(f"{number} ({share:.1%})" for number, share in enumerate(drawing.shares))
    what = {
        "sheet": _sheet_text(job),
        "channel": f"channel {names[0]}",
        "rgb": "red {}, green {}, blue {}".format(*(names * 3)[:3]),
        "pca": f"principal components {shares}",
    }[job.kind]
    line = f"{job.path}: {job.spec.size}; {what}"
    alone = job.kind == "channel" or job.spec.channels == 1
    if alone and drawing.ranges[0]:
        line += ", {:.6g} to {:.6g}".format(*drawing.ranges[0])
    if job.spec.items > 1:
        line += f", item {job.item} of {job.spec.items}"
    return line


def _sheet_text(job: "ViewJob") -> str:
    total, names = job.spec.channels, job.names
    if len(names) == total:
        return count(total, "channel")
    return f"{len(names)} of {count(total, 'channel')}; --channel N shows one"


def document(output: str, drawing: "Drawing", job: "ViewJob") -> dict[str, Any]:
    """Return the JSON document of a picture."""
    planes = [
        {"low": limits[0], "high": limits[1]} if limits else {"low": None, "high": None}
        for limits in drawing.ranges
    ]
    return {
        "output": output,
        "kind": job.kind,
        "shape": list(job.spec.shape),
        "item": job.item,
        "channels": job.channels,
        "names": job.names,
        "ranges": planes,
        "explained_variance_ratio": drawing.shares,
    }
