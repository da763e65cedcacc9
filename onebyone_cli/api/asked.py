"""What arguments say about the numbers of a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.operations.meaning import Asked
from onebyone_cli.stack.validity import Nodata, parse_nodata

#: A value, text as on the command line, or a sequence of values and of (first, last) ranges.
NodataLike = float | str | Sequence[float | tuple[float, float]]


def asked_of(
    nodata: NodataLike | None = None,
    *,
    stored: bool = False,
    invalid: Literal["any", "all"] = "any",
) -> Asked:
    """Return what the arguments `nodata`, `stored` and `invalid` say.

    Raises
    ------
    UsageError
        If one is of another kind.

    Examples
    --------
    >>> asked_of([-9999, (65533, 65535)]).nodata.ranges
    ((-9999.0, -9999.0), (65533.0, 65535.0))
    """
    if invalid not in ("any", "all"):
        raise UsageError(f"{setting('invalid', invalid)} is unknown; choose from any, all")
    return Asked(_nodata_of(nodata), stored, invalid)


def _nodata_of(given: NodataLike | None) -> Nodata | None:
    if given is None:
        return None
    if isinstance(given, str):
        return parse_nodata([given])
    entries: Any = given if isinstance(given, Sequence) else [given]
    words = [
        ":".join(map(_word, each)) if isinstance(each, tuple) else _word(each) for each in entries
    ]
    return parse_nodata(words or ["none"])


def _word(number: float) -> str:
    """Write a number of Python or numpy as on the command line."""
    return repr(float(number)).removesuffix(".0")
