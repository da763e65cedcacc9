"""Reference systems that are made of a horizontal and a vertical one."""

from __future__ import annotations

import re

#: How texts of such systems begin, in both versions of WKT.
_BEGINS = ("COMPD_CS[", "COMPOUNDCRS[")

#: Codes of both systems, as GDAL and PROJ take them.
_CODES = re.compile(r"^EPSG:([0-9]{4,5})\+([0-9]{4,5})$")

_PIECE = re.compile(r'"[^"]*"|[\[\],]|[^"\[\],]+')


def split_compound(crs: str) -> tuple[str, str] | None:
    """Return the horizontal and the vertical part of a reference system; None if it is not of two.

    >>> split_compound("EPSG:28992+5709")
    ('EPSG:28992', 'EPSG:5709')
    >>> split_compound('COMPD_CS["a, b",PROJCS["c",UNIT["m",1]],VERT_CS["d"]]')
    ('PROJCS["c",UNIT["m",1]]', 'VERT_CS["d"]')
    """
    codes = _CODES.match(crs)
    if codes:
        return f"EPSG:{codes[1]}", f"EPSG:{codes[2]}"
    text = crs.strip()
    if not text.upper().startswith(_BEGINS):
        return None
    parts, depth = [""], 0
    for piece in _PIECE.findall(text):
        depth -= piece == "]"
        if depth == 1 and piece == ",":
            parts.append("")
        elif depth >= 1:
            parts[-1] += piece
        depth += piece == "["
    return (parts[1].strip(), parts[2].strip()) if len(parts) > 2 else None
