"""Byte sizes: exact, and never anything but a ValueError."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onebyone_cli.units import format_bytes, parse_bytes

POWERS = "KMGTP"
UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
endings = st.sampled_from(["", *POWERS])
blanks = st.sampled_from(["", " ", "  "])

# Letters that a regular expression without ASCII takes for K and i, beside those that it should.
size_like = st.text("0123456789.KkMmGgTtPpiIBb \t+-_eE\u212a\u0131\u0130\u0661\uff11", max_size=12)


def base_of(power: str, ending: str) -> int:
    return 1000 if power and ending.upper() == "B" else 1024


@given(st.integers(1, 2**70))
@example(2**53 + 1)
def test_a_count_of_bytes_is_exact(count: int):
    assert parse_bytes(str(count)) == count


@given(
    st.integers(1, 2**40), endings, st.sampled_from(["", "iB", "B", "ib", "b", "i"]), blanks, blanks
)
def test_whole_multiples_are_exact(count: int, power: str, ending: str, before: str, after: str):
    exponent = ("", *POWERS).index(power)
    text = f"{before}{count}{after}{power.lower() if count % 2 else power}{ending}{before}"
    assert parse_bytes(text) == count * base_of(power, ending) ** exponent


@given(st.decimals(0, 10**6, places=3, allow_nan=False), endings, st.sampled_from(["", "iB", "B"]))
@example(Decimal("1.005"), "K", "B")
def test_fractions_are_cut_to_whole_bytes(number: Decimal, power: str, ending: str):
    exponent = ("", *POWERS).index(power)
    exact = int(number * base_of(power, ending) ** exponent)
    if exact:
        assert parse_bytes(f"{number}{power}{ending}") == exact
    else:
        with pytest.raises(ValueError, match="less than one byte"):
            parse_bytes(f"{number}{power}{ending}")


@given(st.one_of(st.text(max_size=20), size_like))
@example("1\u212a")  # the Kelvin sign
@example("9" * 400)
@example("9" * 5000)
def test_anything_else_is_a_value_error(text: str):
    try:
        value = parse_bytes(text)
    except ValueError:
        return
    assert value >= 1
    assert text.strip()[0].isdigit()


@pytest.mark.parametrize("text", ["", " ", "0", "0K", "-1", "+1", "1e3", ".5K", "1.", "1 K B", "K"])
def test_refused(text: str):
    with pytest.raises(ValueError, match=r"size|byte") as caught:
        parse_bytes(text)
    assert f"'{text}'" in str(caught.value)


@given(st.integers(0, 2**64))
@example(1024 - 1)
@example(1024**2 - 1)
@example(1024**5 - 1)
def test_format_is_short_and_within_half_a_digit(count: int):
    text = format_bytes(count)
    number, unit = text.split()
    assert float(number) < 1024 or unit == "PiB"
    if count:
        back = parse_bytes(text)
        assert abs(back - count) <= 0.0501 * 1024 ** UNITS.index(unit) + 1


@given(st.integers(0, 2**60), st.integers(0, 2**60))
def test_format_keeps_order(one: int, two: int):
    low, high = sorted((one, two))
    assert parse_bytes(format_bytes(low + 1)) <= parse_bytes(format_bytes(high + 1))
