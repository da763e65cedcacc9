"""Weights of every kind, and everything that happens to the numbers."""

from collections.abc import Iterator

from line import Line, apply

WEIGHTS = (
    "w.npy", "w4.npy", "w_int.npy", "w_fortran.npy", "many.npy", "w.npz", "w_bare.npz", "w.csv",
    "w.tsv", "w.txt", "w.json", "rows.json",
)  # fmt: skip
ACTIVATIONS = ("none", "relu", "sigmoid", "softmax")


def lines() -> Iterator[Line]:
    """Yield the lines of this topic."""
    yield from weights()
    yield from activations()
    yield from invalid()
    yield from ranges()
    yield from resources()


def weights() -> Iterator[Line]:
    for name in WEIGHTS:
        yield apply(f"weights/{name}", f"in/float32.npy -w in/{name} -o y.npy")
    for bias in ("in/b.npy", "in/b.csv", "in/b.txt", '"0.5 -1 2"'):
        name = bias.replace("in/", "").replace(" ", "_").strip('"')
        yield apply(f"weights/bias_{name}", f"in/float32.npy -w in/w.npy --bias {bias} -o y.npy")
    yield apply("weights/kernel", 'in/int16.npy --kernel "1 0 2 0 3; 0.1 -2 1e-3 4 5" -o y.npy')
    yield apply("weights/kernel_commas", 'in/float32.npy --kernel "1,0,2,0,3;" --bias 7 -o y.npy')
    yield apply("weights/npz_bias_twice", "in/float32.npy -w in/w.npz --bias in/b.csv -o y.npy")
    yield apply("weights/chain", "in/float32.npy -w in/w.npz -w in/second.npy -o y.npy")
    yield apply(
        "weights/chain_of_three",
        "in/uint8.npy -w in/w.npy -w in/second.npy -w in/two_of_two.npy -o y.npy",
    )
    yield apply(
        "weights/chain_biases",
        'in/float32.npy -w in/w.npy -w in/second.npy --bias "1 2 3" --bias "4 5" -o y.npy',
    )
    yield apply(
        "weights/chain_of_kernels",
        'in/float16.npy --kernel "1 0 0 2 1; 0 1 1 0 3" --kernel "1 -1; 2 3; 4 5"'
        ' --kernel "1 1 1" -o y.npy',
    )
    yield apply("weights/nonfinite", "in/float32.npy -w in/nonfinite.npz -o y.npy")
    yield apply(
        "weights/nonfinite_allowed",
        "in/float32.npy -w in/nonfinite.npz --allow-nonfinite -o y.npy",
    )
    yield apply("weights/missing", "in/float32.npy -w in/none.npy -o y.npy")


def activations() -> Iterator[Line]:
    for name in ACTIVATIONS:
        for dtype in ("float32", "float64", "int16", "uint8"):
            yield apply(
                f"activations/{name}_{dtype}",
                f"in/{dtype}.npy -w in/w.npy --activation {name} -o y.npy",
            )
        yield apply(
            f"activations/{name}_chain",
            f"in/float32.npy -w in/w.npy -w in/second.npy --activation {name} -o y.npy",
        )
    yield apply(
        "activations/each_layer",
        "in/float32.npy -w in/w.npz -w in/second.npy"
        " --activation relu --activation sigmoid -o y.npy",
    )
    yield apply("activations/nan", "in/nan.npy -w in/w.npy --activation softmax -o y.npy")
    for name, options in (
        ("plain", ""),
        ("uint8", "--dtype uint8"),
        ("h5", "--format hdf5"),
        ("softmax", "--activation softmax"),
    ):
        yield apply(f"argmax/{name}", f"in/float32.npy -w in/many.npy {options} --argmax -o y.npy")
    yield apply("argmax/nan", "in/nan.npy -w in/w.npy --argmax --dtype uint8 --nan-to 255 -o y.png")
    yield apply("argmax/batch", "in/HWC_batch_uint8.npy --layout HWC -w in/w.npy --argmax -o y.npy")


