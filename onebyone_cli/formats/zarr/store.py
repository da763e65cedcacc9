"""Open a Zarr store: a folder, a zip file, or an address that fsspec knows."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.errors import (
    DataError,
    DependencyMissingError,
    InputMissingError,
    OneByOneError,
    ReadWriteError,
    open_error,
    read_write_error,
)
from onebyone_cli.formats.arrays.file_state import changed
from onebyone_cli.names import is_url
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How the library is installed.
INSTALL = "pip install 'onebyone-cli[zarr]'"

#: Files that say that a folder is an array or a group, of version 3 and of version 2.
_ARRAYS = ("zarr.json", ".zarray")
_NODES = (*_ARRAYS, ".zgroup", ".zmetadata")

#: Files whose change is a change of the metadata of a node.
_METADATA = (*_NODES, ".zattrs")

#: Most folders of chunks whose state is compared.
_MOST_FOLDERS = 4096

#: Longest reason of another library in a message.
_REASON_LENGTH = 200


class Address(NamedTuple):
    """Where an array is.

    Attributes
    ----------
    root : str
        The store: the outermost group that holds the array, or the array.
    inner : str
        Path in the store, without a slash at its ends; empty for the root.
    """

    root: str
    inner: str

    @property
    def folder(self) -> str:
        """The folder of the array or group, for a store that is a folder."""
        return os.path.join(self.root, *filter(None, self.inner.split("/")))


def is_store(path: str) -> bool:
    """Return whether a folder is an array or a group of Zarr."""
    return any(os.path.isfile(os.path.join(path, name)) for name in _NODES)


def is_zipped(path: str) -> bool:
    """Return whether a file is a zip archive with an array or a group at its root."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return not {*_NODES}.isdisjoint(archive.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return False


def address_of(path: str, inner: str) -> Address:
    """Split the name of an array into the store and the path in it.

    ``x.zarr/a/b`` and ``x.zarr:a/b`` are the same array. Groups around a folder belong to it: they
    hold the coordinates of its axes.
    """
    inside = [part for part in inner.split("/") if part]
    if is_url(path):
        path = path.rstrip("/")
        parts = path.split("/")
        ends = [at for at, part in enumerate(parts) if part.lower().endswith(".zarr")]
        if ends:
            inside = [*parts[ends[0] + 1 :], *inside]
            path = "/".join(parts[: ends[0] + 1])
    elif os.path.isdir(path):
        path = os.path.abspath(path)
        while is_store(above := os.path.dirname(path)) and above != path:
            inside.insert(0, os.path.basename(path))
            path = above
    return Address(path, "/".join(inside))


def load_zarr(path: str) -> Any:
    """Import zarr-python.

    Raises
    ------
    DependencyMissingError
        If it is not installed, or older than version 3.
    """
    try:
        import zarr
    except ImportError as error:
        raise DependencyMissingError(
            f"is a Zarr store, which needs zarr-python 3; install it: {INSTALL}", path
        ) from error
    if int(zarr.__version__.partition(".")[0]) < 3:
        raise DependencyMissingError(
            f"is a Zarr store, and zarr-python {zarr.__version__} is too old; install version 3: "
            f"{INSTALL}",
            path,
        )
    return zarr


def make_store(root: str, path: str, *, read_only: bool) -> Any:
    """Make a store of zarr-python for a folder, a zip file or an address.

    Raises
    ------
    DependencyMissingError
        If a library that the address needs is not installed.
    """
    zarr = load_zarr(path)
    with one_line_errors("can't be opened", path):
        if not is_url(root):
            kind = zarr.storage.ZipStore if os.path.isfile(root) else zarr.storage.LocalStore
            return kind(root, read_only=read_only)
        try:
            return zarr.storage.FsspecStore.from_url(root, read_only=read_only)
        except ImportError as error:
            scheme = root.partition(":")[0]
            raise DependencyMissingError(
                f"{printable(' '.join(str(error).split()))}; {scheme} needs it: {INSTALL}", path
            ) from error


