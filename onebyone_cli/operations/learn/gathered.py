"""Join the statistics of stacks with a record of the inputs they come from."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from onebyone_cli.commit.publication import NEW, Publication
from onebyone_cli.errors import DataError, ShapeMismatchError, UsageError, setting, spelled
from onebyone_cli.operations.channel_labels import ChannelLabels, labels_of
from onebyone_cli.operations.learn.same_channels import check_order
from onebyone_cli.units import count
from onebyone_cli.version import __version__

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.learners.model import Model
    from onebyone_cli.learners.statistics import Statistics
    from onebyone_cli.stack.identity import Identity

    Stack = Sequence[Reader | StreamReader]
    #: Prints a line for the user.
    Say = Callable[[str], None]

#: What the record of an input says about which numbers count, and which of it the user decides.
_COUNTING = ("nodata", "valid_range", "stored", "invalid", "mask", "scale", "offset")
_OF_USER = ("stored", "invalid")

_ZIP_MAGIC = b"PK\x03\x04"


class Gathered:
    """Statistics of pixels, and the inputs that the pixels come from.

    Attributes
    ----------
    source : str
        The inputs, for messages.
    inputs : list
        Name and shape of each stack, for the provenance.
    identity : Identity
        Names and wavelengths of the channels.
    labels : ChannelLabels
        How to name channels before people.
    files : tuple of str
        All files that were read.
    pixel_bytes : int
        Bytes of all their pixels.
    """

    def __init__(
        self,
        statistics: "Statistics",
        source: str,
        identity: "Identity",
        files: tuple[str, ...] = (),
    ) -> None:
        self.statistics, self.source, self.identity = statistics, source, identity
        self.inputs: list[dict[str, Any]] = []
        self.files, self.pixel_bytes = files, 0
        self.labels = ChannelLabels(tuple(range(statistics.channels)), identity.texts)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the channels, or nothing."""
        return self.identity.names

    def note(self, inputs: "Stack", more: "Mapping[str, Any] | None" = None) -> None:
        """Record a stack, and more of how it is read; equal stacks of one stream are counted."""
        from onebyone_cli.stack.stack import stacked_spec

        files = tuple(name for reader in inputs for name in reader.about.files)
        if self.files[-len(files) :] != files:
            self.files += files
        self.pixel_bytes += sum(reader.spec.data_bytes for reader in inputs)
        shape = stacked_spec(inputs, inputs[0].spec.dtype).shape
        entry = {"name": name_of(inputs), "shape": list(shape), **(more or {})}
        if not inputs[0].about.series:
            self.inputs.append(entry)
        elif self.inputs and self.inputs[-1] | entry == self.inputs[-1]:
            self.inputs[-1]["arrays"] += 1
        else:
            self.inputs.append(entry | {"arrays": 1})

    def check_values(self) -> None:
        """Raise `DataError` if a channel without any valid number leaves no valid pixel."""
        found = self.statistics
        empty = found.without_value
        if empty and not found.count and len(empty) < found.channels:
            raise DataError(f"has no valid pixel: {self.labels.without_value(empty)}", self.source)

    def record(self) -> dict[str, Any]:
        """Return the provenance, for ``meta``."""
        return {"inputs": self.inputs, "version": __version__}

    def known_channels(self) -> dict[str, Any]:
        """Return the names and wavelengths of the channels, for ``meta``."""
        names, waves = map(list, self.identity)
        told: dict[str, Any] = {"channels": names} if names else {}
        return told | ({"wavelengths": waves, "wavelength_unit": "nm"} if waves else {})


def name_of(inputs: "Stack") -> str:
    """Return the name of a stack, or of the stream that it came through."""
    return " ".join(reader.about.series or reader.path for reader in inputs)


def headers_of(
    stacks: "Sequence[Stack]", more: "Sequence[Mapping[str, Any]] | None" = None
) -> Gathered:
    """Record stacks by their headers: channels, sizes, names; no statistics yet.

    `more` is what else to record of each stack.
    """
    from onebyone_cli.learners.statistics import empty_statistics
    from onebyone_cli.stack.identity import identity_of

    channels = sum(reader.spec.channels for reader in stacks[0])
    names = dict.fromkeys(name_of(inputs) for inputs in stacks)
    gathered = Gathered(empty_statistics(channels), " ".join(names), identity_of(stacks[0]))
    gathered.labels = labels_of(stacks[0])
    for inputs, record in zip(stacks, more or [{}] * len(stacks), strict=True):
        gathered.note(inputs, record)
    return gathered


def are_moments(inputs: Sequence[str], *, raw: bool = False) -> bool:
    """Whether the inputs are saved moments, by their content, unless they are raw.

    Raises
    ------
    UsageError
        If only some of them are.
    """
    from onebyone_cli import formats
    from onebyone_cli.formats import opening

    archives = [text for text in inputs if not raw and _is_archive(text) and not _is_stack(text)]
    if archives and len(archives) < len(inputs):
        other = next(text for text in inputs if text not in archives)
        formats.of_input(opening.split_inner(other)[0])  # raises if it does not exist
        raise UsageError(
            f"{archives[0]} is an archive, as moments are, and {other} is a stack; "
            "take the moments of all stacks with stats -o, or name stacks only"
        )
    return bool(archives)


