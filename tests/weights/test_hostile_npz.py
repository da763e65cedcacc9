"""Archives that are damaged, or made to do harm."""

import struct
import warnings
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from onebyone_cli.errors import DataError, OneByOneError, PolicyError
from onebyone_cli.weights.formats import npy as npy_format
from onebyone_cli.weights.load import load_weights
from onebyone_cli.weights.typed import parse_bias


def npy(array: object) -> bytes:
    raw = BytesIO()
    np.save(raw, np.asarray(array))
    return raw.getvalue()


GOOD = npy([[1.0, 2.0]])


def archive(path: Path, members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> str:
    with zipfile.ZipFile(path, "w", method) as out, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of duplicates
        for name, raw in members:
            out.writestr(name, raw)
    return str(path)


def refused(path: str, what: str, kind: type[OneByOneError] = DataError) -> None:
    with pytest.raises(kind) as caught:
        load_weights(path)
    assert what in caught.value.message
    assert caught.value.path == path
    assert "\n" not in str(caught.value)


def patch_directory(path: str, offset: int, format_: str, value: int) -> None:
    """Change a field of the first entry of the zip directory."""
    raw = bytearray(Path(path).read_bytes())
    struct.pack_into(format_, raw, raw.index(b"PK\x01\x02") + offset, value)
    Path(path).write_bytes(raw)


def test_good(tmp_path):
    path = archive(tmp_path / "w.npz", [("weight.npy", GOOD)])
    assert load_weights(path).weight.tolist() == [[1.0, 2.0]]


def test_bomb_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr(npy_format, "MAX_ARRAY_BYTES", 8 * 1000)
    just = archive(tmp_path / "just.npz", [("weight", npy(np.ones((1, 1000))))])
    assert load_weights(just).in_channels == 1000
    # Bytes would fit, their float64 would not.
    for dtype in (np.uint8, np.float64):
        bomb = npy(np.zeros((1, 1001), dtype))
        path = archive(tmp_path / "w.npz", [("weight", bomb)], zipfile.ZIP_DEFLATED)
        refused(path, "member 'weight': claims 1001 numbers; a weights file may hold up to 1000")


def test_bomb_that_says_little(tmp_path):
    # A header of 1×2 numbers, then 50 MB of zeros that deflate to nothing.
    path = archive(tmp_path / "w.npz", [("weight", GOOD + bytes(5 * 10**7))], zipfile.ZIP_DEFLATED)
    refused(path, "bytes follow the array")
    patch_directory(path, 24, "<I", len(GOOD))
    refused(path, "Bad CRC-32")


def test_bomb_beside_the_weight_is_left_alone(tmp_path):
    members = [("weight", GOOD), ("meta", bytes(5 * 10**7)), ("covariance", bytes(5 * 10**7))]
    path = archive(tmp_path / "w.npz", members, zipfile.ZIP_DEFLATED)
    assert dict(load_weights(path).meta) == {}


def test_many_members_for_show_share_one_allowance(tmp_path):
    part = npy(np.zeros(100_000, np.uint8))
    members = [("weight", GOOD), *((f"m{index}", part) for index in range(50))]
    path = archive(tmp_path / "w.npz", members, zipfile.ZIP_DEFLATED)
    assert len(load_weights(path).meta) == 10


def test_member_that_claims_more_than_it_has(tmp_path):
    claim = BytesIO()
    np.lib.format.write_array_header_1_0(
        claim, {"descr": "<f8", "fortran_order": False, "shape": (1000, 1000)}
    )
    path = archive(tmp_path / "w.npz", [("weight", claim.getvalue())])
    refused(path, "was it cut short?")
    patch_directory(path, 24, "<I", len(claim.getvalue()) + 8 * 10**6)
    refused(path, "ends after 0 of 8000000 bytes")


def test_objects(tmp_path):
    np.savez(tmp_path / "w.npz", weight=np.array([[None]]))
    refused(str(tmp_path / "w.npz"), "member 'weight': holds Python objects", PolicyError)
    np.savez(tmp_path / "w.npz", weight=[[1.0]], bias=np.array([None]))
    refused(str(tmp_path / "w.npz"), "member 'bias': holds Python objects", PolicyError)


@pytest.mark.parametrize("name", ["../weight.npy", "/etc/passwd", "a/../../b", "..", "a\\..\\b"])
def test_names_that_point_outside(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = archive(Path("w.npz"), [("weight", GOOD), (name, GOOD)])
    refused(path, "points outside the archive")
    assert [entry.name for entry in tmp_path.iterdir()] == ["w.npz"]


@pytest.mark.parametrize("names", [("weight", "weight"), ("weight", "weight.npy"), ("a", "a")])
def test_duplicates(tmp_path, names):
    path = archive(tmp_path / "w.npz", [(name, GOOD) for name in names])
    refused(path, "twice")


def test_encrypted(tmp_path):
    path = archive(tmp_path / "w.npz", [("weight", GOOD)])
    patch_directory(path, 8, "<H", 1)
    refused(path, "the member 'weight' is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions(tmp_path, method):
    path = archive(tmp_path / "w.npz", [("weight", GOOD)], method)
    refused(path, "compression")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_bad_checksum(tmp_path, method):
    path = archive(tmp_path / "w.npz", [("weight", GOOD)], method)
    patch_directory(path, 16, "<I", 12345)
    refused(path, "Bad CRC-32")


def test_flipped_number(tmp_path):
    path = archive(tmp_path / "w.npz", [("weight", GOOD)])
    raw = bytearray(Path(path).read_bytes())
    raw[raw.index(GOOD) + len(GOOD) - 3] ^= 1
    Path(path).write_bytes(raw)
    refused(path, "Bad CRC-32")


def test_truncated_anywhere(tmp_path):
    path = archive(tmp_path / "w.npz", [("weight", GOOD), ("bias", npy([1.0]))])
    raw = Path(path).read_bytes()
    for length in range(0, len(raw), 7):
        Path(path).write_bytes(raw[:length])
        refused(path, "not a whole .npz archive")


def test_not_an_array(tmp_path):
    refused(
        archive(tmp_path / "w.npz", [("weight.npy", b"hello")]), "member 'weight': is not a .npy"
    )


def test_missing_member(tmp_path):
    np.savez(tmp_path / "w.npz", covariance=np.ones((2, 2)))
    refused(str(tmp_path / "w.npz"), "has no member 'weight' but 'covariance'; expected a matrix")
    np.savez(tmp_path / "w.npz", weight=np.ones((2, 2)))
    with pytest.raises(DataError, match="has no member 'bias' but 'weight'"):
        parse_bias(str(tmp_path / "w.npz"))


def test_empty_archive(tmp_path):
    refused(archive(tmp_path / "w.npz", []), "has no member 'weight' but nothing at all")


def test_names_in_messages_are_escaped(tmp_path):
    path = archive(tmp_path / "w.npz", [("\x1b[31m\n", GOOD)])
    refused(path, r"'\x1b[31m\n'")