class InputStore:
    """A store that is open for reading, and its state.

    Raises
    ------
    InputMissingError
        If there is no such file, folder or address.
    DataError
        If it is no store.
    DependencyMissingError
        If a library is missing.
    """

    def __init__(self, path: str, inner: str) -> None:
        self.path = f"{path}:{inner}" if inner else path
        self.address = address_of(path, inner)
        self.is_folder = os.path.isdir(self.address.root)
        if not is_url(path):
            try:
                os.stat(path)
            except OSError as error:
                raise open_error(path, error) from error
            if os.path.isfile(path) and not is_zipped(path):
                raise DataError("is a file; expected a folder or a zip file of Zarr", path)
        self.is_remote = is_url(path)
        self.store = make_store(self.address.root, path, read_only=True)
        self._state = self._look()

    def node(self, inner: str) -> Any:
        """Open an array or a group by its path; None if there is none."""
        zarr = load_zarr(self.path)
        with one_line_errors("can't be understood as Zarr", self.path):
            try:
                return zarr.open(store=self.store, path=inner or None, mode="r")
            except FileNotFoundError:
                return None

    def watch(self, inner: str) -> None:
        """Compare the state of an array from now on."""
        self.address = self.address._replace(inner=inner)
        self._state = self._look()

    def check_unchanged(self) -> None:
        """Raise `ReadWriteError` if the metadata or a folder of chunks has changed.

        A chunk that is replaced changes its folder, and one that is written over does not. Nothing
        is known of an address.
        """
        if self._look() != self._state:
            raise changed(self.path)

    def close(self) -> None:
        """Close the store. May be called twice."""
        self.store.close()

    @property
    def metadata_files(self) -> tuple[str, ...]:
        """The files with the metadata of the array."""
        if not self.is_folder:
            return ()
        names = (os.path.join(self.address.folder, name) for name in _METADATA)
        return tuple(filter(os.path.isfile, names))

    def stored_bytes(self, array: Any) -> int:
        """Return the bytes of the chunks and the metadata of an array."""
        with one_line_errors("can't be listed", self.path):
            return int(array.nbytes_stored())

    def _look(self) -> tuple[tuple[str, int, int, int], ...]:
        """Return name, identity, size and time of what a change of the array would change."""
        if is_url(self.address.root):
            return ()
        names = list(self.metadata_files) if self.is_folder else [self.address.root]
        if self.is_folder and os.path.isdir(self.address.folder):
            names += _folders(self.address.folder)
        found = []
        for name in names:
            try:
                status = os.stat(name)
            except OSError as error:
                raise read_write_error("reading", self.path, error) from error
            size = 0 if os.path.isdir(name) else status.st_size
            found.append((name, status.st_ino, size, status.st_mtime_ns))
        return tuple(found)


def _folders(top: str) -> list[str]:
    """Return a folder of an array and the folders of chunks below it."""
    found = [top]
    for folder in found:
        # A folder without folders in it has two names; some file systems do not count.
        if os.stat(folder).st_nlink == 2 or len(found) > _MOST_FOLDERS:
            continue
        with os.scandir(folder) as entries:
            found += sorted(each.path for each in entries if each.is_dir(follow_symlinks=False))
    return found[:_MOST_FOLDERS]


@contextmanager
def one_line_errors(what: str, path: str) -> Iterator[None]:
    """Turn errors of zarr-python, its codecs and its stores into one-line errors of this package.

    Parameters
    ----------
    what : str
        What failed, as in ``"can't be opened"``.
    path : str
        The input, for the message.

    Raises
    ------
    InputMissingError
        If nothing is there, or it may not be read.
    ReadWriteError
        If the system or the network failed.
    DataError
        If anything else failed.
    """
    try:
        yield
    except (OneByOneError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise InputMissingError(f"{what}: nothing is there", path) from error
    except PermissionError as error:
        raise InputMissingError(f"{what}: {short_reason(error)}", path) from error
    except OSError as error:
        if error.errno:
            raise read_write_error("reading", path, error) from error
        raise ReadWriteError(f"{what}: {short_reason(error)}", path) from error
    except Exception as error:  # codecs and network libraries have classes of their own
        raise DataError(f"{what}: {short_reason(error)}", path) from error


def short_reason(error: BaseException) -> str:
    """Return the text of an error on one line."""
    shown = printable(" ".join((str(error) or type(error).__name__).split()))
    return shown if len(shown) <= _REASON_LENGTH else shown[: _REASON_LENGTH - 1] + "…"


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn errors of writing a store into one-line errors; `path` is the output."""
    try:
        yield
    except (OneByOneError, MemoryError):
        raise
    except OSError as error:
        if error.errno:
            raise read_write_error("writing", path, error) from error
        raise ReadWriteError(f"can't be written: {short_reason(error)}", path) from error
    except Exception as error:  # network libraries have classes of their own
        raise ReadWriteError(f"can't be written: {short_reason(error)}", path) from error
