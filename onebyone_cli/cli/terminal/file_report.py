"""Report the facts about a file, for people and for programs."""

from functools import singledispatch
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.cli.terminal.metadata_report import metadata_document, metadata_lines
from onebyone_cli.errors import spelled
from onebyone_cli.operations.info.archives import MomentsFacts, WeightsFacts
from onebyone_cli.operations.info.stacks import Needs, StackFacts
from onebyone_cli.operations.info.unfinished import UnfinishedFacts
from onebyone_cli.spec import CODED_BYTES
from onebyone_cli.units import count, format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onebyone_cli.formats.contracts.about import Container, Dataset
    from onebyone_cli.plan.memory import Plan


class DatasetsFacts(NamedTuple):
    """A file of several datasets, when none was named; `format` is the name of its format."""

    path: str
    datasets: "Sequence[Dataset]"
    file_bytes: int
    format: str


Facts = StackFacts | WeightsFacts | MomentsFacts | UnfinishedFacts | DatasetsFacts

#: Columns of a table of paths.
COLUMNS = ("path", "what", "shape", "axes", "type", "on disk", "apply needs")

#: Those with text.
TEXTS = ("path", "what", "axes", "type")

#: Names and datasets that a block lists; all are in the JSON document.
_MOST_LISTED = 20


@singledispatch
def title(facts: Facts) -> str:
    """Return a few words for the kind of file."""
    raise NotImplementedError(type(facts))


@singledispatch
def lines(facts: Facts) -> list[tuple[str, str]]:
    """Return the facts as (word, text)."""
    raise NotImplementedError(type(facts))


@singledispatch
def row(facts: Facts) -> list[str]:
    """Return the most important facts under `COLUMNS`."""
    raise NotImplementedError(type(facts))


@singledispatch
def document(facts: Facts) -> dict[str, Any]:
    """Return the facts for programs."""
    raise NotImplementedError(type(facts))


# ---------------------------------------------------------------------------------------- stacks


@title.register
def _(facts: StackFacts) -> str:
    return facts.container.title


@lines.register
def _(facts: StackFacts) -> list[tuple[str, str]]:
    spec, container = facts.spec, facts.container
    found = [("dataset", facts.inner)] if facts.inner else []
    found += [
        ("shape", f"{_times(container.shape)} ({_times(container.axes)})" + _batch(facts)),
        *([("axes", _labels(container))] if container.labels else []),
        ("type", ", ".join([_type(facts), *_orders(container, _stored_bytes(facts))])),
        ("channels", _listed(spec.channels, facts.metadata.channels) + _names_from(facts)),
    ]
    found += metadata_lines(facts.metadata, spec)
    found += [("note", spelled(note)) for note in facts.notes]
    if container.chunk:
        filters = ", ".join(container.filters) or "not compressed"
        found.append(("chunks", f"{_times(container.chunk)}, {filters}"))
    found.append(("numbers", _exact(spec.data_bytes) + _stored(facts)))
    found.append(("on disk", "a pipe" if facts.file_bytes is None else _exact(facts.file_bytes)))
    found.append(("apply", _needs(facts.needs, spec.channels)))
    return found


@row.register
def _(facts: StackFacts) -> list[str]:
    container, plan = facts.container, facts.needs.plan
    needs = format_bytes(plan.total_bytes) + _copied(plan) if plan else "more --memory"
    return [
        facts.path,
        container.title,
        _times(container.shape),
        container.axes,
        container.coded or facts.spec.dtype,
        "-" if facts.file_bytes is None else format_bytes(facts.file_bytes),
        needs,
    ]


@document.register
def _(facts: StackFacts) -> dict[str, Any]:
    spec, container, plan = facts.spec, facts.container, facts.needs.plan
    return {
        "path": facts.path,
        "kind": "stack",
        "container": container.title,
        "dataset": facts.inner or None,
        "shape": list(container.shape),
        "axes": container.axes,
        "axis_names": list(container.labels) or None,
        "hint": facts.hint or None,
        "batch": list(spec.batch),
        "channels": spec.channels,
        "height": spec.height,
        "width": spec.width,
        "dtype": spec.dtype,
        "stored_dtype": container.coded or spec.dtype,
        "byte_order": _byte_order(container, _stored_bytes(facts)),
        "fortran_order": container.fortran_order,
        "chunks": list(container.chunk) or None,
        "filters": list(container.filters),
        "channel_names": list(facts.metadata.channels),
        "metadata": metadata_document(facts.metadata),
        "notes": [spelled(note) for note in facts.notes],
        "data_bytes": spec.data_bytes,
        "stored_bytes": container.stored_bytes,
        "file_bytes": facts.file_bytes,
        "apply": {
            "out_channels": spec.channels,
            "arithmetic": facts.needs.arithmetic,
            "plan": plan.as_dict() if plan else None,
            "refusal": facts.needs.refusal or None,
        },
    }


