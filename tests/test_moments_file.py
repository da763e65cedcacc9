"""Moments in a file: back to the last bit, and whatever was done to the file is told."""

import io
import json
import resource
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import new_folder

from onebyone_cli.commit.publication import Publication
from onebyone_cli.errors import (
    DataError,
    InputMissingError,
    OneByOneError,
    OutputRefusedError,
    PolicyError,
)
from onebyone_cli.learners import moments_file
from onebyone_cli.learners.channel_statistics import statistics_of
from onebyone_cli.learners.differences import STEPS, difference_covariance
from onebyone_cli.learners.lda import fit_lda
from onebyone_cli.learners.maf import fit_maf
from onebyone_cli.learners.mnf import fit_mnf
from onebyone_cli.learners.moments import Moments, moments_of, no_moments
from onebyone_cli.learners.moments_file import load_moments, save_moments
from onebyone_cli.learners.pca import fit_pca
from onebyone_cli.learners.statistics import Statistics, empty_statistics
from onebyone_cli.learners.svd import fit_svd
from onebyone_cli.weights.save import save_model

MOMENTS = ("mean", "rest", "comoment")
STATISTICS = ("count", "minimum", "maximum", "mean", "rest", "squares")
META = {"inputs": [{"name": "x.npy", "shape": [3, 4, 5]}], "channels": ["red", "nir", "ä"]}


def some_moments(channels: int, rng: np.random.Generator, pixels: int = 20) -> Moments:
    """Merged of two parts, so that all their bits are in use."""
    moments = no_moments(channels)
    for drift in (0, 7):
        x = rng.standard_normal((channels, pixels)) + rng.choice([0, 1e6, -1e-9]) + drift
        moments.merge(moments_of(x, invalid=3))
    return moments


def some_statistics(
    channels: int = 3,
    seed: int | None = None,
    directions: tuple[str, ...] = ("lower", "right"),
    per_channel: bool = True,
    labels: tuple[int, ...] | None = (-3, 2**64 - 1),
) -> Statistics:
    rng = np.random.default_rng(seed)
    statistics = Statistics(some_moments(channels, rng))
    for direction in directions:
        statistics.differences[direction] = some_moments(channels, rng)
    if labels is not None:
        statistics.classes = {label: some_moments(channels, rng, 5) for label in labels}
        for moments in statistics.classes.values():
            moments.invalid = 0
        # All of them are among all pixels.
        statistics.pixels.merge(some_moments(channels, rng, 10 * len(labels)))
    if per_channel:
        x = rng.standard_normal((channels, 30))
        invalid = rng.random((channels, 30)) < 0.5
        invalid[0] = True
        statistics.per_channel = statistics_of(x, invalid)
    return statistics


def bits(statistics: Statistics) -> dict[str, Any]:
    sets = {"pixels": statistics.pixels, **statistics.differences, **(statistics.classes or {})}
    found: dict[str, Any] = {
        name: (each.count, each.invalid, *(getattr(each, field).tobytes() for field in MOMENTS))
        for name, each in sets.items()
    }
    found["labels"] = None if statistics.classes is None else sorted(statistics.classes)
    if statistics.per_channel is not None:
        found["statistics"] = [
            getattr(statistics.per_channel, field).tobytes() for field in STATISTICS
        ]
    return found


def save(path: Path, statistics: Statistics, meta: dict[str, Any] | None = None) -> str:
    save_moments(str(path), statistics, META if meta is None else meta, Publication(force=True))
    return str(path)


def load(path: Any) -> Statistics:
    return load_moments(str(path))[0]


# --- round trip ---------------------------------------------------------------------------------