def _is_archive(path: str) -> bool:
    """Whether a file begins as zip archives do; files of moments are such archives."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    except (OSError, ValueError):  # opening it later raises the error
        return False


def _is_stack(archive: str) -> bool:
    from onebyone_cli.formats.npz.archive import Contents, contents_of

    return contents_of(archive) is Contents.STACKS


def join_saved(paths: Sequence[str], say: "Say") -> Gathered:
    """Join saved moments in the order given.

    Raises
    ------
    ShapeMismatchError
        If their numbers of channels differ.
    DataError
        If a file does not hold moments, or they were gathered with different options or from
        channels in another order.
    """
    from onebyone_cli.learners import moments_file
    from onebyone_cli.learners.statistics import empty_statistics
    from onebyone_cli.stack.identity import Identity

    gathered: Gathered | None = None
    alike: tuple[str, list[str]] | None = None
    for path in paths:
        if os.access(path, os.R_OK) and not _is_archive(path):
            raise DataError("is not a .npz file; expected moments, as stats -o writes them", path)
        statistics, meta = moments_file.load_moments(path)
        known = Identity(tuple(meta.get("channels", ())), tuple(meta.get("wavelengths", ())))
        if gathered is None:
            joined = empty_statistics(statistics.channels)
            gathered, first = Gathered(joined, " ".join(paths), known, tuple(paths)), path
        if statistics.channels != gathered.statistics.channels:
            raise ShapeMismatchError(
                f"has moments of {count(statistics.channels, 'channel')} and {first} of "
                f"{gathered.statistics.channels}; only those of the same channels can be joined",
                path,
            )
        check_order(known, path, gathered.identity, first, say)
        if statistics.count or statistics.invalid:  # an empty share joins any other
            alike = alike or (path, statistics.kinds)
            if statistics.kinds != alike[1]:
                raise DataError(
                    f"holds {', '.join(statistics.kinds)} and {alike[0]} holds "
                    f"{', '.join(alike[1])}; make them with the same options of stats",
                    path,
                )
        _check_alike(path, meta.get("inputs", ()), first, gathered.inputs, say)
        repeated = [each for each in meta.get("inputs", ()) if each in gathered.inputs]
        if repeated:
            say(
                f"warning: {path}: {repeated[0]['name']} was counted in already; "
                "is a part named twice?"
            )
        gathered.inputs += meta.get("inputs", ())
        gathered.statistics.merge(statistics)
        gathered.statistics.check_classes(path)
    assert gathered is not None
    return gathered


def _check_alike(
    path: str,
    inputs: "Sequence[Mapping[str, Any]]",
    first: str,
    others: "Sequence[Mapping[str, Any]]",
    say: "Say",
) -> None:
    """Compare which numbers count in the inputs of a part and of those before it.

    Raises
    ------
    DataError
        If shares of one stack were gathered in different ways.
    """
    for each in inputs:
        share = _share(each)
        other = next((one for one in others if share and _share(one) == share), None)
        if other is None:
            continue
        differs = [name for name in _COUNTING if each.get(name) != other.get(name)]
        if differs:
            raise DataError(
                f"is a share of {each['name']} that was gathered with other settings than {first} "
                f"({', '.join(differs)}); make all shares with the same options",
                path,
            )
    for each, other in zip(inputs[:1], others[:1], strict=False):
        differs = [spelled(setting(name)) for name in _OF_USER if each.get(name) != other.get(name)]
        if differs:
            say(f"warning: {path}: was gathered with another {' and '.join(differs)} than {first}")


def _share(entry: "Mapping[str, Any]") -> Any:
    """Return what the shares of one stack have in common; None for a whole stack."""
    if "shard" not in entry:
        return None
    return entry["name"], entry.get("shape"), str(entry["shard"]).partition("/")[2]


def load_statistics(content: bytes, *, with_unlabelled: bool) -> "Statistics":
    """Read statistics from the bytes of a file of moments.

    `with_unlabelled` keeps the pixels of no class where there are classes.
    """
    import tempfile

    from onebyone_cli.learners.moments_file import load_moments

    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "moments.npz")
        with open(name, "xb") as file:
            file.write(content)
        statistics, _ = load_moments(name)
    if statistics.classes is not None and not with_unlabelled:
        statistics.leave_out_unlabelled()
    return statistics


def save(model: "Model", gathered: Gathered, path: str, publication: Publication) -> bool:
    """Save a model with its provenance; return whether the file has changed."""
    from onebyone_cli.weights.save import save_model

    arrays, known = dict(model.arrays), gathered.known_channels()
    if "channels" in known:
        arrays["channels"] = known.pop("channels")
    meta = {**model.meta, **gathered.record(), **known}
    return save_model(path, arrays, meta, publication)


def model_bytes(model: "Model", gathered: Gathered) -> bytes:
    """Return the bytes of the file that `save` writes."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "model.npz")
        save(model, gathered, name, NEW)
        with open(name, "rb") as file:
            return file.read()


def save_moments(gathered: Gathered, path: str, publication: Publication) -> None:
    """Save statistics with their provenance."""
    from onebyone_cli.learners import moments_file

    meta = gathered.record() | gathered.known_channels()
    moments_file.save_moments(path, gathered.statistics, meta, publication)
