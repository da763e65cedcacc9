"""Draw a stack: contact sheets of channels, and colour composites."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from onebyone_cli.arithmetic.conv1x1 import Convolution, make_layers
from onebyone_cli.errors import DataError
from onebyone_cli.learners.model import negligible
from onebyone_cli.learners.moments import moments_of, no_moments
from onebyone_cli.learners.pca import fit_pca
from onebyone_cli.picture.colormap import coloured, composed
from onebyone_cli.picture.resample import enlarged
from onebyone_cli.picture.stretch import percentile_range, stretched, symmetric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.arithmetic.scale import Scale
    from onebyone_cli.learners.model import Model
    from onebyone_cli.operations.channel_labels import ChannelLabels
    from onebyone_cli.operations.view.thumbnail import Thumbnails
    from onebyone_cli.picture.colormap import Colormap
    from onebyone_cli.picture.sheet import Place, Sheet

#: Bytes for each pixel of a picture while it is drawn: the numbers of three planes, two copies of
#: them for percentiles, colours, invalid pixels, and the file.
_PIXEL_BYTES = 96

#: Longer side of the picture that components are learned on: 65,536 pixels are plenty.
_LEARNED_SIDE = 256

#: Rows that are coloured at a time.
_STRIP_ROWS = 64


Range = tuple[float, float]


def ranges_of(planes: NDArray[np.float64], scale: Scale) -> list[Range | None]:
    """Return the numbers of each plane that are dark and bright; None if it has no valid pixel.

    `planes` has shape (n, height, width), with NaN for invalid pixels.
    """
    ends = (scale.low, scale.high) if scale.kind == "percentiles" else (0.0, 100.0)
    if scale.each:
        return [percentile_range(plane, *ends) for plane in planes]
    found = (scale.low, scale.high) if scale.kind == "range" else percentile_range(planes, *ends)
    return [found if np.isfinite(plane).any() else None for plane in planes]


@dataclass(slots=True)
class Drawing:
    """A picture with its legend.

    Attributes
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        The picture.
    invalid, empty : ndarray of bool, shape (height, width)
        Invalid pixels, and pixels between cells.
    ranges : list of (float, float) or None
        Numbers that are dark and bright in each plane.
    places : list of Place
        Where each cell begins.
    shares : list of float
        Explained variance ratio of each principal component; empty for other pictures.
    """

    rgb: NDArray[np.uint8]
    invalid: NDArray[np.bool_]
    empty: NDArray[np.bool_]
    ranges: list[tuple[float, float] | None]
    places: list[Place] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def fill(
        self,
        place: Place,
        rows: slice,
        rgb: NDArray[np.uint8],
        invalid: NDArray[np.bool_],
        sheet: Sheet,
    ) -> None:
        """Fill some rows of a cell, enlarged by the factor of the sheet."""
        top = place.top + rows.start * sheet.times
        part = (
            slice(top, top + len(rgb) * sheet.times),
            slice(place.left, place.left + sheet.cell_width),
        )
        self.rgb[part] = enlarged(rgb, sheet.times)
        self.invalid[part] = enlarged(invalid, sheet.times)
        self.empty[part] = False


def draw_sheet(
    thumbnails: Thumbnails,
    sheet: Sheet,
    scale: Scale,
    colormap: Colormap,
    background: tuple[int, int, int],
) -> Drawing:
    """Draw every plane in a cell of its own.

    Parameters
    ----------
    thumbnails : Thumbnails
        As many planes as the sheet has cells, in the size of cells.
    sheet : Sheet
        Where cells lie.
    scale : Scale
        What is dark and bright.
    colormap : Colormap
        The range of a diverging one is made symmetric.
    background : tuple of int
        Colour between cells.
    """
    planes = thumbnails.whole()
    drawing = _blank(sheet, background)
    ranges = ranges_of(planes, scale)
    if colormap.diverging and scale.kind != "range":
        ranges = [found and symmetric(found) for found in ranges]
    drawing.ranges = ranges
    for plane, place, found in zip(planes, drawing.places, ranges, strict=True):
        for rows in _strips(plane):
            shares = stretched(plane[rows], found or (0.0, 0.0))
            drawing.fill(place, rows, coloured(shares, colormap), np.isnan(shares), sheet)
    return drawing


def draw_composite(thumbnails: Thumbnails, sheet: Sheet, scale: Scale) -> Drawing:
    """Draw three planes as red, green and blue, in a sheet of one cell."""
    return _composite(thumbnails.whole(), sheet, scale)


def draw_components(
    thumbnails: Thumbnails, sheet: Sheet, scale: Scale, labels: ChannelLabels
) -> Drawing:
    """Draw the first three principal components of all planes as red, green and blue.

    They are learned on a smaller picture first, and then applied to bands of this one, so that all
    planes are never in memory together. The sheet has one cell; `labels` name the channels.

    Raises
    ------
    DataError
        If nothing varies, or there are too few valid pixels.
    """
    count = len(thumbnails.channels)
    model = _learn(thumbnails, labels)
    convolution = Convolution(make_layers([model.map], []), "float64")
    planes = np.empty((3, thumbnails.height, thumbnails.width))
    for start, band in thumbnails.bands():
        scores = np.empty((1, 3, band[0].size))
        convolution.apply(band.reshape(1, count, -1), scores, [])
        planes[:, start : start + band.shape[1]] = scores.reshape(3, -1, thumbnails.width)
    # A constant component is rounding errors, which would be stretched to all colours.
    still = model.eigenvalues[:3] <= negligible(model.eigenvalues)
    planes[still] = np.where(np.isnan(planes[still]), np.nan, 0.0)
    drawing = _composite(planes, sheet, scale)
    drawing.shares = model.explained_variance_ratio[:3].tolist()
    return drawing


def picture_bytes(pixels: int, components: int = 0) -> int:
    """Return the bytes needed to draw a picture of so many pixels.

    `components` is the number of channels that components are learned from.
    """
    return pixels * _PIXEL_BYTES + 5 * 8 * components**2


def _learn(thumbnails: Thumbnails, labels: ChannelLabels) -> Model:
    """Learn three principal components of a reduced picture."""
    few = thumbnails._replace(
        height=min(thumbnails.height, _LEARNED_SIDE),
        width=min(thumbnails.width, _LEARNED_SIDE),
    )
    moments = no_moments(len(few.channels))
    for _, band in few.bands():
        pixels = band.reshape(len(band), -1)
        dropped = np.flatnonzero(np.isnan(pixels).any(axis=0))
        moments.merge(moments_of(pixels, dropped, invalid=len(dropped)))
    if not moments.count:
        _refuse_empty(few, labels)
    return fit_pca(moments, k=3, source=few.stack.path)


def _refuse_empty(thumbnails: Thumbnails, labels: ChannelLabels) -> None:
    """Raise `DataError` if channels without a valid number leave no valid pixel."""
    some = np.zeros(len(thumbnails.channels), bool)
    for _, band in thumbnails._replace(by_pixel=False).bands():
        some |= ~np.isnan(band).all(axis=(1, 2))
    if some.any() and not some.all():
        empty = np.flatnonzero(~some).tolist()
        raise DataError(f"has no valid pixel: {labels.without_value(empty)}", thumbnails.stack.path)


def _composite(planes: NDArray[np.float64], sheet: Sheet, scale: Scale) -> Drawing:
    drawing = _blank(sheet, (0, 0, 0))
    drawing.ranges = ranges_of(planes, scale)
    for rows in _strips(planes[0]):
        shares = np.stack(
            [
                stretched(plane[rows], found or (0.0, 0.0))
                for plane, found in zip(planes, drawing.ranges, strict=True)
            ]
        )
        missing = np.asarray(np.isnan(shares).any(axis=0))
        drawing.fill(drawing.places[0], rows, composed(shares), missing, sheet)
    return drawing


def _blank(sheet: Sheet, background: tuple[int, int, int]) -> Drawing:
    rgb = np.empty((sheet.height, sheet.width, 3), np.uint8)
    rgb[:] = background
    empty = np.ones((sheet.height, sheet.width), bool)
    return Drawing(rgb, np.zeros_like(empty), empty, [], list(sheet.places))


def _strips(plane: NDArray[np.float64]) -> list[slice]:
    """Split a plane into slices of rows, which bounds the memory of temporaries."""
    return [slice(top, top + _STRIP_ROWS) for top in range(0, len(plane), _STRIP_ROWS)]
