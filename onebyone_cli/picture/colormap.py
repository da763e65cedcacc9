"""Colours for numbers: grey, two perceptually uniform maps, and a diverging one.

A map is stored as every 15th of its 256 colours. Linear interpolation in sRGB between them is
within 7 of 255 of the original in each component.

viridis, magma
    Smith & van der Walt, for matplotlib, 2015; dedicated to the public domain (CC0).
coolwarm
    Moreland, "Diverging Color Maps for Scientific Visualization", Proceedings of the 5th
    International Symposium on Visual Computing, 2009.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from onebyone_cli.errors import UsageError, setting

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Colormap(NamedTuple):
    """A colormap.

    Attributes
    ----------
    anchors : str
        Equidistant colours as hexadecimal RRGGBB, from the lowest number to the highest.
    invalid : tuple of int
        Colour of invalid pixels. The map itself does not contain it.
    diverging : bool
        Whether the middle of the map stands for zero.
    """

    name: str
    anchors: str
    invalid: tuple[int, int, int]
    diverging: bool = False

    @property
    def colours(self) -> NDArray[np.float64]:
        """The anchors, shape (n, 3)."""
        codes = np.frombuffer(bytes.fromhex(self.anchors), np.uint8)
        return codes.reshape(-1, 3).astype(float)


#: Colour of invalid pixels in grey pictures and composites: rare in natural images.
MAGENTA = (214, 0, 147)
_GREY = (150, 150, 150)
_GREEN = (0, 158, 115)

COLORMAPS = (
    Colormap("grey", "000000 ffffff", MAGENTA),
    Colormap(
        "viridis",
        "440154 481769 472a7a 433d84 3d4e8a 355e8d 2e6d8e 297b8e 23898e "
        "1f978b 21a585 2eb37c 46c06f 65cb5e 89d548 b0dd2f d8e219 fde725",
        _GREY,
    ),
    Colormap(
        "magma",
        "000004 090720 1a1042 311165 4a1079 621980 792282 912b81 aa337d "
        "c23b75 d9466b ec5860 f7725c fc8e64 feaa74 fec68a fde2a3 fcfdbf",
        _GREY,
    ),
    Colormap(
        "coolwarm",
        "3b4cc0 4c66d6 5f7fe8 7396f5 88abfd 9dbdff b1cbfc c4d5f3 d5dbe5 "
        "e4d9d2 f0cdbb f6bea4 f7aa8c f39475 e97a5f dc5d4a ca3b37 b40426",
        _GREEN,
        diverging=True,
    ),
)
NAMES = tuple(each.name for each in COLORMAPS)


def load(name: str) -> Colormap:
    """Return the colormap of a name.

    Raises `UsageError` if the name is unknown.
    """
    found = next((each for each in COLORMAPS if each.name == name), None)
    if found is None:
        known = ", ".join(NAMES)
        raise UsageError(f"{setting('colormap', name)} is unknown; choose from {known}")
    return found


def coloured(shares: NDArray[np.float64], colormap: Colormap) -> NDArray[np.uint8]:
    """Map numbers from 0 (first colour) to 1 (last) to colours; NaN is invalid.

    Returns
    -------
    ndarray of uint8, shape (..., 3)
    """
    anchors = colormap.colours
    table = np.empty((256, 3))
    for part in range(3):
        places = np.linspace(0, 255, len(anchors))
        table[:, part] = np.interp(np.arange(256), places, anchors[:, part])
    table = np.vstack([table.round(), [colormap.invalid]])
    index = np.where(np.isnan(shares), 1.0 + 1 / 255, shares) * 255
    picture: NDArray[np.uint8] = table.astype(np.uint8)[index.round().astype(np.intp)]
    return picture


def composed(shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Make an RGB picture of three planes. A pixel that is invalid in any plane is magenta.

    Parameters
    ----------
    shares : ndarray of float64, shape (3, height, width)
        Red, green and blue, 0 to 1; NaN is invalid.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
    """
    invalid = np.isnan(shares).any(axis=0)
    rgb = np.moveaxis(np.where(invalid, 0.0, shares) * 255, 0, -1).round().astype(np.uint8)
    rgb[invalid] = MAGENTA
    return rgb