@given(
    st.integers(1, 6),
    st.integers(0, 2**32),
    st.lists(st.sampled_from(sorted(STEPS)), unique=True).map(tuple),
    st.booleans(),
    st.none()
    | st.lists(st.integers(-(2**63), 2**64 - 1).filter(bool), unique=True, max_size=4).map(tuple),
)
def test_back_to_the_last_bit(
    channels: int,
    seed: int,
    directions: tuple[str, ...],
    per_channel: bool,
    labels: tuple[int, ...] | None,
):
    statistics = some_statistics(channels, seed, directions, per_channel, labels)
    with new_folder() as folder:
        path = save(folder / "part.npz", statistics, {"inputs": []})
        found = load(path)
        again = save(folder / "again.npz", found, {"inputs": []})
        assert Path(path).read_bytes() == Path(again).read_bytes()
    assert bits(found) == bits(statistics)
    assert set(found.differences) == set(directions)
    assert (found.per_channel is not None) == per_channel
    assert not found.sample


@pytest.mark.parametrize(
    "count", [0, 1, 10**15 - 1, 10**15, 2**53 + 1, 10**18 + 1, 2**62 + 3, 2**63 - 1]
)
def test_counts_are_exact(tmp_path: Path, count: int):
    statistics = some_statistics(labels=(7,))
    statistics.classes[7].count = count
    statistics.pixels.count = statistics.differences["right"].count = count
    statistics.pixels.invalid = statistics.differences["right"].invalid = count
    statistics.per_channel.count[1:] = count, count // 2
    found = load(save(tmp_path / "part.npz", statistics))
    for moments in (found.pixels, found.differences["right"]):
        assert (moments.count, moments.invalid) == (count, count)
        assert type(moments.count) is int
    assert found.classes[7].count == count
    assert found.per_channel.count.tolist() == [0, count, count // 2]


def test_nothing_counted(tmp_path: Path):
    statistics = empty_statistics(3)
    statistics.pixels.invalid = 12
    found = load(save(tmp_path / "part.npz", statistics))
    assert bits(found) == bits(statistics)


def test_what_is_remembered_comes_back(tmp_path: Path):
    path = save(tmp_path / "part.npz", some_statistics(), META | {"version": "1", "kind": "ours"})
    _, meta = load_moments(path)
    assert {name: meta[name] for name in META} == META
    assert meta["version"] == "1"
    assert meta["kind"] == "onebyone moments"


def test_the_record_of_many_parts(tmp_path: Path):
    inputs = [
        {"name": f"/data/site/2024/scene_{number:06d}.npy", "shape": [50, 600, 600]}
        for number in range(20_000)
    ]
    path = save(tmp_path / "whole.npz", some_statistics(), {"inputs": inputs})
    assert load_moments(path)[1]["inputs"] == inputs


def test_names_that_are_no_text(tmp_path: Path):
    inputs = [{"name": "a\udcff.npy", "shape": [1, 2, 3]}]
    path = save(tmp_path / "part.npz", some_statistics(), {"inputs": inputs})
    assert load_moments(path)[1]["inputs"][0]["name"] == "a?.npy"


def test_the_same_statistics_gives_the_same_bytes(tmp_path: Path):
    one = some_statistics(3, 7)
    two = some_statistics(3, 7)
    two.differences = dict(reversed(two.differences.items()))
    two.classes = dict(reversed(two.classes.items()))
    first = Path(save(tmp_path / "1.npz", one)).read_bytes()
    assert Path(save(tmp_path / "2.npz", two)).read_bytes() == first
    assert Path(save(tmp_path / "3.npz", some_statistics(3, 8))).read_bytes() != first


def test_plain_numpy_reads_it_without_pickle(tmp_path: Path):
    statistics = some_statistics()
    with np.load(save(tmp_path / "part.npz", statistics), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    meta = json.loads(str(arrays.pop("meta")))
    assert meta["sets"]["pixels"] == {"count": 80, "invalid": 12}
    assert meta["sets"]["classes"] == {"labels": ["-3", str(2**64 - 1)]}
    assert meta["sets"]["statistics"]["count"] == statistics.per_channel.count.tolist()
    for name, each in {
        "pixels": statistics.pixels,
        "differences.right": statistics.differences["right"],
        "classes.-3": statistics.classes[-3],
    }.items():
        for field in MOMENTS:
            assert np.array_equal(arrays[f"{name}.{field}"], getattr(each, field))
    for field in STATISTICS[1:]:
        assert np.array_equal(arrays[f"statistics.{field}"], getattr(statistics.per_channel, field))
    assert len(arrays) == 5 * 3 + 5


def test_an_existing_file_is_kept(tmp_path: Path):
    (tmp_path / "part.npz").write_text("mine")
    with pytest.raises(OutputRefusedError):
        save_moments(str(tmp_path / "part.npz"), some_statistics(), {}, Publication())
    assert (tmp_path / "part.npz").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


# --- other files --------------------------------------------------------------------------------


def refused(path: Any, what: str = "", kind: type[OneByOneError] = DataError) -> None:
    with pytest.raises(kind) as caught:
        load_moments(str(path))
    assert what in caught.value.message
    assert caught.value.path == str(path)
    assert "\n" not in str(caught.value)
    assert len(caught.value.message) < 300


def test_no_file(tmp_path: Path):
    refused(tmp_path / "gone.npz", "no such file", InputMissingError)
    refused(tmp_path, "can't be read", InputMissingError)


def test_files_of_something_else(tmp_path: Path):
    path = tmp_path / "other.npz"
    save_model(str(path), {"weight": np.eye(2), "bias": np.zeros(2)}, {"method": "pca"})
    refused(path, "is a model or other weights; expected moments, as stats -o writes them")
    np.savez(path, x=np.eye(2))
    refused(path, "is an archive; expected moments")
    np.savez(path)
    refused(path, "is an archive; expected moments")
    for content in (b"", b"count mean\n1 2\n", b"PK\x03\x04", b"PK\x05\x06", bytes(1000)):
        path.write_bytes(content)
        refused(path, "is not a whole .npz archive")
    np.save(tmp_path / "x.npy", np.eye(2))
    refused(tmp_path / "x.npy", "is not a whole .npz archive")


def test_pickles_are_never_loaded(tmp_path: Path):
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "part.npz"
    arrays = members_of(save(path, some_statistics()))
    for name in ("pixels.mean", "other"):
        rewrite(path, arrays | {name: np.array([Trap()])})
        refused(path, "Python objects", PolicyError)
    rewrite(path, arrays | {"meta": np.array(Trap())})
    refused(path, "is an archive")
    assert not (tmp_path / "sprung").exists()


# --- altered files ------------------------------------------------------------------------------


def members_of(path: Any) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def npy(array: Any) -> bytes:
    raw = io.BytesIO()
    np.save(raw, np.asarray(array))
    return raw.getvalue()


def rewrite(path: Path, members: dict[str, Any], method: int = zipfile.ZIP_STORED) -> Path:
    """Make an archive of arrays, or of the bytes of members, with checksums that are right."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, value in members.items():
            raw = value if isinstance(value, bytes) else npy(value)
            archive.writestr(f"{name}.npy", raw)
    return path


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, np.ndarray]:
    """Members of a good file of 3 channels."""
    return members_of(save(tmp_path / "good.npz", some_statistics()))


ALTERED = "is not what stats -o writes; was it altered? make it again"


def test_each_member_is_missed(tmp_path: Path, whole: dict[str, np.ndarray]):
    assert rewrite(tmp_path / "x.npz", whole)
    load(tmp_path / "x.npz")
    for name in whole:
        others = {other: value for other, value in whole.items() if other != name}
        rewrite(tmp_path / "x.npz", others)
        refused(tmp_path / "x.npz", "is an archive" if name == "meta" else ALTERED)


@pytest.mark.parametrize("name", ["pixels", "differences.right", "classes.-3"])
@pytest.mark.parametrize(
    ("field", "shape"),
    [
        ("mean", ()),
        ("mean", (2,)),
        ("mean", (3, 1)),
        ("rest", (4,)),
        ("rest", (0,)),
        ("comoment", (9,)),
        ("comoment", (3, 2)),
        ("comoment", (1, 1)),
    ],
)
def test_shapes_that_do_not_fit(tmp_path: Path, whole, name: str, field: str, shape: Any):
    rewrite(tmp_path / "x.npz", whole | {f"{name}.{field}": np.zeros(shape)})
    refused(tmp_path / "x.npz", ALTERED)


def test_more_axes_than_two(tmp_path: Path, whole):
    rewrite(tmp_path / "x.npz", whole | {"pixels.mean": np.zeros((3, 1, 1))})
    refused(tmp_path / "x.npz", "member 'pixels.mean': has shape (3, 1, 1)")


def test_no_channels(tmp_path: Path):
    meta = {"kind": "onebyone moments", "sets": {"pixels": {"count": 5, "invalid": 0}}}
    nothing = {f"pixels.{field}": np.zeros(0) for field in ("mean", "rest")}
    nothing["pixels.comoment"] = np.zeros((0, 0))
    rewrite(tmp_path / "x.npz", nothing | {"meta": json.dumps(meta)})
    refused(tmp_path / "x.npz", ALTERED)


def test_squares_that_are_none(tmp_path: Path, whole):
    rewrite(tmp_path / "x.npz", whole | {"statistics.squares": -whole["statistics.squares"] - 1})
    refused(tmp_path / "x.npz", ALTERED)


@pytest.mark.parametrize(
    "name", ["pixels.mean", "differences.right.rest", "classes.-3.comoment", "statistics.squares"]
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(tmp_path: Path, whole, name: str, value: float):
    changed = whole[name].copy()
    changed[-1] = value
    rewrite(tmp_path / "x.npz", whole | {name: changed})
    refused(tmp_path / "x.npz", "holds moments that are infinite or unknown")


@pytest.mark.parametrize("name", ["statistics.minimum", "statistics.maximum"])
def test_a_range_is_infinite_only_where_nothing_was_counted(tmp_path: Path, whole, name: str):
    changed = whole[name].copy()
    assert np.isinf(changed[0])
    changed[1] = np.nan
    rewrite(tmp_path / "x.npz", whole | {name: changed})
    refused(tmp_path / "x.npz", "infinite or unknown")


def test_pixels_too_large_to_be_squared(tmp_path: Path):
    statistics = empty_statistics(2)
    with np.errstate(all="ignore"):
        statistics.pixels = moments_of(np.random.default_rng().normal(size=(2, 50)) * 1e200)
    refused(save(tmp_path / "x.npz", statistics, {}), "too large to be squared")


def altered_meta(whole: dict[str, np.ndarray], change: Callable[[Any], Any]) -> dict[str, Any]:
    meta = json.loads(str(whole["meta"]))
    changed = change(meta)
    return whole | {"meta": changed if isinstance(changed, str) else json.dumps(meta)}


def at(*keys: Any, value: Any) -> Callable[[Any], Any]:
    """Set a value deep in a document."""

    def change(meta: Any) -> None:
        for key in keys[:-1]:
            meta = meta[key]
        meta[keys[-1]] = value

    return change


COUNTS = [-1, 2**63, 10**30, 10**400, 1.0, 3.5, True, False, None, "7", [7], {}]


@pytest.mark.parametrize("value", COUNTS, ids=lambda value: repr(value)[:10])
@pytest.mark.parametrize(
    "keys",
    [
        ("pixels", "count"),
        ("pixels", "invalid"),
        ("differences.right", "count"),
        ("classes.-3", "count"),
        ("classes.-3", "invalid"),
        ("statistics", "count", 1),
    ],
)
def test_counts_that_are_none(tmp_path: Path, whole, keys: Any, value: Any):
    rewrite(tmp_path / "x.npz", altered_meta(whole, at("sets", *keys, value=value)))
    refused(tmp_path / "x.npz", ALTERED)


@pytest.mark.parametrize(
    "change",
    [
        at("sets", value=None),
        at("sets", value=[]),
        at("sets", value="pixels"),
        at("sets", value={}),
        at("sets", "pixels", value=3),
        at("sets", "differences.right", value=[]),
        at("sets", "differences.left", value={"count": 1, "invalid": 0}),
        at("sets", "classes", value=[]),
        at("sets", "classes", value={}),
        at("sets", "classes", "labels", value=None),
        at("sets", "classes", "labels", value=-3),
        at("sets", "classes", "labels", value={"-3": 1}),
        at("sets", "classes", "labels", value=["-3", "-3"]),
        at("sets", "classes", "labels", value=["-3", "5"]),
        at("sets", "classes", "labels", value=[-3]),
        at("sets", "classes", "labels", value=[["-3"]]),
        at("sets", "classes.-3", value=None),
        at("sets", "classes.-3", "count", value=81),
        at("sets", "statistics", value={}),
        at("sets", "statistics", value=[1, 2, 3]),
        at("sets", "statistics", "count", value=[1, 2]),
        at("sets", "statistics", "count", value=5),
        at("inputs", value=5),
        at("inputs", value={"name": "x"}),
        at("inputs", value=["x.npy"]),
        at("inputs", value=[{"shape": [1, 2, 3]}]),
        at("inputs", value=[{"name": 5}]),
        at("channels", value="red"),
        at("channels", value=["red", "nir"]),
        at("channels", value=["red", "nir", 3]),
    ],
)
def test_records_that_do_not_fit(tmp_path: Path, whole, change: Any):
    rewrite(tmp_path / "x.npz", altered_meta(whole, change))
    refused(tmp_path / "x.npz", ALTERED)


def test_a_direction_that_there_is_not(tmp_path: Path, whole):
    extra = {f"differences.\x1b[2J.{field}": whole[f"pixels.{field}"] for field in MOMENTS}
    change = at("sets", "differences.\x1b[2J", value={"count": 1, "invalid": 0})
    rewrite(tmp_path / "x.npz", altered_meta(whole, change) | extra)
    refused(tmp_path / "x.npz", ALTERED)


LABELS = ["0", "-0", "", "+3", "03", " 3", "3\n", "٣", "3.0", "1e3", "\x1b[2J"]
LABELS += [str(-(2**63) - 1), str(2**64), "9" * 5000]


@pytest.mark.parametrize("label", LABELS, ids=lambda label: repr(label)[:10])
def test_labels_that_no_map_holds(tmp_path: Path, whole, label: str):
    """Not even where the file has such a set."""
    extra = {f"classes.{label}.{field}": whole[f"pixels.{field}"] for field in MOMENTS}
    meta = json.loads(str(whole["meta"]))
    meta["sets"]["classes"]["labels"] = [label]
    meta["sets"][f"classes.{label}"] = {"count": 1, "invalid": 0}
    rewrite(tmp_path / "x.npz", whole | extra | {"meta": json.dumps(meta)})
    refused(tmp_path / "x.npz", ALTERED)


def test_more_classes_than_any_map_has(tmp_path: Path, whole, monkeypatch: pytest.MonkeyPatch):
    rewrite(tmp_path / "x.npz", whole)
    monkeypatch.setattr(moments_file, "MOST_CLASSES", 2)
    load(tmp_path / "x.npz")
    monkeypatch.setattr(moments_file, "MOST_CLASSES", 1)
    refused(tmp_path / "x.npz", ALTERED)


@pytest.mark.parametrize(
    "meta",
    [
        "",
        "{",
        "[]",
        "null",
        "NaN",
        "[" * 100_000,
        '{"kind": "other"}',
        '{"kind": "onebyone moments", "kind": "onebyone moments"}',
    ],
)
def test_documents_that_are_none(tmp_path: Path, whole, meta: str):
    rewrite(tmp_path / "x.npz", whole | {"meta": meta})
    refused(tmp_path / "x.npz", "is an archive; expected moments")


def test_members_are_not_compressed(tmp_path: Path, whole):
    rewrite(tmp_path / "x.npz", whole, zipfile.ZIP_DEFLATED)
    refused(tmp_path / "x.npz", "is compressed; expected none to be")
    for name in ("meta", "pixels.comoment"):
        rewrite(tmp_path / "x.npz", {n: value for n, value in whole.items() if n != name})
        with zipfile.ZipFile(tmp_path / "x.npz", "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{name}.npy", npy(whole[name]))
        refused(tmp_path / "x.npz", f"the member '{name}' is compressed")


def test_a_bomb_does_not_go_off(tmp_path: Path, whole):
    # A gigabyte of zeros in a megabyte, as an array or as the record.
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    header = npy(np.zeros(1))[:128].replace(b"(1,)", b"(134217728,)")
    for name in ("pixels.comoment", "other", "meta"):
        others = {other: value for other, value in whole.items() if other != name}
        rewrite(tmp_path / "x.npz", others)
        with (
            zipfile.ZipFile(tmp_path / "x.npz", "a", zipfile.ZIP_DEFLATED) as archive,
            archive.open(f"{name}.npy", "w", force_zip64=True) as member,
        ):
            member.write(header)
            for _ in range(64):
                member.write(bytes(1 << 20))
        refused(tmp_path / "x.npz", "is compressed")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


@pytest.mark.parametrize("shape", ["(134217728,)", "(11000, 11000)", "(9223372036854775807, 2)"])
def test_arrays_that_claim_more_than_they_hold(tmp_path: Path, whole, shape: str):
    raw = npy(whole["pixels.mean"])
    claimed = raw.replace(
        b"(3,), }" + b" " * 40,
        b"(3,), }".replace(b"(3,)", shape.encode()) + b" " * (44 - len(shape)),
    )
    assert len(claimed) == len(raw)
    rewrite(tmp_path / "x.npz", whole | {"pixels.mean": claimed})
    refused(tmp_path / "x.npz", "member 'pixels.mean': ")


def test_a_long_name_of_a_member_is_not_repeated_at_length(tmp_path: Path, whole):
    rewrite(tmp_path / "x.npz", whole | {"\x1b[31m" + "n" * 60_000: b"no array"})
    refused(tmp_path / "x.npz", r"member '\x1b[31mnnn")


# --- damage at random ---------------------------------------------------------------------------


def try_to_use(path: Path) -> None:
    """Load what may be damaged, and learn from it: all is well, or it is told."""
    try:
        statistics, _ = load_moments(str(path))
    except (DataError, PolicyError) as error:
        told = error
    else:
        use(statistics)
        return
    assert told.path == str(path)
    assert "\n" not in str(told)


def use(statistics: Statistics) -> None:
    """Merge and learn: numbers come of it, or an error of our own."""
    statistics.merge(evidence_like(statistics))
    differences = statistics.differences.values()
    learners: list[Callable[[], Any]] = [
        lambda: fit_pca(statistics.pixels, k=1),
        lambda: fit_svd(statistics.pixels, k=1),
        lambda: fit_lda(statistics.classes or {}, k=1),
    ]
    if differences:
        learners += [
            lambda: fit_mnf(statistics.pixels, difference_covariance(differences) / 2, k=1),
            lambda: fit_maf(statistics.pixels, difference_covariance(differences), k=1),
        ]
    for learn in learners:
        with suppress(OneByOneError):
            learn()


def evidence_like(statistics: Statistics) -> Statistics:
    return some_statistics(statistics.channels, 1, tuple(statistics.differences), False)


GOOD = some_statistics(2, 5)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "part.npz"
    return Path(save(path, GOOD, {"inputs": [], "channels": ["a", "b"]})).read_bytes()


def test_cut_short_anywhere(tmp_path: Path, good: bytes):
    path = tmp_path / "x.npz"
    for length in [*range(0, len(good), 29), *range(len(good) - 30, len(good))]:
        path.write_bytes(good[:length])
        refused(path, "is not a whole .npz archive")


@given(st.data())
def test_flipped_bytes(good: bytes, data: st.DataObject):
    raw = bytearray(good)
    places = st.integers(0, len(raw) - 1) | st.integers(good.index(b"PK\x01\x02"), len(raw) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        raw[place] ^= data.draw(st.integers(1, 255))
    with new_folder() as folder:
        path = folder / "x.npz"
        path.write_bytes(raw)
        try_to_use(path)


@given(st.data())
def test_numbers_of_the_directory_are_not_believed(good: bytes, data: st.DataObject):
    # The places of sizes, offsets, lengths and flags in the directory and its end.
    entries = [at for at in range(len(good)) if good.startswith(b"PK\x01\x02", at)]
    start = data.draw(st.sampled_from([*entries, good.index(b"PK\x05\x06")]))
    raw = bytearray(good)
    offset = start + data.draw(st.integers(4, 20 if start not in entries else 44))
    value = data.draw(st.sampled_from([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1]))
    raw[offset : offset + 4] = struct.pack("<I", value)[: max(0, min(4, len(raw) - offset))]
    with new_folder() as folder:
        path = folder / "x.npz"
        path.write_bytes(raw)
        try_to_use(path)


def changed(raw: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for anywhere, count, put in changes:
        place = anywhere % (len(raw) + 1)
        raw = raw[:place] + put + raw[place + count :]
    return raw


CHANGES = st.lists(
    st.tuples(st.integers(0, 10**4), st.integers(0, 9), st.binary(max_size=9)),
    min_size=1,
    max_size=4,
)


@given(st.data(), CHANGES)
def test_members_altered_with_the_right_checksum(
    good: bytes, data: st.DataObject, changes: list[tuple[int, int, bytes]]
):
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        members: dict[str, Any] = {
            name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()
        }
    name = data.draw(st.sampled_from(sorted(members)))
    members[name] = changed(members[name], changes)
    with new_folder() as folder:
        try_to_use(rewrite(folder / "x.npz", members))


numbers = st.floats() | st.integers(-(2**70), 2**70)
documents = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=9,
)


@given(st.data(), documents)
@example(None, {"sets": {"pixels": {"count": 1, "invalid": 0}}})
def test_any_document_in_the_place_of_another(good: bytes, data: st.DataObject | None, value: Any):
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        members: dict[str, Any] = {
            name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()
        }
    meta = json.loads(str(np.load(io.BytesIO(members["meta"]))))
    where = meta
    while data is not None and isinstance(where, dict) and where:
        key = data.draw(st.sampled_from(sorted(where)))
        if not isinstance(where[key], dict) or data.draw(st.booleans()):
            where[key] = value
            break
        where = where[key]
    text = json.dumps(meta if data else meta | value)
    with new_folder() as folder:
        try_to_use(rewrite(folder / "x.npz", members | {"meta": text}))


@given(st.lists(st.floats(width=64), min_size=10, max_size=10), st.integers(0, 2**63 - 1))
def test_any_numbers_in_the_arrays(good: bytes, numbers: list[float], count: int):
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        members: dict[str, Any] = {
            name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()
        }
    meta = json.loads(str(np.load(io.BytesIO(members["meta"]))))
    meta["sets"]["pixels"]["count"] = count
    members["meta"] = json.dumps(meta)
    members["pixels.mean"] = np.array(numbers[:2])
    members["pixels.comoment"] = np.array(numbers[2:6]).reshape(2, 2)
    members["differences.right.comoment"] = np.array(numbers[6:]).reshape(2, 2)
    with new_folder() as folder:
        try_to_use(rewrite(folder / "x.npz", members))
