"""Luma and colour differences of R'G'B', with the constants of Rec. 601 and Rec. 709."""

from onebyone_cli.weights.presets.tables import Published

#: Recommendation, and its coefficients of red and blue in luma; green has the rest.
_REC_601 = ("ITU-R BT.601-7", 0.299, 0.114)
_REC_709 = ("ITU-R BT.709-6", 0.2126, 0.0722)

#: Offset of 8-bit colour differences, so that they are not negative.
_OFFSET = 128.0

_RGB = ("red", "green", "blue")


def _luma(red: float, blue: float) -> tuple[float, float, float]:
    return red, round(1 - red - blue, 4), blue


def _grey(name: str, title: str, source: str, red: float, blue: float) -> Published:
    return Published(name, title, source, _RGB, ("luma",), (_luma(red, blue),), 1)


def _ycbcr(name: str, title: str, source: str, red: float, blue: float) -> Published:
    """Luma, and the differences of blue and red from it, scaled to −½ to ½."""
    luma = _luma(red, blue)
    cb = (*(-part / (2 * (1 - blue)) for part in luma[:2]), 0.5)
    cr = (0.5, *(-part / (2 * (1 - red)) for part in luma[1:]))
    weight = (luma, cb, cr)
    return Published(
        name, title, source, _RGB, ("Y", "Cb", "Cr"), weight, 3, (0.0, _OFFSET, _OFFSET)
    )


KERNELS = (
    _grey("grey-601", "grey (luma) of R'G'B', Rec. 601", *_REC_601),
    _grey("grey-709", "grey (luma) of R'G'B', Rec. 709", *_REC_709),
    _ycbcr(
        "ycbcr-601",
        "Y'CbCr of R'G'B' from 0 to 255, Rec. 601, as in JPEG",
        f"{_REC_601[0]}; ITU-T T.871 (JFIF)",
        *_REC_601[1:],
    ),
    _ycbcr("ycbcr-709", "Y'CbCr of R'G'B' from 0 to 255, Rec. 709, full range", *_REC_709),
)
