"""Inputs of every format, type and layout."""

from collections.abc import Iterator

from inputs import BIG_ENDIAN, DTYPES, LAYOUTS
from line import Line, apply

HDF5 = (
    "contiguous", "chunked", "chunks_of_pixels", "chunks_of_rows", "gzip", "gzip_shuffle", "lzf",
    "fletcher32", "everything",
)  # fmt: skip
HDF5_TYPES = ("bool", "int8", "uint16", "int64", "float16", "float64", "big_f4", "big_i2")
FOLDERS = (
    "png", "png16", "tif", "tif8", "tif16", "jpg", "bmp", "pgm", "pgm16", "pfm", "mode1",
)  # fmt: skip


def lines() -> Iterator[Line]:
    """Yield the lines of this topic."""
    yield from npy()
    yield from layouts()
    yield from hdf5()
    yield from images()
    yield from raw()
    yield from several()


def npy() -> Iterator[Line]:
    for dtype in DTYPES:
        yield apply(f"npy_in/{dtype}", f"in/{dtype}.npy -w in/w.npy -o y.npy")
        yield apply(
            f"npy_in/{dtype}_float64", f"in/{dtype}.npy -w in/w.npy --compute float64 -o y.npy"
        )
    for dtype in BIG_ENDIAN:
        yield apply(f"npy_in/big_{dtype[1:]}", f"in/big_{dtype[1:]}.npy -w in/w.npy -o y.npy")
    for name in ("version2", "version3", "pixel", "row", "large"):
        yield apply(f"npy_in/{name}", f"in/{name}.npy -w in/w.npy -o y.npy")
    yield apply("npy_in/two_axes", 'in/map.npy --kernel "2; 3" -o y.npy')
    yield apply("npy_in/missing", "in/missing.npy -w in/w.npy -o y.npy")
    yield apply("npy_in/wrong_channels", "in/one.npy -w in/w.npy -o y.npy")


def layouts() -> Iterator[Line]:
    for layout in LAYOUTS:
        for batch in ("", "_batch", "_batch2"):
            for kind in ("float32", "uint8", "float32_fortran", "uint8_fortran"):
                name = f"{layout}{batch}_{kind}"
                yield apply(
                    f"layouts/{name}", f"in/{name}.npy --layout {layout} -w in/w.npy -o y.npy"
                )
        yield apply(
            f"layouts/{layout}_small_memory",
            f"in/{layout}_float32.npy --layout {layout} -w in/many.npy"
            " --memory 3M --threads 1 -o y.npy",
        )
        yield apply(
            f"layouts/{layout}_batch_h5",
            f"in/{layout}_batch_uint8.npy --layout {layout} -w in/w.npy -o y.h5",
        )
    yield apply("layouts/wrong", "in/HWC_float32.npy --layout CHW -w in/w.npy -o y.npy")


def hdf5() -> Iterator[Line]:
    for name in HDF5:
        yield apply(f"hdf5_in/{name}", f"in/{name}.h5 -w in/w.npy -o y.npy")
        yield apply(
            f"hdf5_in/{name}_small_memory",
            f"in/{name}.h5 -w in/w.npy --memory 3M --threads 1 -o y.npy",
        )
    for dtype in HDF5_TYPES:
        yield apply(f"hdf5_in/type_{dtype}", f"in/type_{dtype}.h5 -w in/w.npy -o y.npy")
    for dataset, options in (
        ("bands/near", ""),
        ("bands/far", "--layout HWC"),
        ("batch", ""),
        ("lines", "--layout HCW"),
    ):
        name = dataset.replace("/", "_")
        several = f"in/several.h5:/{dataset} {options}"
        yield apply(f"hdf5_in/dataset_{name}", f"{several} -w in/w.npy -o y.npy")
        yield apply(f"hdf5_in/dataset_{name}_to_h5", f"{several} -w in/w.npy -o y.h5")
    yield apply("hdf5_in/ambiguous", "in/several.h5 -w in/w.npy -o y.npy")
    yield apply("hdf5_in/same_name_out", "in/several.h5:/bands/near -w in/w.npy -o y.h5:/a/b")


def images() -> Iterator[Line]:
    for name in FOLDERS:
        yield apply(f"images_in/folder_{name}", f"in/bands_{name} -w in/w.npy -o y.npy")
    yield apply("images_in/folder_small", "in/bands_png16/ -w in/w.npy --memory 8M -o y.npy")
    for suffix in ("png", "tif", "jpg", "bmp", "ppm"):
        yield apply(f"images_in/colour_{suffix}", f"in/colour.{suffix} -w in/rgb.npy -o y.npy")
    for suffix in ("png", "jpg", "bmp", "pgm"):
        yield apply(f"images_in/grey_{suffix}", f'in/grey.{suffix} --kernel "2; -1" -o y.npy')
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield apply(f"images_in/{name}", f"in/{name}.tif --kernel 0.5 -o y.npy")


def raw() -> Iterator[Line]:
    for name, layout, shape, dtype in (
        ("chw_f4", "CHW", "5,67,131", "f4"),
        ("hwc_u1", "HWC", "67,131,5", "uint8"),
        ("hcw_i2", "HCW", "67,5,131", "i2"),
        ("chw_big_u2", "CHW", "5,67,131", "'>u2'"),
        ("hwc_big_f8", "HWC", "67,131,5", "'>f8'"),
    ):
        how = f"--raw --layout {layout} --shape {shape} --dtype-in {dtype}"
        yield apply(f"raw_in/{name}", f"in/{name}.raw {how} -w in/w.npy -o y.npy")
        yield Line(
            f"raw_in/{name}_pipe",
            (f"cat in/{name}.raw | onebyone apply - {how} -w in/w.npy -o y.npy -q",),
        )
    frames = "--raw --layout HWC --dtype-in u1 -w in/w.npy"
    yield apply("raw_in/batch", f"in/frames.raw {frames} --shape 4,30,50,5 -o y.npy")
    yield apply("raw_in/wrong_size", f"in/frames.raw {frames} --shape 30,50,5 -o y.npy")
    yield apply("raw_in/no_shape", f"in/frames.raw {frames} -o y.npy")


def several() -> Iterator[Line]:
    yield apply("several/npy_npy", "in/float32.npy in/uint8.npy -w in/both.npy -o y.npy")
    yield apply("several/npy_h5", "in/float32.npy in/gzip.h5 -w in/both.npy -o y.npy")
    yield apply("several/npy_folder", "in/int16.npy in/bands_png -w in/both.npy -o y.npy")
    yield apply("several/types", "in/uint8.npy in/type_float64.h5 -w in/both.npy -o y.npy")
    yield apply("several/big_endian", "in/big_i2.npy in/uint16.npy -w in/both.npy -o y.h5")
    yield apply(
        "several/layout",
        "in/HWC_float32.npy in/HWC_uint8_fortran.npy --layout HWC -w in/both.npy -o y.npy",
    )
    yield apply("several/other_size", "in/float32.npy in/scene0.npy -w in/both.npy -o y.npy")
    yield apply("several/names", "--inputs-from in/names.txt -w in/w.npy -o y --each")
    yield apply("several/names0", "--inputs-from in/names0.txt -w in/w.npy -o y --each")
    yield Line(
        "several/names_pipe",
        ("cat in/names.txt | onebyone apply --inputs-from - -w in/w.npy -o y/ --each -q",),
    )
    yield Line(
        "several/stdin_between",
        ("onebyone apply in/one.npy - -w in/w.npy -o y.npy -q < in/two.npy",),
    )
