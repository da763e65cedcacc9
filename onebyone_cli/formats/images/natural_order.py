"""The order of the files of a folder: img2 before img10, the same on every machine."""

import os
import re

_NUMBER = re.compile("([0-9]+)")

#: Text and numbers by turns; a number is (how many digits, digits), without leading zeros.
_Parts = tuple[str | tuple[int, str], ...]


def natural_key(name: str) -> tuple[_Parts, _Parts, str]:
    """Key for sorting file names as people count.

    Runs of the digits 0-9 compare as numbers, everything else by letters whatever their case; the
    suffix comes after the rest of the name, so that ``map`` is before ``map1``. Names that are
    equal so far (``a01``, ``A1``) compare by their exact characters: the order is total, and no
    locale plays a part in it.

    >>> sorted(["img10.png", "IMG2.png", "img.png", "img1.png"], key=natural_key)
    ['img.png', 'img1.png', 'IMG2.png', 'img10.png']
    """
    stem, suffix = os.path.splitext(name)
    return _parts(stem), _parts(suffix), name


def _parts(text: str) -> _Parts:
    parts = _NUMBER.split(text.casefold())
    # Splitting at a group gives text, number, text, ...: like always meets like in a comparison.
    return tuple(_number(part) if index % 2 else part for index, part in enumerate(parts))


def _number(digits: str) -> tuple[int, str]:
    # Of numbers without leading zeros the longer is the larger; int() would limit the length.
    digits = digits.lstrip("0")
    return len(digits), digits
