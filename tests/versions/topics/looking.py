"""Pictures, comparisons, headers, weights made and translated, costs."""

from collections.abc import Iterator

from line import Line

KERNELS = (
    "grey-601", "grey-709", "ycbcr-601", "ycbcr-709", "tasselled-cap-tm", "tasselled-cap-etm",
    "tasselled-cap-oli", "tasselled-cap-msi", "tasselled-cap-msi13", "tasselled-cap-modis",
)  # fmt: skip


def lines() -> Iterator[Line]:
    """Yield the lines of this topic."""
    yield from view()
    yield from compare()
    yield from weights()
    yield from cost()
    yield from info()


def view() -> Iterator[Line]:
    for name, options in (
        ("sheet", "in/float32.npy"),
        ("sheet_uint8", "in/uint8.npy"),
        ("sheet_h5", "in/gzip.h5"),
        ("sheet_folder", "in/bands_png"),
        ("channel", "in/float32.npy --channel 2"),
        ("rgb", "in/float32.npy --rgb 4,2,0"),
        ("pca", "in/float32.npy --pca"),
        ("pca_large", "in/large.npy --pca --memory 20M"),
        ("item", "in/CHW_batch_float32.npy --item 3 --channel 1"),
        ("stretch", "in/float32.npy --channel 0 {stretch=5,95}"),
        ("stretch_all", "in/float32.npy {stretch=0,100}"),
        ("range", "in/float32.npy {range=-20,30}"),
        ("viridis", "in/float32.npy --channel 1 --colormap viridis"),
        ("magma", "in/float32.npy --colormap magma"),
        ("coolwarm", "in/float32.npy --channel 1 --colormap coolwarm"),
        ("coolwarm_range", "in/float32.npy --channel 1 --colormap coolwarm {range=-20,30}"),
        ("size", "in/large.npy --channel 0 --size 50"),
        ("size_up", "in/row.npy --size 400"),
        ("size_sheet", "in/large.npy --size 200"),
        ("nan", "in/nan.npy --channel 1"),
        ("infinite", "in/infinite.npy --rgb 1,3,4"),
        ("nodata", "in/nodata.npy --nodata=-9999"),
        ("constant", "in/constant.npy --channel 2"),
        ("layout", "in/HWC_uint8_fortran.npy --layout HWC"),
        ("bool", "in/bool.npy --channel 0"),
        ("raw", "in/hwc_u1.raw --raw --layout HWC --shape 67,131,5 --dtype-in u1"),
        ("no_channel", "in/float32.npy --channel 5"),
    ):
        yield Line(f"view/{name}", (f"onebyone view {options} -o v.png -q",))
    yield Line("view/json", ("onebyone view in/float32.npy --rgb 0,1,2 -o v.png --json",))
    yield Line("view/exists", ("touch v.png", "onebyone view in/one.npy -o v.png -q"))


def compare() -> Iterator[Line]:
    for name, line in (
        ("equal", "in/float32.npy in/contiguous.h5"),
        ("formats", "in/float32.npy in/lzf.h5"),
        ("layouts", "in/float32.npy in/HWC_float32.npy --layout-b HWC"),
        ("types", "in/float32.npy in/float16.npy"),
        ("tolerance", "in/float32.npy in/float16.npy --tolerance 0.1"),
        ("relative", "in/float64.npy in/float16.npy --relative 1e-2"),
        ("nan", "in/float32.npy in/nan.npy"),
        ("infinite", "in/nan.npy in/infinite.npy"),
        ("nodata", "in/float32.npy in/nodata.npy --nodata=-9999"),
        ("peak", "in/float32.npy in/float16.npy --peak 255"),
        ("difference", "in/float32.npy in/infinite.npy --difference d.png"),
        ("difference_batch", "in/CHW_batch_uint8.npy in/CHW_batch_float32.npy --difference d.png"),
        ("integers", "in/int64.npy in/uint64.npy"),
        ("shapes", "in/float32.npy in/one.npy"),
        ("small", "in/large.npy in/large.npy --memory 3M --threads 1"),
        ("raw", "in/hwc_u1.raw in/hwc_u1.raw --raw --layout HWC --shape 67,131,5 --dtype-in u1"),
        ("images", "in/bands_png in/bands_jpg"),
    ):
        yield Line(f"compare/{name}", (f"onebyone compare {line} --json",))
    yield Line("compare/pipe", ("cat in/float32.npy | onebyone compare - in/float64.npy --json",))
    yield Line("compare/quiet", ("onebyone compare in/float32.npy in/nan.npy -q",))