def invalid() -> Iterator[Line]:
    for name, options in (
        ("nan", "in/nan.npy"),
        ("nan_to", "in/nan.npy --nan-to -1"),
        ("nan_to_uint8", "in/nan.npy --nan-to 255 --dtype uint8"),
        ("nan_to_int", "in/nan.npy --dtype int16"),
        ("infinite", "in/infinite.npy"),
        ("infinite_uint8", "in/infinite.npy --nan-to 3 --dtype uint8"),
        ("infinite_float16", "in/infinite.npy --dtype float16"),
        ("nodata", "in/nodata.npy --nodata=-9999"),
        ("nodata_int16", "in/nodata_int16.npy --nodata=-9999 --dtype int16"),
        ("nodata_float", "in/nodata_int16.npy --nodata=-9999"),
        ("nodata_and_nan_to", "in/nodata.npy --nodata=-9999 --nan-to 0"),
        ("nodata_zero", "in/zeros.npy --nodata 0 --dtype uint8"),
        ("nodata_nan", "in/nan.npy --nodata nan"),
        ("nodata_h5", "in/nodata.npy --nodata=-9999 --format hdf5"),
        ("nodata_too_small", "in/nodata.npy --nodata=-9999 --dtype uint8"),
        ("nodata_no_number", "in/nodata.npy --nodata none"),
        ("nodata_relu", "in/nodata.npy --nodata=-9999 --activation relu"),
        ("nodata_argmax", "in/nodata.npy --nodata=-9999 --argmax --dtype int16"),
        ("nodata_float64", "in/nodata.npy --nodata=-9999 --compute float64"),
    ):
        yield apply(f"invalid/{name}", f"{options} -w in/w.npy -o y.npy")
    yield apply("invalid/float16_overflow", "in/int32.npy -w in/w.npy --dtype float16 -o y.npy")


def ranges() -> Iterator[Line]:
    for name, options in (
        ("auto", "--scale auto"),
        ("auto_uint16", "--scale auto --dtype uint16"),
        ("auto_int8", "--scale auto --dtype int8"),
        ("range", "--scale=-50,50"),
        ("range_int16", "--scale=-50,50 --dtype int16"),
        ("auto_float64", "--scale auto --compute float64"),
        ("of_floats", "--scale auto --dtype float32"),
        ("upside_down", "--scale 5,1"),
    ):
        yield apply(f"scale/{name}", f"in/float32.npy -w in/w.npy {options} -o y.npy")
    yield apply("scale/nan", "in/nan.npy -w in/w.npy --scale auto --nan-to 0 -o y.npy")
    yield apply("scale/batch", "in/CHW_batch_float32.npy -w in/w.npy --scale auto -o y.npy")
    yield apply("scale/h5", "in/gzip.h5 -w in/w.npy --scale auto --compression gzip -o y.h5")
    yield Line(
        "scale/pipe",
        ("cat in/float32.npy | onebyone apply - -w in/w.npy --scale auto -o - -q",),
    )
    yield apply("scale/small", "in/large.npy -w in/w.npy --scale auto --memory 3M -o y.npy")
    for kind in ("auto", "float32", "float64"):
        for dtype in ("uint32", "float16", "big_f8"):
            yield apply(
                f"compute/{kind}_{dtype}",
                f"in/{dtype}.npy -w in/w.npy --compute {kind} --activation sigmoid -o y.npy",
            )


def resources() -> Iterator[Line]:
    for memory in ("2M", "3M", "12M"):
        for threads in (1, 3):
            how = f"--memory {memory} --threads {threads}"
            yield apply(
                f"resources/{memory}_{threads}", f"in/large.npy -w in/many.npy {how} -o y.npy"
            )
            yield apply(f"resources/{memory}_{threads}_h5", f"in/lzf.h5 -w in/w.npy {how} -o y.h5")
    yield apply("resources/too_small", "in/large.npy -w in/many.npy --memory 10K -o y.npy")
    yield apply("resources/batch", "in/CHW_batch_uint8.npy -w in/w.npy --memory 1M -o y.npy")
    yield apply("resources/no_threads", "in/large.npy -w in/w.npy --threads 0 -o y.npy")
