"""Describe a new store, and complete one whose chunks are written."""

from __future__ import annotations

import base64
import json
import os
import struct
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.errors import UsageError
from onebyone_cli.formats.contracts.attributes import attributes_of
from onebyone_cli.formats.zarr.said import FILL
from onebyone_cli.formats.zarr.store import load_zarr, writing
from onebyone_cli.names import is_url
from onebyone_cli.units import printable

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.writer import Target
    from onebyone_cli.spec import StackSpec

#: Default name of the array.
_NAME = "data"

#: Default size of a chunk: a file each.
_CHUNK_BYTES = 1 << 20

#: Size of all chunks of the same rows: bands wait in memory until all their pixels are there.
_BAND_BYTES = 1 << 24

#: Bands of an item, so that several jobs have something to do, if chunks are not smaller than this.
_LEAST_BANDS, _LEAST_BYTES = 8, 1 << 17

#: Names of the axes of a stack.
_AXES = ("band", "y", "x")


def array_name(target: Target) -> str:
    """Return the path of the array in the store.

    Raises
    ------
    UsageError
        If it can't be one.
    """
    name = target.inner.strip("/") or _NAME
    parts = name.split("/")
    if any(part in ("", ".", "..") or part.startswith("__") for part in parts) or (
        not name.isprintable() or "zarr.json" in parts
    ):
        raise UsageError(
            f"'{printable(target.inner)}' can't be the name of an array; "
            f"name one, as in {target.path}:/data",
            target.path,
        )
    return name


def chunk_sizes(target: Target, spec: StackSpec) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return ``(C, H, W)`` of a chunk and of a file of chunks: as given, or rows of one channel.

    Raises
    ------
    UsageError
        If they do not fit the output, or each other.
    """
    whole = (spec.channels, spec.height, spec.width)
    chunk, shard = target.storage.chunks, target.storage.shards
    if not chunk:
        width = min(spec.width, max(1, _CHUNK_BYTES // spec.item_bytes))
        row, rows = width * spec.item_bytes, -(-spec.height // _LEAST_BANDS)
        most = min(_CHUNK_BYTES // row, max(rows, _LEAST_BYTES // row))
        most = max(1, min(most, _BAND_BYTES // (row * spec.channels)))
        # Chunks of one size: a last one of few rows would be stored as large as the others.
        chunk = (1, -(-spec.height // -(-spec.height // most)), width)
    shown, limits = ("×".join(map(str, sizes)) for sizes in (chunk, whole))
    if len(chunk) != 3 or not all(1 <= a <= b for a, b in zip(chunk, whole, strict=False)):
        raise UsageError(
            f"chunks of {shown} don't fit an output of C×H×W {limits}; "
            "expected three sizes from 1 to these",
            target.path,
        )
    if shard and (
        len(shard) != 3 or any(b < a or b % a for a, b in zip(chunk, shard, strict=False))
    ):
        raise UsageError(
            f"shards of {'×'.join(map(str, shard))} don't hold whole chunks of {shown}; expected "
            "multiples of these sizes",
            target.path,
        )
    return chunk, shard or chunk


def describe(target: Target, spec: StackSpec) -> tuple[Any, dict[str, str]]:
    """Describe a store with one array; creates nothing.

    Returns
    -------
    array : zarr.Array
        In memory, without numbers.
    files : dict
        Content of the metadata files by their names; the last one makes the store visible.
    """
    zarr = load_zarr(target.path)
    chunk, shard = chunk_sizes(target, spec)
    ones = (1,) * len(spec.batch)
    batch = ["batch"] if len(ones) == 1 else [f"batch_{axis}" for axis in range(len(ones))]
    store, name = zarr.storage.MemoryStore(), array_name(target)
    fill, attributes = _attributes(target, spec)
    group = zarr.create_group(store=store, zarr_format=3)
    if "/" in name:
        group.require_group(name.rpartition("/")[0])
    array = group.create_array(
        name,
        shape=spec.shape,
        dtype=spec.dtype,
        chunks=(*ones, *chunk),
        shards=(*ones, *shard) if target.storage.shards else None,
        compressors=_compressors(target, spec),
        fill_value=fill,
        dimension_names=[*batch, *_AXES],
        attributes=attributes,
        # Every chunk exists in the end, so none is that of an older output.
        config={"write_empty_chunks": True},
    )
    documents = {key: bytes(value.to_bytes()).decode() for key, value in store._store_dict.items()}
    return array, dict(sorted(documents.items(), key=lambda each: -each[0].count("/")))


def seal(place: str, content: bytes) -> None:
    """Write the metadata files of a store whose chunks are written; see `Format.seal`."""
    files: dict[str, str] = json.loads(content)
    with writing(place):
        if is_url(place):
            import fsspec

            system, root = fsspec.core.url_to_fs(place)
            for name, text in files.items():
                system.pipe_file(f"{root.rstrip('/')}/{name}", text.encode())
            return
        for name, text in files.items():
            path = os.path.join(place, *name.split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)


def _attributes(target: Target, spec: StackSpec) -> tuple[Any, dict[str, Any]]:
    """Return the fill value of the array, and its attributes as JSON values."""
    values = attributes_of(target.metadata)
    said: dict[str, Any] = {}
    for name in sorted(values):
        value = values[name]
        plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        if isinstance(plain, bytes) or not name:
            continue
        said[name] = plain
    if FILL not in values:
        return 0, said
    fill = np.asarray(values[FILL]).astype(spec.dtype)[()]
    is_float = spec.dtype.startswith("float")
    # As xarray writes it.
    packed = base64.b64encode(struct.pack("<d", float(fill))).decode() if is_float else int(fill)
    return fill.item(), {**said, FILL: packed}


def _compressors(target: Target, spec: StackSpec) -> Any:
    """Return the compression of chunks.

    zarr-python writes the time into chunks of gzip, so that the same numbers have other bytes.

    Raises
    ------
    UsageError
        If Zarr has no such compression.
    """
    codecs, storage = load_zarr(target.path).codecs, target.storage
    if storage.compression not in ("", "zstd"):
        raise UsageError(
            f"compression '{storage.compression}' is not for .zarr outputs; expected zstd",
            target.path,
        )
    if storage.shuffle and not storage.compression:
        raise UsageError("Zarr shuffles bytes before zstd only; add that", target.path)
    if storage.shuffle:
        return codecs.BloscCodec(
            cname="zstd", clevel=storage.level, shuffle="shuffle", typesize=spec.item_bytes
        )
    return codecs.ZstdCodec(level=storage.level) if storage.compression else None


def band_bytes(spec: StackSpec, shard: tuple[int, ...]) -> int:
    """Return the bytes of all files of the rows of one."""
    return prod((spec.channels, shard[1], spec.width)) * spec.item_bytes