def weights() -> Iterator[Line]:
    for kind in KERNELS:
        yield Line(f"weights_new/{kind}", (f"onebyone weights new {kind} -o w.npz -q",))
    for name, options in (
        ("all", "tasselled-cap-oli --all -o w.json"),
        ("all_csv", "tasselled-cap-tm --all -o w.csv --bias-to b.csv"),
        ("of_a_larger_stack", "tasselled-cap-oli --channels 1,2,3,4,5,6 -c 11 -o w.npz"),
        ("identity", "identity -c 4 -o w.npy"),
        ("mean", "mean -c 7 -o w.txt"),
        ("select", "select --channels 3,1,2 -c 5 -o w.csv"),
        ("difference", "difference --channels 3,1 -c 5 -o w.tsv"),
        ("grey_json", "grey-601 --channels 2,1,0 -c 4 -o w.json"),
        ("bias", "ycbcr-601 -o w.csv --bias-to b.txt"),
        ("bias_without_place", "ycbcr-601 -o w.csv"),
        ("unknown", "tasselled-cap -o w.npy"),
    ):
        yield Line(f"weights_new/{name}", (f"onebyone weights new {options} -q",))
    yield Line(
        "weights_new/standardize",
        (
            "onebyone stats in/float32.npy -o s.npz -q",
            "onebyone weights new standardize --stats s.npz -o w.npz -q",
        ),
    )
    yield Line("weights_new/list", ("onebyone weights new --list --json",))
    for suffix in ("npy", "npz", "csv", "tsv", "txt", "json"):
        bias = "" if suffix in {"npz", "json"} else "--bias-to b.csv"
        for source in ("w.npz", "w.csv", "w4.npy"):
            there = bias if source == "w.npz" else ""
            yield Line(
                f"weights_convert/{source}_{suffix}",
                (f"onebyone weights convert in/{source} w.{suffix} {there} -q",),
            )
        yield Line(
            f"weights_convert/model_{suffix}",
            (
                "onebyone fit in/float32.npy -k 2 -o m.npz -q",
                f"onebyone weights convert m.npz w.{suffix} {bias} --json",
            ),
        )
        yield Line(
            f"weights_compose/{suffix}",
            (f"onebyone weights compose in/w.npz in/second.npy -o w.{suffix} {bias} -q",),
        )
    yield Line("weights_convert/bias", ("onebyone weights convert in/w.csv w.npz --bias in/b.csv -q",))  # fmt: skip # noqa: E501
    yield Line("weights_convert/no_place", ("onebyone weights convert in/w.npz w.csv -q",))
    yield Line("weights_compose/do_not_fit", ("onebyone weights compose in/w.npy in/w.npy -o w.npz",))  # fmt: skip # noqa: E501
    for name in ("w.npz", "w_int.npy", "many.npy", "rows.json"):
        yield Line(f"weights_show/{name}", (f"onebyone weights show in/{name} -o w.png --json",))


def cost() -> Iterator[Line]:
    for name, options in (
        ("sizes", "-c 50 -k 20 -s 600x600"),
        ("reduce", "-c 192 -k 32 -s 28x28 -r 16"),
        ("files", "in/float32.npy -w in/w.npy"),
        ("layout", "in/HWC_uint8.npy --layout HWC -k 3"),
        ("disagree", "in/one.npy -w in/w.npy"),
        ("unknown", "-c 3"),
    ):
        yield Line(f"cost/{name}", (f"onebyone cost {options} --json",))


def info() -> Iterator[Line]:
    stacks = (
        "in/float32.npy in/big_i2.npy in/CHW_batch2_uint8_fortran.npy in/everything.h5"
        " in/bands_png in/colour.png in/several.h5:/batch"
    )
    for name in ("get-shape", "get-dtype", "get-channels"):
        yield Line(f"info/{name}", (f"onebyone info {{{name}}} {stacks}",))
    yield Line("info/json", (f"onebyone info --json {stacks} in/w.npz in/w.csv",))
    yield Line("info/datasets", ("onebyone info --json in/several.h5",))
    yield Line("info/missing", ("onebyone info --json in/none.npy",))
