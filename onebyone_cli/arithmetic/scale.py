"""Parse the range of numbers that is mapped onto the whole range of an integer type."""

from math import isfinite
from typing import Literal, NamedTuple

from onebyone_cli.errors import UsageError, setting


class Scale(NamedTuple):
    """The numbers that become the lowest and the highest value.

    Attributes
    ----------
    kind : str
        ``"range"``: `low` and `high` themselves; ``"auto"``: the range of all numbers; ``"each"``:
        the range of each channel; ``"percentiles"``: the `low` and `high` percentiles.
    each : bool
        Whether each channel has a range of its own.
    """

    kind: Literal["range", "auto", "each", "percentiles"]
    low: float = 0.0
    high: float = 0.0
    each: bool = False

    @property
    def is_measured(self) -> bool:
        """Whether the range is measured in a pass of its own."""
        return self.kind != "range"


def parse_scale(text: str) -> Scale:
    """Read a scale: ``MIN,MAX``, ``auto``, ``each`` or ``LOW%,HIGH%``.

    ``LOW%,HIGH%,each`` finds the percentiles of each channel.

    Raises
    ------
    UsageError
        If it is not a scale.

    Examples
    --------
    >>> parse_scale("2%,98%")
    Scale(kind='percentiles', low=2.0, high=98.0, each=False)
    """
    if text == "auto":
        return Scale("auto")
    if text == "each":
        return Scale("each", each=True)
    parts = text.split(",")
    shares = [part.removesuffix("%") for part in parts[:2]]
    if len(parts) in (2, 3) and all(part.endswith("%") for part in parts[:2]):
        low, high = _two(text, shares)
        if parts[2:] not in ([], ["each"]) or not 0 <= low < high <= 100:
            raise _not_a_scale(text)
        return Scale("percentiles", low, high, each=len(parts) == 3)
    if len(parts) != 2:
        raise _not_a_scale(text)
    low, high = _two(text, parts)
    if low == high:
        raise UsageError(
            f"{setting('scale', text)} is not a range: both ends are equal; give MIN,MAX"
        )
    if low > high:
        raise UsageError(f"{setting('scale', text)} is upside down; give MIN,MAX")
    return Scale("range", low, high)


def _two(text: str, parts: list[str]) -> tuple[float, float]:
    try:
        low, high = map(float, parts)
    except ValueError as error:
        raise _not_a_scale(text) from error
    if not (isfinite(low) and isfinite(high)):
        raise UsageError(f"{setting('scale', text)} is not finite; give MIN,MAX, as in 0,255")
    return low, high


def _not_a_scale(text: str) -> UsageError:
    return UsageError(
        f"{setting('scale', text)} is not a range; write MIN,MAX (0,255), auto, each, or "
        "percentiles (2%,98%)"
    )
