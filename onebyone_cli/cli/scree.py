"""The scree plot: how much each component explains."""

import io
import os
from typing import TYPE_CHECKING, Any

from onebyone_cli import atomic, targets
from onebyone_cli.errors import DependencyMissingError, UsageError

if TYPE_CHECKING:
    from onebyone_cli.fit.model import Model

#: Types of pictures, by suffix.
_KINDS = {".png": "png", ".svg": "svg"}


def check_plot(path: str, *, force: bool, inputs: tuple[str, ...]) -> None:
    """Refuse what can't be drawn or written, before the long reading.

    Raises
    ------
    UsageError
        If the name does not say which type of picture it is.
    DependencyMissingError
        If the plotting library is not installed.
    OutputRefusedError
        If the file can't be created.
    """
    if _suffix(path) not in _KINDS:
        raise UsageError(f"--plot writes .png or .svg, and '{path}' is not called so")
    targets.check_target(path, force=force, inputs=inputs)
    _library()


def draw_scree(model: "Model", path: str, *, force: bool) -> None:
    """Draw the eigenvalues of a model, and the share of the variance they make up together."""
    data = memoryview(_picture(model, _KINDS[_suffix(path)]))
    file = atomic.AtomicFile(path, force=force)
    try:
        atomic.write_all(file.fd, data, path)
        file.commit(len(data))
    finally:
        file.discard()


def _picture(model: "Model", kind: str) -> bytes:
    matplotlib = _library()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    values, kept = model.eigenvalues, model.map.out_channels
    places = list(range(len(values)))
    figure = Figure(figsize=(7, 4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots()
    axes.bar(places[:kept], values[:kept], color="#2a6f97", label="kept")
    axes.bar(places[kept:], values[kept:], color="#c8d5dd", label="left out")
    if values.min(initial=1.0) > 0 and values.max(initial=1.0) > 50 * values.min(initial=1.0):
        axes.set_yscale("log")
    axes.set_xlabel("component")
    axes.set_ylabel("eigenvalue")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"{model.meta['method'].upper()}: {kept} of {len(values)} components")
    axes.spines[["top", "right"]].set_visible(False)
    if len(model.explained_variance_ratio):
        share: Any = axes.twinx()
        total = values.sum()
        share.plot(places, 100 * values.cumsum() / total, "o-", color="#d1495b", markersize=3)
        share.set_ylim(0, 105)
        share.set_ylabel("cumulative share in %", color="#d1495b")
        share.spines[["top"]].set_visible(False)
    if kept < len(values):
        axes.legend(frameon=False, loc="center right")
    buffer = io.BytesIO()
    # The same model gives the same bytes: no date, and names in .svg that are not drawn at random.
    with matplotlib.rc_context({"svg.hashsalt": "onebyone"}):
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def _library() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise DependencyMissingError(
            "--plot needs matplotlib; install it with: pip install 'onebyone-cli[plot]'"
        ) from error
    return matplotlib


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()