def _names_from(facts: StackFacts) -> str:
    origin = facts.metadata.origins.get("channels", "")
    return f" ({origin})" if origin and facts.metadata.channels else ""


def _type(facts: StackFacts) -> str:
    coded = facts.container.coded
    return f"{coded}, read as {facts.spec.dtype}" if coded else facts.spec.dtype


def _labels(container: "Container") -> str:
    """Name the axes as the file does, with their letters."""
    named = zip(container.labels, container.axes, strict=True)
    return ", ".join(f"{label} ({axis})" if label else axis for label, axis in named)


def _batch(facts: StackFacts) -> str:
    items = facts.spec.items
    return (
        f", {count(items, 'stack')} of {facts.spec.channels}×{facts.spec.height}×{facts.spec.width}"
        if facts.spec.batch
        else ""
    )


def _stored_bytes(facts: StackFacts) -> int:
    """Bytes of one number in the file."""
    coded = facts.container.coded
    return CODED_BYTES[coded] if coded else facts.spec.item_bytes


def _orders(container: "Container", item_bytes: int) -> list[str]:
    order = _byte_order(container, item_bytes)
    return [f"{order}-endian"] * bool(order) + ["Fortran order"] * container.fortran_order


def _byte_order(container: "Container", item_bytes: int) -> str | None:
    """Return the order of bytes; None for single bytes."""
    if item_bytes == 1:
        return None
    return "big" if container.big_endian else "little"


def _stored(facts: StackFacts) -> str:
    stored = facts.container.stored_bytes
    if stored in (None, facts.spec.data_bytes):
        return ""
    return f", stored in {_exact(stored)}"


def _needs(needs: Needs, channels: int) -> str:
    plan = needs.plan
    if plan is None:
        return f"{needs.arithmetic}; {needs.refusal}"
    memory = f"{format_bytes(plan.total_bytes)} of memory{_copied(plan)}"
    to = f"to {count(channels, 'channel')}"
    return f"{needs.arithmetic}, {memory}, {count(plan.threads, 'thread')} ({to})"


def _copied(plan: "Plan") -> str:
    """Say where a copy of the input is, for an input that can be read only once."""
    if not plan.spool_input_bytes:
        return ""
    return ", a copy in it" if plan.input_in_memory else ", a copy in $TMPDIR"


# ------------------------------------------------------------------------ weights and moments


@title.register
def _(facts: WeightsFacts) -> str:
    return f"{facts.method} model" if facts.method else "weights"


@lines.register
def _(facts: WeightsFacts) -> list[tuple[str, str]]:
    found = [("maps", f"{facts.in_channels} → {count(facts.out_channels, 'channel')}")]
    found.append(("bias", "yes" if facts.has_bias else "none"))
    if facts.explained:
        each = ", ".join(f"{share:.2%}" for share in facts.explained[:_MOST_LISTED])
        found.append(("explains", f"{sum(facts.explained):.2%} of the variance: {each}"))
    found.append(("channels", _listed(facts.in_channels, facts.channel_names)))
    if facts.inputs:
        found.append(("from", _from(facts.inputs, facts.pixels)))
    return [*found, ("on disk", _exact(facts.file_bytes))]


@row.register
def _(facts: WeightsFacts) -> list[str]:
    shape = _times((facts.out_channels, facts.in_channels))
    return [facts.path, title(facts), shape, "KC", "-", format_bytes(facts.file_bytes), "-"]


@document.register
def _(facts: WeightsFacts) -> dict[str, Any]:
    return {
        "path": facts.path,
        "kind": "weights",
        "method": facts.method or None,
        "shape": [facts.out_channels, facts.in_channels],
        "axes": "KC",
        "channels": facts.in_channels,
        "out_channels": facts.out_channels,
        "bias": facts.has_bias,
        "explained_variance_ratio": list(facts.explained),
        "channel_names": list(facts.channel_names),
        "inputs": list(facts.inputs),
        "pixels": facts.pixels,
        "file_bytes": facts.file_bytes,
    }


@title.register
def _(facts: MomentsFacts) -> str:
    return "moments"


@lines.register
def _(facts: MomentsFacts) -> list[tuple[str, str]]:
    left_out = f", {facts.invalid_pixels} left out" if facts.invalid_pixels else ""
    return [
        ("channels", _listed(facts.channels, facts.channel_names)),
        ("pixels", f"{facts.pixels}{left_out}"),
        ("holds", ", ".join(facts.kinds)),
        *([("classes", _classes(facts.classes))] if facts.classes else []),
        *([("from", _from(facts.inputs, None))] if facts.inputs else []),
        ("on disk", _exact(facts.file_bytes)),
    ]


