"""Tell how the axes of inputs are read, where that may surprise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebyone_cli.errors import setting, spelled
from onebyone_cli.formats.contracts.attributes import names_channels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from onebyone_cli.formats.contracts.reader import Reader, StreamReader

#: Most channels of a picture, and least height and width of one that is taken for a picture.
_MOST_COLOURS = 4
_LEAST_SIDE = 17


def told_order(reader: Reader | StreamReader) -> str:
    """Say in which order axes are read because the file names them; empty if in the usual one."""
    container = reader.about.container
    if container is None or not container.labels:
        return ""
    if container.axes == "N" * (len(container.shape) - 3) + "CHW":
        return ""
    return f"its axes {_named(container.labels)} are read as {'×'.join(container.axes)}"


def likely_order(reader: Reader | StreamReader) -> str:
    """Ask for another order of axes, if neither user nor file tells one and another seems right."""
    container = reader.about.container
    if container is None or not container.is_assumed or len(container.shape) < 3:
        return ""
    likely = _likely(reader)
    shown = "×".join("N" * (len(container.shape) - 3) + likely)
    return f"looks like {shown}; {setting('layout', likely)}?" if likely else ""


def _named(labels: Iterable[str]) -> str:
    return ", ".join(label or "(no name)" for label in labels)


def _likely(reader: Reader | StreamReader) -> str:
    """Return the order of the last three axes that a stack in the order CHW seems to have."""
    spec = reader.spec
    if spec.width <= _MOST_COLOURS and min(spec.channels, spec.height) >= _LEAST_SIDE:
        return "HWC"
    said = reader.about.metadata
    # A list of channels has the length of the axis of channels.
    axes = [each.axis for name, each in said.attributes.items() if names_channels(name)]
    if said.channels or said.wavelengths or len(axes) == 0:
        return ""
    return {"W": "HWC", "H": "HCW"}.get(axes[0], "")


class Hints:
    """Tell each hint once, of the first input that it holds for; `say` takes a line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told: set[str] = set()

    def tell(self, readers: Iterable[Reader | StreamReader]) -> None:
        """Tell the hints of inputs whose headers have been read."""
        for reader in readers:
            hint = told_order(reader) or likely_order(reader)
            if hint and hint not in self._told:
                self._told.add(hint)
                self._say(spelled(f"{reader.path}: {hint}"))
