"""Read weights from text, ``"0.1 0.2 0.4; 1 0 0"`` or ``"B08 - B04"``, and a bias, ``"1 2"``.

The grammar of a row of numbers is that of :mod:`onebyone_cli.weights.formats.text`, with blanks or
single commas between numbers. ``;`` separates rows. Rows with names are sums; see
:mod:`onebyone_cli.weights.expression`.
"""

import os
import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from onebyone_cli.errors import DataError
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.expression import has_names, parse_expression
from onebyone_cli.weights.formats.text import BLANKS_OR_COMMAS, Place, read_rows
from onebyone_cli.weights.load import is_weights_path, load_bias

#: A number and what follows it in a list: a comma, a word, or another number alone.
_NUMBER = r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?"
_LIST = re.compile(rf"\s*{_NUMBER}(?:\s*,|\s+(?![-+*;\s])|\s+{_NUMBER}(?=[\s,]))")


def parse_kernel(text: str, source: str = "kernel", *, allow_nonfinite: bool = False) -> ChannelMap:
    """Read a matrix, without a bias, or sums of named channels and constants.

    A last ``;`` is allowed. Raises `DataError` with the place, from 1.
    """
    if has_names(text) and not _LIST.match(text):
        return parse_expression(text, source, allow_nonfinite=allow_nonfinite)
    weight = _parse(text, source, allow_nonfinite=allow_nonfinite)
    return ChannelMap(weight, np.zeros(len(weight)), source)


def parse_bias(
    text: str, source: str = "bias", *, allow_nonfinite: bool = False
) -> NDArray[np.float64]:
    """Read a bias, shape (K,): numbers, or the name of a file as `load_bias` takes it.

    Numbers come first, so that ``1`` means the same in a folder that has a file ``1``.

    Raises
    ------
    DataError
        If it is neither, or the file is malformed.
    InputMissingError, PolicyError
        As for a weights file.
    """
    is_numbers = BLANKS_OR_COMMAS.matches(text.strip(BLANKS_OR_COMMAS.pad))
    if not is_numbers and (is_weights_path(text) or os.path.exists(text)):
        return load_bias(text, allow_nonfinite=allow_nonfinite)
    try:
        matrix = _parse(text, source, allow_nonfinite=allow_nonfinite)
    except DataError as error:
        hint = "" if is_numbers or not text.strip() else ", and no file has this name"
        raise DataError(f"{error.message}{hint}", source) from error
    if len(matrix) != 1:
        raise DataError(
            f"has {len(matrix)} rows; expected one, without ';': a number per output channel",
            source,
        )
    return matrix.reshape(-1)


def _parse(text: str, option: str, *, allow_nonfinite: bool) -> NDArray[np.float64]:
    return read_rows(_rows(text), option, BLANKS_OR_COMMAS, allow_nonfinite=allow_nonfinite)


def _rows(text: str) -> Iterator[tuple[str, Place]]:
    body, start = text.rstrip().removesuffix(";"), 0
    for number, row in enumerate(body.split(";") if body.strip() else [], 1):
        yield row, _in_row(number, start)
        start += len(row) + 1


def _in_row(number: int, offset: int) -> Place:
    return lambda index, start: f"row {number}, column {index + 1} (character {offset + start + 1})"
