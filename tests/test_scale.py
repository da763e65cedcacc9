"""Ranges of numbers as typed."""

import pytest

from onebyone_cli.arithmetic.scale import Scale, parse_scale
from onebyone_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("auto", Scale("auto")),
        ("each", Scale("each", each=True)),
        ("0,255", Scale("range", 0, 255)),
        ("-1.5,1e3", Scale("range", -1.5, 1000)),
        ("2%,98%", Scale("percentiles", 2, 98)),
        ("0%,99.5%,each", Scale("percentiles", 0, 99.5, each=True)),
    ],
)
def test_scales(text: str, scale: Scale) -> None:
    assert parse_scale(text) == scale


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1", "is not a range; write MIN,MAX"),
        ("1,2,3", "is not a range"),
        ("a,b", "is not a range"),
        ("2%,98", "is not a range"),
        ("2,98%", "is not a range"),
        ("2%,101%", "is not a range"),
        ("98%,2%", "is not a range"),
        ("2%,98%,all", "is not a range"),
        ("5,5", "both ends are equal"),
        ("5,1", "scale=5,1 is upside down; give MIN,MAX"),
        ("0,inf", "is not finite"),
        ("nan,1", "is not finite"),
    ],
)
def test_what_is_no_scale(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_scale(text)
