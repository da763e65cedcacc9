"""Learners with their options, moments of parts, and the ways back."""

from collections.abc import Iterator

from line import Line

#: The method with its options; every one is learned by fit and by reduce.
MODELS = {
    "pca": "-k 3",
    "pca_all": "{all}",
    "pca_variance": "--variance 0.95",
    "pca_standardize": "-k 2 --standardize",
    "pca_whiten": "-k 2 --whiten",
    "pca_both": "{all} --standardize --whiten",
    "svd": "--method svd -k 2",
    "svd_all": "--method svd {all}",
    "mnf": "--method mnf -k 3",
    "mnf_snr": "--method mnf --snr 2",
    "mnf_right": "--method mnf --noise right -k 2",
    "mnf_lower": "--method mnf --noise lower -k 2",
    "mnf_both": "--method mnf --noise both {all}",
    "mnf_window": "--method mnf --noise-rows 5:50 --noise-cols 20:100 -k 2",
    "mnf_from": "--method mnf --noise-from in/dark.npy -k 2",
    "maf": "--method maf -k 3",
    "maf_right": "--method maf --noise right {all}",
    "maf_rows": "--method maf --noise-rows 0:30 -k 2",
    "lda": "--method lda --labels in/labels.npy -k 2",
    "lda_all": "--method lda --labels in/labels.npy {all}",
    "random": "--method random -k 3",
    "random_seed": "--method random -k 3 --seed 7",
    "random_sparse": "--method random -k 4 --kind sparse --seed 3",
    "unmix": "--method unmix --endmembers in/endmembers.npy",
    "mask": "-k 2 --mask in/mask.npy",
    "mask_h5": "-k 2 --mask in/several.h5:/mask",
    "mask_mnf": "--method mnf -k 2 --mask in/mask.npy",
    "sample": "-k 2 --sample 500",
    "sample_seed": "-k 2 --sample 2000 --seed 4",
    "sample_mnf": "--method mnf -k 2 --sample 900",
    "no_components": "-k 0",
    "too_many": "-k 6",
    "how_many": "",
}
INPUTS = (
    "uint8.npy", "int64.npy", "float16.npy", "float64.npy", "bool.npy", "big_f4.npy", "nan.npy",
    "infinite.npy", "constant.npy", "gzip.h5", "bands_png16", "CHW_batch_float32.npy",
    "CHW_float32_fortran.npy", "large.npy", "pixel.npy",
)  # fmt: skip


def lines() -> Iterator[Line]:
    """Yield the lines of this topic."""
    yield from fit()
    yield from reduce()
    yield from back()
    yield from moments()


def fit() -> Iterator[Line]:
    for name, options in MODELS.items():
        yield Line(f"fit/{name}", (f"onebyone fit in/float32.npy {options} -o m.npz -q",))
    for name in INPUTS:
        yield Line(f"fit/input_{name}", (f"onebyone fit in/{name} -k 2 -o m.npz -q",))
    scenes = "in/scene0.npy in/scene1.npy in/scene2.npy"
    for name, line in (
        ("ica", "in/float32.npy --method ica -k 2"),
        ("ica_seed", "in/scene0.npy --method ica -k 3 --seed 5"),
        ("each", f"{scenes} --each -k 2"),
        ("each_mnf", f"{scenes} --each --method mnf -k 2"),
        ("each_sample", f"{scenes} --each -k 2 --sample 1000"),
        ("stacked", "in/float32.npy in/uint8.npy -k 4"),
        ("layout", "in/HWC_float32.npy --layout HWC --method mnf -k 2"),
        ("layout_hcw", "in/HCW_uint8_fortran.npy --layout HCW --method maf -k 2"),
        ("nodata", "in/nodata.npy --nodata=-9999 -k 2"),
        ("nodata_mnf", "in/nodata_int16.npy --nodata=-9999 --method mnf -k 2"),
        ("constant_standardize", "in/constant.npy -k 2 --standardize"),
        ("small", "in/large.npy --method mnf -k 2 --memory 2M --threads 1"),
        ("threads", "in/large.npy --method mnf -k 2 --threads 3"),
        ("raw", "in/hwc_u1.raw --raw --layout HWC --shape 67,131,5 --dtype-in u1 -k 2"),
        ("random_of_a_header", "in/row.npy --method random -k 2"),
    ):
        yield Line(f"fit/{name}", (f"onebyone fit {line} -o m.npz -q",))
    yield Line("fit/json", ("onebyone fit in/float32.npy -k 2 -o m.npz --json",))
    yield Line("fit/plot", ("onebyone fit in/float32.npy -k 2 --plot s.png -o m.npz -q",))
    yield Line("fit/no_npz", ("onebyone fit in/float32.npy -k 2 -o m.npy -q",))
    yield Line("fit/pipe", ("cat in/uint16.npy | onebyone fit - --method mnf -k 2 -o m.npz -q",))


