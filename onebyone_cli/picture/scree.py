"""Draw a scree plot: the variance of each component."""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from onebyone_cli.commit import atomic, targets
from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import DependencyMissingError, UsageError, setting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from numpy.typing import NDArray

    class Model(Protocol):
        """What the plot shows of a learned model."""

        @property
        def meta(self) -> Mapping[str, Any]:
            """Holds the name of the method."""

        @property
        def eigenvalues(self) -> NDArray[Any]:
            """All of them, descending."""

        @property
        def explained_variance_ratio(self) -> NDArray[Any]:
            """Empty if eigenvalues are no variances."""

        @property
        def map(self) -> Any:
            """Has as many output channels as components are kept."""


#: Types of pictures, by suffix.
_KINDS = {".png": "png", ".svg": "svg"}

_COLOUR = "#2a6f97"


def check_plot(path: str, *, force: bool, inputs: tuple[str, ...]) -> None:
    """Refuse a plot that can't be drawn or written, before the input is read.

    Raises
    ------
    UsageError
        If the name does not end in .png or .svg.
    DependencyMissingError
        If matplotlib is not installed.
    OutputRefusedError
        If the file can't be created.
    """
    if _suffix(path) not in _KINDS:
        raise UsageError(f"{setting('plot', path)}: the name must end in .png or .svg")
    targets.check_target(path, force=force, inputs=inputs)
    if find_spec("matplotlib") is None:
        raise _missing()


def draw_scree(model: "Model", path: str, publication: Publication) -> None:
    """Draw the eigenvalues of a model and the cumulative explained variance ratio."""
    with _library() as matplotlib:
        data = _picture(model, _KINDS[_suffix(path)], matplotlib)
    atomic.write_file(path, data, publication)


def _picture(model: "Model", kind: str, matplotlib: Any) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    heights = [2, 1] if len(model.explained_variance_ratio) else [2]
    figure = Figure(figsize=(7, 1.7 * sum(heights)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)
    values, kept = model.eigenvalues, model.map.out_channels
    _draw_values(panels[0, 0], values, kept)
    panels[0, 0].set_title(f"{model.meta['method'].upper()}: {kept} of {len(values)} components")
    if len(heights) == 2:
        shares = 100 * values.cumsum() / values.sum()
        room = max(1, 100 - shares[0]) / 10
        _draw(panels[1, 0], shares, kept)
        panels[1, 0].set_ylim(max(0, shares[0] - room), 100 + room)
        panels[1, 0].set_ylabel("cumulative %")
    for axes in panels[:, 0]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e6e6")
        axes.set_axisbelow(True)
    figure.align_ylabels()
    panels[-1, 0].set_xlabel("component")
    panels[-1, 0].xaxis.set_major_locator(
        MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    )
    buffer = io.BytesIO()
    # The same model gives the same bytes: no date, and fixed identifiers in .svg.
    with matplotlib.rc_context({"svg.hashsalt": "onebyone"}):
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def _draw_values(axes: Any, values: Any, kept: int) -> None:
    """Draw eigenvalues, on a logarithmic scale if they span more than a factor of 50."""
    free = "upper right" if values[0] >= values[-1] else "lower right"
    # Eigenvalues at the level of rounding errors count as zero: no place on a log scale.
    zero = values <= 8 * len(values) * 2.0**-52 * values.max()
    varying = values[~zero]
    if len(varying) and varying.max() > 50 * varying.min():
        axes.set_yscale("log")
        values = values.copy()
        values[zero] = float("nan")
    else:
        axes.set_ylim(0, 1.08 * values.max() or 1)
    _draw(axes, values, kept)
    axes.set_ylabel("eigenvalue")
    if kept < len(values):
        axes.legend(loc=free, frameon=False)


def _draw(axes: Any, values: Any, kept: int) -> None:
    """Draw one number per component. Components that are kept have filled dots."""
    places = list(range(len(values)))
    size = 6 if len(values) <= 30 else 4
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.plot(places, values, color="#9db7c6", linewidth=1, zorder=1)
    for part, face, label in ((slice(kept), _COLOUR, "kept"), (slice(kept, None), "w", "left out")):
        style = {"color": _COLOUR, "markerfacecolor": face, "markersize": size, "zorder": 2}
        axes.plot(places[part], values[part], "o", label=label, **style)


@contextmanager
def _library() -> Iterator[Any]:
    """Import matplotlib without log messages, and remove a cache folder that it creates."""
    import logging

    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    folder = os.environ.get("MPLCONFIGDIR", "")
    try:
        import matplotlib

        yield matplotlib
    except ImportError as error:
        raise _missing() from error
    finally:
        made = os.environ.get("MPLCONFIGDIR", "")
        if made != folder:
            shutil.rmtree(made, ignore_errors=True)


def _missing() -> DependencyMissingError:
    return DependencyMissingError(
        f"{setting('plot')} needs matplotlib; install it with: pip install 'onebyone-cli[plot]'"
    )


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()
