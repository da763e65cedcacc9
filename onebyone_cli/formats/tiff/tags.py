"""Numbers of tags, types and values in TIFF files."""

from __future__ import annotations

from enum import IntEnum


class Tag(IntEnum):
    """Tags that are read or written."""

    SUBFILE_TYPE = 254
    OLD_SUBFILE_TYPE = 255
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    DESCRIPTION = 270
    OFFSETS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    BYTE_COUNTS = 279
    PAGE_NAME = 285
    PLANAR = 284
    T4_OPTIONS = 292
    T6_OPTIONS = 293
    PREDICTOR = 317
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_BYTE_COUNTS = 325
    SUB_DIRECTORIES = 330
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    JPEG_TABLES = 347
    STK_PLANES = 33629
    PIXEL_SCALE = 33550
    TIE_POINTS = 33922
    TRANSFORMATION = 34264
    GEO_KEYS = 34735
    GEO_DOUBLES = 34736
    GEO_ASCII = 34737
    GDAL_METADATA = 42112
    GDAL_NODATA = 42113
    IMAGEJ_COUNTS = 50838
    IMAGEJ_DATA = 50839


#: Code in `struct`, by type of a tag; rationals are two integers.
TYPES = {
    1: "B",
    2: "s",
    3: "H",
    4: "I",
    5: "II",
    6: "b",
    7: "s",
    8: "h",
    9: "i",
    10: "ii",
    11: "f",
    12: "d",
    13: "I",
    16: "Q",
    17: "q",
    18: "Q",
}

#: Bits of NewSubfileType.
REDUCED, MASK = 1, 4

#: Values of PhotometricInterpretation.
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, TRANSPARENCY, CMYK, YCBCR = range(7)

#: Values of Compression that need no library.
NO_COMPRESSION, DEFLATE, OLD_DEFLATE = 1, 8, 32946
#: Those of facsimile; the number of a row's bits is needed to decode them.
FAX = (2, 3, 4)
LZW, OLD_JPEG, JPEG, PACKBITS, LERC, LZMA, ZSTD = 5, 6, 7, 32773, 34887, 34925, 50000

#: Names of compressions, as other programs call them.
COMPRESSIONS = {
    1: "none",
    2: "CCITT RLE",
    3: "CCITT fax 3",
    4: "CCITT fax 4",
    5: "LZW",
    6: "old-style JPEG",
    7: "JPEG",
    8: "Deflate",
    9: "JBIG",
    10: "JBIG",
    22610: "JPEG XR",
    32771: "CCITT RLE/W",
    32773: "PackBits",
    32809: "ThunderScan",
    32946: "Deflate",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "SGI LogLuv",
    34677: "SGI LogLuv",
    34712: "JPEG 2000",
    34713: "Nikon NEF",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34925: "LZMA",
    34933: "PNG",
    34934: "JPEG XR",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