def reduce() -> Iterator[Line]:
    for name, options in MODELS.items():
        residual = "" if name.startswith("random") else "--residual r.npy"
        job = f"onebyone reduce in/float32.npy {options} -o y.npy --save m.npz {residual} -q"
        yield Line(f"reduce/{name}", (job,))
    for name, line in (
        ("to_h5", "in/gzip.h5 -k 2 -o y.h5 --residual r.h5"),
        ("scale", "in/bands_png -k 3 --scale auto -o y.png"),
        ("dtype", "in/uint8.npy -k 2 --dtype int16 -o y.npy --residual r.npy"),
        ("nodata", "in/nodata.npy --nodata=-9999 -k 2 -o y.npy --residual r.npy"),
        ("nan_to", "in/nan.npy -k 2 --nan-to 0 -o y.npy --residual r.npy"),
        ("layout", "in/HWC_batch_uint8.npy --layout HWC -k 2 -o y.npy --residual r.npy"),
        ("compute", "in/float32.npy --compute float64 -k 2 -o y.npy"),
        ("small", "in/large.npy --memory 3M --threads 1 -k 2 -o y.npy --residual r.npy"),
        ("ica", "in/scene0.npy --method ica -k 2 -o y.npy"),
        ("plot", "in/scene0.npy -k 2 -o y.npy --plot s.svg"),
    ):
        yield Line(f"reduce/{name}", (f"onebyone reduce {line} -q",))
    yield Line("reduce/json", ("onebyone reduce in/float32.npy -k 2 -o y.npy --json",))


def back() -> Iterator[Line]:
    for name in ("pca", "pca_both", "svd", "mnf", "maf_right", "lda_all", "unmix"):
        model = f"onebyone fit in/float32.npy {MODELS[name]} -o m.npz -q"
        inverse = (
            "onebyone apply in/float32.npy -w m.npz -o y.npy -q",
            "onebyone apply y.npy -w m.npz --inverse -o x.npy -q",
        )
        yield Line(f"inverse/{name}", (model, *inverse))
        denoise = "onebyone apply in/float32.npy -w m.npz --denoise {} -q"
        yield Line(f"denoise/{name}", (model, denoise.format("-o d.npy")))
        yield Line(
            f"denoise/{name}_uint8_h5",
            (model, denoise.format("--compute float64 --dtype uint8 -o d.h5")),
        )
    model = "onebyone fit in/nan.npy -k 2 -o m.npz -q"
    yield Line("denoise/nan", (model, "onebyone apply in/nan.npy -w m.npz --denoise -o d.npy -q"))
    yield Line("inverse/of_a_kernel", ('onebyone apply in/one.npy --kernel "1 2" --inverse -o y.npy -q',))  # fmt: skip # noqa: E501


def moments() -> Iterator[Line]:
    for name, options in (
        ("plain", ""),
        ("noise", "--noise both"),
        ("noise_window", "--noise right --noise-rows 0:30 --noise-cols 5:60"),
        ("labels", "--labels in/labels.npy"),
        ("mask", "--mask in/mask.npy"),
        ("sample", "--sample 700 --seed 3"),
        ("small", "--memory 2M --threads 1 --noise lower"),
    ):
        yield Line(f"stats/{name}", (f"onebyone stats in/float32.npy {options} -o s.npz --json",))
    for name in INPUTS:
        yield Line(f"stats/input_{name}", (f"onebyone stats in/{name} --json",))
    yield Line("stats/nodata", ("onebyone stats in/nodata.npy --nodata=-9999 -o s.npz --json",))
    yield Line("stats/layout", ("onebyone stats in/HCW_uint8.npy --layout HCW -o s.npz --json",))
    parts = [f"onebyone stats in/scene{n}.npy {{}} -o p{n}.npz -q" for n in range(3)]
    for name, options, method in (
        ("pca", "", "-k 2"),
        ("mnf", "--noise lowerright", "--method mnf -k 2"),
        ("maf", "--noise both", "--method maf -k 2"),
        ("svd", "", "--method svd -k 2"),
    ):
        made = "; ".join(parts).format(*[options] * 3)
        merged = "onebyone merge p0.npz p1.npz p2.npz -o s.npz --json"
        learned = f"onebyone fit s.npz {method} -o m.npz -q"
        direct = f"onebyone fit p0.npz p1.npz p2.npz {method} -o n.npz -q"
        yield Line(f"merge/{name}", (made, merged, learned, direct))
    made = "; ".join(parts).format(*(f"--labels in/scene{n}_labels.npy" for n in range(3)))
    merged = "onebyone merge p0.npz p1.npz p2.npz -o s.npz -q"
    yield Line("merge/lda", (made, merged, "onebyone fit s.npz --method lda -k 1 -o m.npz -q"))
    for count in (2, 3):
        made = "; ".join(
            f"onebyone stats in/large.npy --noise right --shard {n}/{count} -o p{n}.npz -q"
            for n in range(count)
        )
        yield Line(f"merge/shards_{count}", (made, "onebyone merge p?.npz -o s.npz -q"))
    one = "onebyone stats in/one.npy -o p.npz -q; onebyone stats in/scene0.npy -o q.npz -q"
    yield Line("merge/other_channels", (one, "onebyone merge p.npz q.npz -o s.npz -q"))
