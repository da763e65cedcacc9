"""Pictures of a stack: contact sheets of channels, and colour composites."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from onebyone_cli.conv1x1 import Convolution, make_layers
from onebyone_cli.fit.moments import moments_of, no_moments
from onebyone_cli.fit.pca import fit_pca
from onebyone_cli.picture.colormap import coloured, composed
from onebyone_cli.picture.resample import enlarged
from onebyone_cli.picture.stretch import percentile_range, stretched, symmetric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onebyone_cli.picture.colormap import Colormap
    from onebyone_cli.picture.sheet import Place, Sheet
    from onebyone_cli.pipeline.thumbnail import Thumbnails

#: Bytes for each pixel of a picture while it is drawn: its numbers, their shares of the range, the
#: colours, which of them are invalid, and the file.
_PIXEL_BYTES = 40


class Stretch(NamedTuple):
    """How the range of a plane is found.

    Attributes
    ----------
    low, high : float
        Percentiles that are dark and bright.
    fixed : tuple of float or None
        The range itself, where the user named it.
    """

    low: float = 2.0
    high: float = 98.0
    fixed: tuple[float, float] | None = None

    def range_of(self, plane: NDArray[np.float64]) -> tuple[float, float] | None:
        """Find the range of a plane; None if it has no valid pixel."""
        found = percentile_range(plane, self.low, self.high)
        return found and (self.fixed or found)


@dataclass(slots=True)
class Drawing:
    """A picture and what is in it.

    Attributes
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        The picture.
    invalid, empty : ndarray of bool, shape (height, width)
        Pixels that show no number, and those between cells.
    ranges : list of tuple or None
        Numbers that are dark and bright in each plane.
    places : list of Place
        Where each cell begins.
    shares : list of float
        Of the variance, what each principal component explains; empty for others.
    """

    rgb: NDArray[np.uint8]
    invalid: NDArray[np.bool_]
    empty: NDArray[np.bool_]
    ranges: list[tuple[float, float] | None]
    places: list[Place] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)


def draw_sheet(
    thumbnails: Thumbnails,
    sheet: Sheet,
    stretch: Stretch,
    colormap: Colormap,
    background: tuple[int, int, int],
) -> Drawing:
    """Draw every plane in a cell of its own; of a single one that is the picture.

    Parameters
    ----------
    thumbnails : Thumbnails
        As many planes as the sheet has cells, in the size in which cells show them.
    sheet : Sheet
        Where cells lie.
    stretch : Stretch
        For each plane by itself.
    colormap : Colormap
        For all of them. The range of a diverging one is made symmetric.
    background : tuple of int
        Colour between cells.
    """
    planes = thumbnails.whole()
    rgb = np.empty((sheet.height, sheet.width, 3), np.uint8)
    rgb[:] = background
    invalid = np.zeros((sheet.height, sheet.width), bool)
    drawing = Drawing(rgb, invalid, np.ones_like(invalid), [], list(sheet.places))
    for plane, place in zip(planes, drawing.places, strict=True):
        found = stretch.range_of(plane)
        if found and colormap.diverging and not stretch.fixed:
            found = symmetric(found)
        shares = stretched(plane, found or (0.0, 0.0))
        cell = (
            slice(place.top, place.top + sheet.cell_height),
            slice(place.left, place.left + sheet.cell_width),
        )
        rgb[cell] = enlarged(coloured(shares, colormap), sheet.times)
        invalid[cell] = enlarged(np.isnan(shares), sheet.times)
        drawing.empty[cell] = False
        drawing.ranges.append(found)
    return drawing


def draw_composite(thumbnails: Thumbnails, sheet: Sheet, stretch: Stretch) -> Drawing:
    """Draw three planes as red, green and blue.

    Parameters
    ----------
    thumbnails : Thumbnails
        Three planes.
    sheet : Sheet
        Of one cell.
    stretch : Stretch
        For each plane by itself.
    """
    return _composite(thumbnails.whole(), sheet, stretch)


def draw_components(thumbnails: Thumbnails, sheet: Sheet, stretch: Stretch) -> Drawing:
    """Draw the first three principal components of all planes as red, green and blue.

    They are learned on the pixels of the picture, in one pass, and applied to them in another, so
    that all planes are never in memory together.

    Parameters
    ----------
    thumbnails : Thumbnails
        All planes.
    sheet : Sheet
        Of one cell.
    stretch : Stretch
        For each component by itself.

    Raises
    ------
    DataError
        If nothing varies, or there are too few valid pixels.
    """
    stack, count = thumbnails.stack, len(thumbnails.channels)
    moments = no_moments(count)
    for _, band in thumbnails.bands():
        pixels = band.reshape(count, -1)
        dropped = np.flatnonzero(np.isnan(pixels).any(axis=0))
        moments.merge(moments_of(pixels, dropped, invalid=len(dropped)))
    model = fit_pca(moments, k=3, source=stack.path)
    convolution = Convolution(make_layers([model.map], []), "float64")
    planes = np.empty((3, thumbnails.height, thumbnails.width))
    for start, band in thumbnails.bands():
        scores = np.empty((1, 3, band[0].size))
        convolution.apply(band.reshape(1, count, -1), scores, [])
        planes[:, start : start + band.shape[1]] = scores.reshape(3, -1, thumbnails.width)
    drawing = _composite(planes, sheet, stretch)
    drawing.shares = model.explained_variance_ratio[:3].tolist()
    return drawing


def picture_bytes(pixels: int, components: int = 0) -> int:
    """Count the memory that a picture takes while it is drawn.

    Parameters
    ----------
    pixels : int
        Of the picture.
    components : int
        Channels that components are learned of: their moments, those of a band, and what
        eigenvectors are computed in.
    """
    return pixels * _PIXEL_BYTES + 5 * 8 * components**2


def _composite(planes: NDArray[np.float64], sheet: Sheet, stretch: Stretch) -> Drawing:
    ranges: Sequence[tuple[float, float] | None] = [stretch.range_of(plane) for plane in planes]
    shares = np.stack(
        [stretched(plane, found or (0.0, 0.0)) for plane, found in zip(planes, ranges, strict=True)]
    )
    rgb = enlarged(composed(shares), sheet.times)
    invalid = enlarged(np.asarray(np.isnan(shares).any(axis=0)), sheet.times)
    return Drawing(rgb, invalid, np.zeros_like(invalid), list(ranges), list(sheet.places))
