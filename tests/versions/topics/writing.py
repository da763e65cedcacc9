"""Outputs of every format and type, and how they get their names."""

from collections.abc import Iterator

from inputs import DTYPES
from line import Line, apply

HDF5 = {
    "plain": "",
    "chunks": "--chunks 1x20x30",
    "chunks_of_pixels": "--chunks 3x7x8",
    "gzip": "--compression gzip",
    "gzip_level_9": "--compression gzip --level 9",
    "gzip_level_0": "--compression gzip --level 0",
    "gzip_shuffle": "--compression gzip --shuffle",
    "lzf": "--compression lzf",
    "lzf_shuffle_fletcher": "--compression lzf --shuffle --fletcher32",
    "fletcher32": "--fletcher32",
    "shuffle_without_compression": "--shuffle",
    "everything": "--compression gzip --shuffle --fletcher32 --chunks 2x64x50",
}
IMAGES = {
    "png": ("uint8", "uint16", "bool"),
    "tiff": ("uint8", "uint16", "int32", "float32", "bool"),
    "jpeg": ("uint8",),
    "bmp": ("uint8", "bool"),
    "pgm": ("uint8", "uint16"),
    "pfm": ("float32",),
}


def lines() -> Iterator[Line]:
    """Yield the lines of this topic."""
    yield from types()
    yield from hdf5()
    yield from images()
    yield from names()
    yield from make()


def types() -> Iterator[Line]:
    for dtype in DTYPES:
        yield apply(f"dtype_out/{dtype}", f"in/float32.npy -w in/w.npy --dtype {dtype} -o y.npy")
        yield apply(
            f"dtype_out/{dtype}_h5",
            f"in/float64.npy -w in/w_int.npy --dtype {dtype} --nan-to 1 -o y.h5",
        )
    for dtype in ("uint64", "int64", "int8"):
        yield apply(
            f"dtype_out/{dtype}_from_int64", f"in/int64.npy -w in/w.npy --dtype {dtype} -o y.npy"
        )
    yield apply("dtype_out/unknown", "in/float32.npy -w in/w.npy --dtype float8 -o y.npy")


def hdf5() -> Iterator[Line]:
    for name, options in HDF5.items():
        yield apply(f"hdf5_out/{name}", f"in/float32.npy -w in/w.npy {options} -o y.h5")
    for name in ("gzip", "lzf", "chunks"):
        yield apply(
            f"hdf5_out/{name}_from_h5",
            f"in/everything.h5 -w in/w.npy {HDF5[name]} --memory 4M --threads 1 -o y.h5:/a/b",
        )
    yield apply("hdf5_out/batch", "in/CHW_batch2_uint8.npy -w in/w.npy -o y.h5 --fletcher32")
    yield apply("hdf5_out/format", "in/float32.npy -w in/w.npy --format hdf5 -o y.data")
    yield apply("hdf5_out/large_gzip", "in/large.npy -w in/many.npy --compression gzip -o y.h5")


def images() -> Iterator[Line]:
    for name, dtypes in IMAGES.items():
        for dtype in dtypes:
            scale = "" if dtype in {"float32", "bool"} else "--scale auto"
            how = f"{scale} --dtype {dtype}"
            yield apply(
                f"images_out/folder_{name}_{dtype}",
                f"in/float32.npy -w in/w.npy {how} --format {name} -o y/",
            )
            yield apply(
                f"images_out/single_{name}_{dtype}",
                f'in/float32.npy --kernel "1 -1 0.5 0 2" {how} --format {name} -o y',
            )
    for suffix in ("png", "tif", "jpg", "bmp", "ppm"):
        yield apply(
            f"images_out/colour_{suffix}", f"in/float32.npy -w in/w.npy --scale auto -o y.{suffix}"
        )
    yield apply("images_out/many", "in/uint8.npy -w in/many.npy --dtype uint8 -o y/")
    yield apply("images_out/floats_into_png", "in/float32.npy -w in/w.npy -o y.png")
    yield apply("images_out/from_folder", "in/bands_jpg -w in/w.npy --dtype uint8 -o y/")


def names() -> Iterator[Line]:
    job = "onebyone apply in/float32.npy -w in/w.npy"
    yield Line("names/exists", ("echo old > y.npy", f"{job} -o y.npy -q"))
    yield Line("names/force", ("echo old > y.npy; chmod 640 y.npy", f"{job} -f -o y.npy -q"))
    yield Line("names/force_h5", ("echo old > y.h5", f"{job} -f -o y.h5 -q"))
    yield Line("names/force_folder", ("mkdir y; touch y/0.png", f"{job} --scale auto -f -o y/ -q"))
    yield Line("names/link", ("echo old > x; ln -s x y.npy", f"{job} -f -o y.npy -q"))
    yield Line("names/format", (f"{job} --format npy -o y.data -q",))
    yield Line("names/fsync", (f"{job} --fsync -o y.npy -q",))
    yield Line("names/no_suffix", (f"{job} -o y -q",))
    yield Line("names/dry_run", (f"{job} -o y.npy -q --dry-run",))
    yield Line("names/device", (f"{job} -o /dev/null -q",))
    yield Line("names/folder_missing", (f"{job} -o far/y.npy -q",))
    yield Line("names/onto_input", ("cp in/row.npy x.npy", "onebyone apply x.npy -w in/w.npy -f -o x.npy -q"))  # fmt: skip # noqa: E501


def make() -> Iterator[Line]:
    job = "onebyone apply in/float32.npy -w in/w.npy -o y.npy -q"
    same = "touch -d 2001-02-03 y.npy; {}; stat -c %y y.npy"
    yield Line("make/if_changed_equal", (job, same.format(f"{job} --if-changed")))
    yield Line("make/if_changed_other", ("echo old > y.npy", f"{job} --if-changed"))
    yield Line("make/depfile", (f"{job} --depfile y.d",))
    yield Line(
        "make/depfile_of_a_folder",
        ("onebyone apply in/bands_png -w in/w.npz --bias in/b.csv -o y.h5 --depfile y.d -q",),
    )
    yield Line("make/depfile_of_fit", ("onebyone fit in/float32.npy in/uint8.npy -k 2 -o m.npz --depfile m.d --if-changed -q",))  # fmt: skip # noqa: E501
