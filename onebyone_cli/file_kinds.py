"""What files are by their first bytes, and folders by what is in them: kinds that are not read.

Kinds that are read are in here too: a message can name one that stands where another was expected.
"""

import os
from typing import NamedTuple

#: Bytes of a file that `look` needs.
LOOK_BYTES = 352


class FileKind(NamedTuple):
    """A kind of file or folder.

    Attributes
    ----------
    what : str
        Within a sentence, as in ``"a PNG image"``.
    advice : str
        What to do to have it read; empty if it is read.
    """

    what: str
    advice: str = ""

    @property
    def text(self) -> str:
        """Kind and advice within a sentence."""
        return f"{self.what}; {self.advice}" if self.advice else self.what


_BY_NAME = "give it by its name, not through a pipe"
_UNPACK = "unpack it first"
_TO_TIFF = "convert it with gdal_translate -of GTiff"
_AS_NPY = "save its arrays as .npy or HDF5"

#: Kinds by offset and bytes; the first that fits counts.
_KINDS = (
    (0, b"\x93NUMPY", FileKind("a .npy array")),
    (0, b"\x89HDF\r\n\x1a\n", FileKind("an HDF5 file", _BY_NAME)),
    (0, b"\x0e\x03\x13\x01", FileKind("an HDF4 file", "convert it with h4toh5")),
    (0, b"CDF", FileKind("a netCDF-3 file", _BY_NAME)),
    (0, b"MATLAB 5.0", FileKind("a MATLAB file", _BY_NAME)),
    (0, b"\x89PNG", FileKind("a PNG image", "rename it to .png")),
    (0, b"\xff\xd8\xff", FileKind("a JPEG image", "rename it to .jpg")),
    *(
        (0, start, FileKind("a TIFF file", _BY_NAME))
        for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    ),
    (0, b"GIF8", FileKind("a GIF image", "save it as PNG")),
    (0, b"\0\0\0\x0cjP  ", FileKind("a JPEG 2000 image", _TO_TIFF)),
    (0, b"EHFA_HEADER_TAG", FileKind("an ERDAS Imagine file", _TO_TIFF)),
    (0, b"SIMPLE  =", FileKind("a FITS file", _AS_NPY)),
    (0, b"GRIB", FileKind("a GRIB file", "convert it with cdo -f nc4 copy OLD.grib NEW.nc")),
    (0, b"NRRD", FileKind("an NRRD file", _AS_NPY)),
    (0, b"PAR1", FileKind("a Parquet table", _AS_NPY)),
    (0, b"ARROW1", FileKind("an Arrow table", _AS_NPY)),
    (0, b"SQLite format 3", FileKind("an SQLite database", "export its rasters as GeoTIFF")),
    (344, b"n+1\0", FileKind("a NIfTI image", _AS_NPY)),
    (128, b"DICM", FileKind("a DICOM file", "save its pixels as .npy or TIFF")),
    (257, b"ustar", FileKind("a tar archive", _UNPACK)),
    (0, b"PK\x03\x04", FileKind("a zip archive (.npz?)", _BY_NAME)),
    (0, b"PK\x05\x06", FileKind("an empty zip archive")),
    (0, b"\x1f\x8b", FileKind("gzip data", _UNPACK)),
    (0, b"BZh", FileKind("bzip2 data", _UNPACK)),
    (0, b"\xfd7zXZ", FileKind("xz data", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", FileKind("zstd data", _UNPACK)),
    (0, b"7z\xbc\xaf", FileKind("a 7z archive", _UNPACK)),
    (
        0,
        b"version ht",
        FileKind("a Git LFS pointer", "fetch the real file with git lfs pull"),
    ),
    *(
        (0, b"\x80%c" % protocol, FileKind("a Python pickle", "it could run code; " + _AS_NPY))
        for protocol in range(2, 6)
    ),
    (0, b"%PDF", FileKind("a PDF document")),
    (0, b"<", FileKind("a web page or XML")),
)  # fmt: skip

_SAFE = FileKind("a SAFE product", "name the images in its folders, such as GRANULE/*/IMG_DATA/*")
_N5 = FileKind("an N5 store", "copy the array into an .h5 or .npy file")

#: Kinds of folders by a file that is in them.
_FOLDERS = {
    "manifest.safe": _SAFE,
    "attributes.json": _N5,
}


def look(start: bytes) -> FileKind | None:
    """Return the kind of a file that begins with `LOOK_BYTES` bytes `start`; None if unknown."""
    fits = (kind for at, magic, kind in _KINDS if start[at : at + len(magic)] == magic)
    return next(fits, None)


def look_in_folder(path: str) -> FileKind | None:
    """Return the kind of a folder that is no folder of images; None if unknown."""
    found = (kind for name, kind in _FOLDERS.items() if os.path.isfile(os.path.join(path, name)))
    return next(found, None)
