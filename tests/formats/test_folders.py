"""Folders of images: which files are channels, in which order, and under which names."""

import os
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from onebyone_cli.errors import DataError
from onebyone_cli.formats.folders.contents import list_folder
from onebyone_cli.formats.folders.naming import (
    channel_names,
    file_names,
    numbered,
    wavelengths_in,
)
from onebyone_cli.formats.folders.order import natural_order

SUFFIXES = (".png", ".tif", ".jpg")


# Order


@given(
    st.lists(
        st.text(max_size=8)
        | st.from_regex(r"[a-bA-B]{0,2}[0-9]{0,3}", fullmatch=True)
        | st.from_regex(r"[az_]?[-+]{0,2}[0-9.,]{0,4}(e[-+]?[0-9])?[-_]?[0-9]{0,2}", fullmatch=True)
    )
)
def test_natural_order_does_not_depend_on_the_order_before(names):
    ordered = natural_order(names)
    assert sorted(ordered) == sorted(names)
    assert natural_order(names[::-1]) == natural_order(ordered) == ordered


@given(st.lists(st.integers(0, 10**30), unique=True), st.sampled_from(["", "img", "B-2x"]))
def test_numbers_sort_as_numbers(numbers, stem):
    names = [f"{stem}{number}.png" for number in numbers]
    assert natural_order(names) == [f"{stem}{number}.png" for number in sorted(numbers)]


@given(
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False).map(repr), unique_by=float),
    st.sampled_from(["", "t_", "T = "]),
    st.sampled_from(["", "nm", "_x"]),
)
def test_numbers_as_python_prints_them_sort_by_value(numbers, before, behind):
    """With signs, decimals and exponents, such as -1.5, 0.25 and 1e-07."""
    names = [f"{before}{number}{behind}.png" for number in numbers]
    expected = [f"{before}{number}{behind}.png" for number in sorted(numbers, key=Decimal)]
    assert natural_order(names) == expected


@pytest.mark.parametrize(
    "names",
    [
        ["band_450nm", "band_450.25nm", "band_450.5nm", "band_451nm"],
        ["450nm", "450,25nm", "450,5nm"],
        ["t_0.1", "t_0.25", "t_0.5", "t_0.75"],
        ["a_.25", "a_.5"],
        ["-10", "-5", "0", "+3"],
        ["z-10", "z-5", "z0", "z5"],
        ["z\N{MINUS SIGN}10", "z\N{MINUS SIGN}5", "z+0"],
        ["t--10", "t--5", "t-0", "t-5"],
        ["t=-0.5", "t=-0.25", "t=0.1"],
        ["5e-4", "1e-3", "1e-2", "1e0"],
        ["lr_1e-05", "lr_0.0001", "lr_0.01"],
        # No decimals, signs or exponents, but separators.
        ["img1.1", "img1.9", "img1.10"],
        ["v1.2.9", "v1.2.10", "v1.10.0"],
        ["img-5", "img-10", "img-100"],
        ["run--1", "run--2"],
        ["2023-12-30", "2024-01-05", "2024-01-10"],
        ["plate1E3", "plate2E2"],
        ["B8", "B8A", "B09", "B12"],
        ["v1.10_0.25", "v1.10_0.5", "v1.11_0.1"],
        ["img", "img1", "IMG2", "img10", "Z1"],
    ],
)
def test_what_a_number_is_follows_from_all_names(names):
    whole = [f"{name}.png" for name in names]
    assert natural_order(whole[::-1]) == whole


# Contents


def touch(folder, *names):
    for name in names:
        (folder / name).mkdir() if name.endswith("/") else (folder / name).touch()


def test_what_other_programs_leave_is_passed_over(tmp_path):
    channels = ("0.png", "B1.TIF", "c.jpg", "map.extra.tif")
    touch(tmp_path, *channels)
    beside = (
        *("0.png.aux.xml", "b1.tif.ovr", "B1.tfw", "B1.TIF.msk", "B1.tif.msk.ovr", "0.pgw"),
        *("c.wld", "c.jgw", "map.extra.prj", "B1.xml", "c.jpg.xmp", "c.jpg.json", "0.txt"),
        "0.png~",
    )
    touch(tmp_path, *beside)
    touch(tmp_path, ".DS_Store", "._0.png", ".x/", "Thumbs.db", "desktop.ini", "__MACOSX/")
    touch(tmp_path, "@eaDir/", "metadata.txt")
    images, passed = list_folder(str(tmp_path), SUFFIXES)
    assert images == [str(tmp_path / name) for name in channels]
    assert sorted(passed) == sorted(beside)


