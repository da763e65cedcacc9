"""Names of datasets of GDAL, and the files of this machine that they contain."""

from __future__ import annotations

import os
import re

#: Begins the name of an input that GDAL is to open.
PREFIX = "gdal:"

#: Begins the names of GDAL's virtual file systems, such as ``/vsicurl/``.
VIRTUAL = "/vsi"

_SYSTEM = re.compile(r"/vsi[a-z0-9_]+/")
_QUOTED = re.compile(r'"([^"]+)"')


def dataset_name(path: str) -> str:
    """Return the name as GDAL takes it.

    >>> dataset_name("gdal:x.vrt"), dataset_name("/vsizip/x.zip/x.tif")
    ('x.vrt', '/vsizip/x.zip/x.tif')
    """
    return path.removeprefix(PREFIX)


def absolute(path: str) -> str:
    """Return the name with absolute paths, for use in any folder.

    A path is the whole name, or a part of it in quotation marks.
    """
    name = dataset_name(path)
    if os.path.exists(name):
        return path[: len(path) - len(name)] + os.path.abspath(name)
    return _QUOTED.sub(lambda found: f'"{_absolute_file(found[1])}"', path)


def _absolute_file(name: str) -> str:
    return os.path.abspath(name) if os.path.exists(name) else name


def is_remote(name: str) -> bool:
    """Return whether a dataset comes over a network, as far as its name shows.

    >>> is_remote("/vsizip//vsicurl/https://host/x.zip/x.tif"), is_remote("/vsizip/x.zip/x.tif")
    (True, False)
    """
    systems = {found[0][4:-1].removesuffix("_streaming") for found in _SYSTEM.finditer(name)}
    return bool(systems & {"curl", "s3", "gs", "az", "adls", "oss", "swift", "hdfs", "webhdfs"})


def stored_file(name: str) -> str:
    """Return the file or folder on this machine that a name of GDAL lies in; empty without one.

    An archive of a virtual file system is such a file.
    """
    is_inside = False
    while found := _SYSTEM.match(name):
        name = name[found.end() :].removeprefix("{")
        is_inside = True
    name = name.split("}")[0]
    while is_inside and name.strip("/") and not os.path.exists(name):
        name = os.path.dirname(name.rstrip("/"))
    return name if os.path.isfile(name) or (os.path.isdir(name) and not is_inside) else ""
