"""Read weights from text, ``"0.1 0.2 0.4; 1 0 0"``, and a bias, ``"1 2"``.

The grammar of a row is that of :mod:`onebyone_cli.weights.formats.text`, with blanks or single
commas between numbers. ``;`` separates rows.
"""

import os

import numpy as np
from numpy.typing import NDArray

from onebyone_cli.errors import DataError
from onebyone_cli.weights.channel_map import ChannelMap
from onebyone_cli.weights.formats.text import BLANKS_OR_COMMAS, Place, RowCollector
from onebyone_cli.weights.load import is_weights_path, load_bias


def parse_kernel(text: str, source: str = "kernel", *, allow_nonfinite: bool = False) -> ChannelMap:
    """Read a matrix; the map has no bias.

    A last ``;`` is allowed. Raises `DataError` with row, column and character, all from 1.
    """
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
    collector = RowCollector(option, BLANKS_OR_COMMAS, allow_nonfinite=allow_nonfinite)
    body = text.rstrip().removesuffix(";")
    start = 0
    for number, row in enumerate(body.split(";") if body.strip() else [], 1):
        collector.add(row, _in_row(number, start))
        start += len(row) + 1
    return collector.matrix()


def _in_row(number: int, offset: int) -> Place:
    return lambda index, start: f"row {number}, column {index + 1} (character {offset + start + 1})"