@row.register
def _(facts: MomentsFacts) -> list[str]:
    shape = count(facts.channels, "channel")
    return [facts.path, "moments", shape, "-", "-", format_bytes(facts.file_bytes), "-"]


@document.register
def _(facts: MomentsFacts) -> dict[str, Any]:
    return {
        "path": facts.path,
        "kind": "moments",
        "channels": facts.channels,
        "pixels": facts.pixels,
        "invalid_pixels": facts.invalid_pixels,
        "holds": list(facts.kinds),
        "classes": [{"label": each, "pixels": of} for each, of in facts.classes.items()],
        "channel_names": list(facts.channel_names),
        "inputs": list(facts.inputs),
        "file_bytes": facts.file_bytes,
    }


# ------------------------------------------------------------- several datasets, unfinished outputs


@title.register
def _(facts: DatasetsFacts) -> str:
    several = {"npz": "NumPy archive", "zarr": "Zarr group", "mat": "MATLAB file"}
    what = {**several, "netcdf3": "netCDF-3 file"}.get(facts.format, "HDF5 file")
    return f"{what} of {count(len(facts.datasets), 'dataset' if what == 'HDF5 file' else 'array')}"


@lines.register
def _(facts: DatasetsFacts) -> list[tuple[str, str]]:
    shown = facts.datasets[:_MOST_LISTED]
    found = [
        (f"{facts.path}:{each.name}", f"{_times(each.shape)} {each.dtype or 'of another type'}")
        for each in shown
    ]
    left = len(facts.datasets) - len(shown)
    return [*found, *([("", f"and {left} more")] if left else [])]


@row.register
def _(facts: DatasetsFacts) -> list[str]:
    return [facts.path, title(facts), "-", "-", "-", format_bytes(facts.file_bytes), "-"]


@document.register
def _(facts: DatasetsFacts) -> dict[str, Any]:
    return {
        "path": facts.path,
        "kind": "datasets",
        "datasets": [
            {"name": each.name, "shape": list(each.shape), "dtype": each.dtype or None}
            for each in facts.datasets
        ],
        "file_bytes": facts.file_bytes,
    }


@title.register
def _(facts: UnfinishedFacts) -> str:
    return "an output that is not complete"


@lines.register
def _(facts: UnfinishedFacts) -> list[tuple[str, str]]:
    found = [("part", facts.part)]
    if facts.shape:
        found.append(("will be", f"{_times(facts.shape)} {facts.dtype}"))
    found.append(("done", f"{facts.tiles_done / facts.tiles:.1%}" if facts.tiles else "partly"))
    if facts.shards:
        found.append(("shards", f"{len(facts.shards_done)} of {facts.shards} done"))
    return [*found, ("to resume", facts.advice)]


@row.register
def _(facts: UnfinishedFacts) -> list[str]:
    done = f"{facts.tiles_done / facts.tiles:.1%}" if facts.tiles else "partly"
    size = format_bytes(facts.part_bytes)
    return [facts.part, f"{done} done", _times(facts.shape), "-", facts.dtype, size, "-"]


@document.register
def _(facts: UnfinishedFacts) -> dict[str, Any]:
    return {
        "path": facts.path,
        "kind": "unfinished",
        "part": facts.part,
        "shape": list(facts.shape),
        "dtype": facts.dtype,
        "tiles": facts.tiles,
        "tiles_done": facts.tiles_done,
        "shards": facts.shards,
        "shards_done": list(facts.shards_done),
        "shards_missing": list(facts.shards_missing),
        "part_bytes": facts.part_bytes,
        "advice": facts.advice,
    }


def _times(sizes: "Sequence[Any]") -> str:
    return "×".join(map(str, sizes))


def _exact(size: int | None) -> str:
    assert size is not None
    return format_bytes(size) + (f" ({size} bytes)" if size >= 1024 else "")


def _listed(channels: int, names: "Sequence[str]") -> str:
    more = ", ..." if len(names) > _MOST_LISTED else ""
    return f"{channels}" + (f": {', '.join(names[:_MOST_LISTED])}{more}" if names else "")


def _classes(pixels: "Mapping[int, int]") -> str:
    each = [f"{label} ({count(of, 'pixel')})" for label, of in pixels.items()]
    return _listed(len(pixels), each)


def _from(inputs: "Sequence[str]", pixels: int | None) -> str:
    shown = ", ".join(inputs[:_MOST_LISTED]) + (", ..." if len(inputs) > _MOST_LISTED else "")
    return shown + (f"; {count(pixels, 'pixel')}" if pixels is not None else "")
