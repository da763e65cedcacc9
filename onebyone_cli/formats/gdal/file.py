"""An open dataset of GDAL: a handle for each thread, a small cache, and errors in one line."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from threading import Lock, local
from typing import TYPE_CHECKING, Any

from onebyone_cli.errors import DataError, DependencyMissingError, InputMissingError, ReadWriteError
from onebyone_cli.formats.arrays.file_state import changed, file_state
from onebyone_cli.formats.gdal.names import dataset_name, is_remote, stored_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onebyone_cli.formats.arrays.file_state import FileState

INSTALL = "pip install 'onebyone-cli[gdal]'"

#: GDAL's cache of blocks while nothing is read.
_LEAST_CACHE = 1 << 20

#: Memory that GDAL's network file systems keep of what they fetch.
REMOTE_BYTES = 16 << 20

#: No code of a file runs, no threads but ours decode, and no two handles share a source.
_OPTIONS = {
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_NUM_THREADS": "1",
    "VRT_SHARED_SOURCE": "NO",
}

#: Seconds after which a server is given up, where the environment sets none.
_PATIENCE = {
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_LOW_SPEED_TIME": "30",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
}

#: One thread at a time opens, since filters of warnings are those of the process.
_OPENING = Lock()

#: Drivers that are often missing, by how files or names begin, and what brings them.
_DRIVERS = (
    ("HDF4", (b"\x0e\x03\x13\x01",), "libgdal-hdf4", "convert it with h4toh5"),
    ("FITS", (b"SIMPLE  =",), "libgdal-fits", "save its arrays as .npy or HDF5"),
    ("KEA", (), "libgdal-kea", "convert it with gdal_translate -of GTiff"),
)


class GdalFile:
    """A dataset that several threads read, each through a handle of its own.

    Parameters
    ----------
    path : str
        As the user wrote it.

    Attributes
    ----------
    name : str
        As GDAL takes it.
    files : tuple of str
        The files of this machine that it reads.
    cache_bytes : int
        What a thread that reads needs of GDAL's cache of blocks.

    Raises
    ------
    DependencyMissingError
        If rasterio, or a driver, is missing.
    InputMissingError
        If the file does not exist.
    DataError
        If GDAL does not open it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.name = dataset_name(path)
        self.cache_bytes = _LEAST_CACHE
        self._check_installed()
        self._lock = Lock()
        self._reading = 0
        self._forget()
        with self.reading() as dataset:
            named = (self.name, *_quoted_files(self.name), *dataset.files)
            found = dict.fromkeys(filter(None, map(stored_file, named)))
        self.files = tuple(found)
        self._states: dict[str, FileState] = {each: file_state(each) for each in found}

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Lend the handle of this thread: a ``rasterio.DatasetReader``.

        Errors of GDAL within the ``with`` block are raised as `DataError`, or `ReadWriteError` of a
        dataset that comes over a network.
        """
        import rasterio
        from rasterio._err import CPLE_BaseError

        with self._lock:
            self._reading += 1
            cache = max(_LEAST_CACHE, self._reading * self.cache_bytes)
        try:
            patience = {name: text for name, text in _PATIENCE.items() if name not in os.environ}
            with rasterio.Env(GDAL_CACHEMAX=cache, **_OPTIONS, **patience):
                try:
                    yield self._handle()
                except (rasterio.errors.RasterioError, CPLE_BaseError) as error:
                    raise self._read_error(error) from error
        finally:
            with self._lock:
                self._reading -= 1

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._handles: local | None = local()

    def _handle(self) -> Any:
        if self._pid != os.getpid():  # a handle does not survive a fork
            self._forget()
        assert self._handles is not None, "the dataset is open"
        if not hasattr(self._handles, "dataset"):
            self._handles.dataset = self._open()
        return self._handles.dataset

    def _open(self) -> Any:
        import rasterio
        from rasterio._err import CPLE_BaseError

        with _OPENING, warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            try:
                return rasterio.open(self.name, sharing=False)
            except (rasterio.errors.RasterioError, CPLE_BaseError) as error:
                raise self._open_error(error) from error

    def _check_installed(self) -> None:
        try:
            import rasterio  # noqa: F401
        except ImportError as error:
            raise DependencyMissingError(
                f"is read by GDAL, which needs rasterio; install it: {INSTALL}", self.path
            ) from error

    def _open_error(self, error: Exception) -> Exception:
        is_plain = not self.name.startswith("/vsi") and ":" not in self.name
        if is_plain and not os.path.exists(self.name):
            return InputMissingError("no such file or folder", self.path)
        missing = _missing_driver(self.name)
        if missing:
            return DependencyMissingError(missing, self.path)
        reason = _reason(error).replace(f"'{self.name}' ", "").removeprefix(f"{self.name}: ")
        if is_remote(self.name):
            return InputMissingError(f"can't be opened by GDAL: {reason}", self.path)
        return DataError(
            f"can't be opened by GDAL: {reason}; expected a raster of one of its drivers", self.path
        )

    def _read_error(self, error: Exception) -> Exception:
        reason = _reason(error)
        if is_remote(self.name):
            return ReadWriteError(f"reading failed: {reason}; run again", self.path)
        return DataError(f"can't be read by GDAL: {reason}; copy or make it again", self.path)

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if a file has changed since the dataset was opened."""
        for each, before in self._states.items():
            try:
                before.check(each, self.path)
            except OSError as error:
                raise changed(self.path) from error

    def close(self) -> None:
        """Close the handles of all threads."""
        self._handles = None


def _reason(error: BaseException) -> str:
    """Return the first cause that GDAL states, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = getattr(error, "errmsg", "") or str(error)
    return " ".join(str(text).split()).rstrip(".")[:200]


def _quoted_files(name: str) -> list[str]:
    """Return the parts of the name of a subdataset, one of which may be its file."""
    return name.split('"') if '"' in name else name.split(":")[1:2]


def _missing_driver(name: str) -> str:
    """Return what to do about a driver that is missing; empty if none is known to be."""
    import rasterio

    start = b""
    if os.path.isfile(name):
        with open(name, "rb") as file:
            start = file.read(16)
    with rasterio.Env() as env:
        present = set(env.drivers())
    for driver, magic, package, other_way in _DRIVERS:
        fits = name.upper().startswith(driver) or name.lower().endswith(f".{driver.lower()}")
        if driver not in present and (fits or (magic and start.startswith(magic))):
            return (
                f"needs GDAL's driver {driver}, which this rasterio lacks; install one with it: "
                f"conda install rasterio {package}; or {other_way}"
            )
    return ""