@pytest.mark.parametrize("stranger", ["notes.txt", "1.tfw", "1.pgn", "0.x.tfw", "more.png/"])
def test_anything_else_is_refused_with_both_ways_out(tmp_path, stranger):
    touch(tmp_path, "0.png", stranger)
    with pytest.raises(DataError) as caught:
        list_folder(str(tmp_path), SUFFIXES)
    name = stranger.rstrip("/")
    assert str(caught.value).startswith(f"{tmp_path}/{name}: is ")
    assert f"move it away, or name the images as inputs ({tmp_path}/*.png)" in str(caught.value)


def test_a_zarr_store_is_told_by_its_name(tmp_path):
    touch(tmp_path, ".zarray", "0.0.0")
    with pytest.raises(DataError, match="is a Zarr store"):
        list_folder(str(tmp_path), SUFFIXES)


# Names

NAMES = st.lists(
    st.text(max_size=12) | st.sampled_from(["DAPI", "gfp", "GFP", "450nm", "0_a", "1_b", "../x"]),
    min_size=1,
    max_size=12,
)


@given(NAMES)
def test_file_names_are_safe_and_give_the_order_of_the_channels(names):
    files = file_names(names, len(names), ".png")
    assert len(files) == len(names)
    assert natural_order(files) == files
    assert len({file.casefold() for file in files}) == len(files)
    for file in files:
        assert os.path.basename(file) == file
        assert file.isprintable()
        assert not file.startswith((".", " "))
        assert not set(file) & set('\\:*?"<>|')
        assert len(os.fsencode(file)) < 256


SAFE = st.from_regex(r"[A-Za-z0-9+=µ][A-Za-z0-9_ .+=µ-]{0,8}[a-z0-9]", fullmatch=True)


@given(st.lists(SAFE, min_size=1, max_size=12, unique_by=str.casefold))
def test_names_of_channels_come_back_from_names_of_files(names):
    found = channel_names(file_names(names, len(names), ".png"))
    devices = {"con", "prn", "aux", "nul", "com", "lpt"}
    assume(not {name[:3].casefold() for name in names} & devices)
    plain = all(name.isdecimal() for name in names)
    assert found == tuple(names) or (plain and found == tuple(numbered(len(names), "")))


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["DAPI", "GFP"], ["DAPI", "GFP"]),
        (["GFP", "DAPI"], ["0_GFP", "1_DAPI"]),
        (["a/b", "c\n"], ["a_b", "c_"]),
        (["..", "a"], ["0", "1"]),
        (["DAPI", "dapi"], ["0", "1"]),
        (["é", "e\u0301"], ["0", "1"]),
        (["x" * 300, "y"], ["0", "1"]),
        (["con", "x"], ["_con", "x"]),
        (["0_a", "1_b"], ["0_0_a", "1_1_b"]),
        (["450", "1650"], ["450", "1650"]),
        (["2", "0"], ["0", "1"]),
        ([".hidden", "x"], ["hidden", "x"]),
        ([], ["0", "1"]),
        (["one"], ["0", "1"]),
    ],
)
def test_names_that_are_no_names_of_files_become_safe(names, files):
    assert file_names(names, 2, ".png") == [f"{name}.png" for name in files]


@given(st.integers(1, 3000))
def test_numbers_sort_as_text_and_as_numbers(count):
    names = numbered(count, ".png")
    assert names == sorted(names) == natural_order(names)
    assert all(one < two for one, two in pairwise(names))


def test_images_of_one_stem_keep_their_suffix_as_names():
    assert channel_names(["f/a.png", "f/a.tif"]) == ("a.png", "a.tif")


@pytest.mark.parametrize(
    ("names", "wavelengths"),
    [
        (["band_450nm", "450.25 nm", "x500,5NM_y", "7_600_nm"], (450, 450.25, 500.5, 600)),
        (["450nm", "GFP"], ()),
        (["ex488nm_em525nm"], ()),
        (["450nmol"], ()),
        (["1.2.450nm"], ()),
    ],
)
def test_wavelengths_are_found_where_each_name_has_one(names, wavelengths):
    assert wavelengths_in(names) == wavelengths
