"""The files of an array in a folder: a chunk each, or several with an index (a shard)."""

from __future__ import annotations

import os
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError, read_write_error

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Offset and size in the index of a chunk that was never written.
_NOTHING = (1 << 64) - 1

_CHECKSUM_BYTES = 4

#: How the index of a shard is encoded, by default and here.
_INDEX = ["bytes", "crc32c"]


class Codecs(NamedTuple):
    """What is done to the numbers of a chunk.

    Attributes
    ----------
    big_endian : bool
    compression : str
        Empty for none.
    """

    big_endian: bool
    compression: str


class Files(NamedTuple):
    """Where the bytes of a chunk are.

    Attributes
    ----------
    folder : str
    metadata : Any
        Of the array, as zarr-python reads it.
    chunk : tuple of int
        Sizes of a chunk.
    shard : tuple of int
        Sizes of a file of chunks; those of a chunk where each has its own file.
    has_index : bool
    at_end : bool
        Whether the index is at the end of the file, or at its beginning.
    """

    folder: str
    metadata: Any
    chunk: tuple[int, ...]
    shard: tuple[int, ...]
    has_index: bool
    at_end: bool

    def read(self, corner: tuple[int, ...]) -> tuple[str, bytes | None]:
        """Read the chunk at a corner; return its key and its bytes, None if it was never written.

        Raises
        ------
        ReadWriteError
            If the system fails.
        DataError
            If the index is damaged.
        """
        place = tuple(at // s for at, s in zip(corner, self.shard, strict=True))
        key = self.metadata.encode_chunk_key(place)
        path = os.path.join(self.folder, *key.split("/"))
        try:
            with open(path, "rb", buffering=0) as file:
                if not self.has_index:
                    return key, file.readall()
                return key, self._read_inner(file.fileno(), corner, path)
        except FileNotFoundError:
            return key, None
        except OSError as error:
            raise read_write_error("reading", path, error) from error

    def _read_inner(self, fd: int, corner: tuple[int, ...], path: str) -> bytes | None:
        """Read a chunk of a shard by its index: offset and size of each, in C order."""
        import google_crc32c

        counts = [s // c for s, c in zip(self.shard, self.chunk, strict=True)]
        length = 16 * prod(counts)
        start = os.fstat(fd).st_size - length - _CHECKSUM_BYTES if self.at_end else 0
        content = os.pread(fd, length + _CHECKSUM_BYTES, start) if start >= 0 else b""
        index, checksum = content[:length], content[length:]
        if google_crc32c.value(index) != int.from_bytes(checksum, "little") or not checksum:
            raise DataError("its index is damaged; copy or make it again", path)
        sides = zip(corner, self.shard, self.chunk, strict=True)
        within = tuple(at % s // c for at, s, c in sides)
        entry = 2 * int(np.ravel_multi_index(within, counts))
        offset, size = np.frombuffer(index, "<u8")[entry : entry + 2].tolist()
        if offset == size == _NOTHING:
            return None
        if offset + size > os.fstat(fd).st_size:
            raise DataError("is truncated: a chunk would end after it; copy it again", path)
        return os.pread(fd, size, offset)


def plain_files(array: Any, folder: str) -> tuple[Files, Codecs] | None:
    """Return the files of an array with usual codecs; None if zarr-python has to read it."""
    chunk = tuple(map(int, array.chunks))
    metadata = array.metadata
    if metadata.zarr_format == 2:
        codecs = [] if metadata.compressor is None else [metadata.compressor.get_config()["id"]]
        if array.filters or metadata.dtype.to_native_dtype().hasobject:
            return None
        return Files(folder, metadata, chunk, chunk, has_index=False, at_end=False), Codecs(
            array.dtype.byteorder == ">", "".join(codecs)
        )
    steps = [codec.to_dict() for codec in metadata.codecs]
    shard, at_end, has_index = chunk, False, steps[0]["name"] == "sharding_indexed"
    if has_index:
        said = steps[0]["configuration"]
        names = [step["name"] for step in said["index_codecs"]]
        if len(steps) > 1 or names != _INDEX or _is_big_endian(said["index_codecs"]):
            return None
        steps, at_end = list(said["codecs"]), said.get("index_location", "end") == "end"
        shard = tuple(map(int, array.shards))
    if steps[0]["name"] != "bytes" or len(steps) > 2:
        return None
    compression = steps[1]["name"] if len(steps) == 2 else ""
    files = Files(folder, metadata, chunk, shard, has_index, at_end)
    return files, Codecs(_is_big_endian(steps), compression)


def _is_big_endian(steps: Sequence[Any]) -> bool:
    return bool(steps[0].get("configuration", {}).get("endian", "little") == "big")
