"""Learning components from the small stack and from the large one."""

from __future__ import annotations

import importlib.util
import shlex
from statistics import median

from inputs import (
    CHANNELS,
    FILTERS,
    SMALL_SIDE,
    has_room,
    provide_stack,
    stack_bytes,
    stack_file,
    weights_file,
)
from measuring import Contender, measure_in_turns, memory, wall, warm_up
from tables import MEBIBYTE, print_table, print_target

from jobs.commands import ONEBYONE, Options, compare_outputs, onebyone_apply, ours, python_script


def measure_fit(options: Options) -> None:
    """Measure learning from the 72 MB stack, and learning and applying in one go."""
    folder = options.folder
    stack, model = provide_stack(folder, SMALL_SIDE), folder / "fit_onebyone.npz"
    script_model, sklearn_model = folder / "fit_script.npz", folder / "fit_sklearn.npz"
    script = Contender(
        "NumPy script, cov and eigh",
        python_script("pca_script.py", stack, script_model),
        script_model,
    )
    sklearn = Contender(
        "scikit-learn PCA",
        python_script("pca_sklearn.py", stack, sklearn_model),
        sklearn_model,
        None if importlib.util.find_spec("sklearn") else "not installed",
    )
    components = ["-k", str(FILTERS)]
    fit = ours("onebyone fit", [ONEBYONE, "fit", stack, *components, "-o", model, "-q"], model)
    apply = onebyone_apply(stack, weights_file(folder), folder / "fit_apply.npy")
    scores = folder / "fit_reduce.npy"
    reduce = ours(
        "onebyone reduce", [ONEBYONE, "reduce", stack, *components, "-o", scores, "-q"], scores
    )
    contenders = [script, sklearn, fit, apply, reduce]
    warm_up(contenders)
    compare_outputs(fit, script)
    measure_in_turns(contenders, options.runs or 15, options.keep)
    title = f"fit, {CHANNELS}×{SMALL_SIDE}×{SMALL_SIDE} float32 to {FILTERS} components"
    print_table(title, contenders, reference=script)
    if fit.missing:
        return
    print_target("wall time", fit.ratio(script, wall), 0.5, " × the script")
    if not sklearn.missing:
        print_target("wall time", fit.ratio(sklearn, wall), 0.15, " × scikit-learn")
    both = fit.middle(wall) + apply.middle(wall)
    print_target("reduce", reduce.middle(wall) / both, 1, " × fit and apply")


def measure_fit_large(options: Options) -> None:
    """Measure learning from the large stack against reading it."""
    folder, side = options.folder, options.large_side
    if not (stack_file(folder, side).exists() or has_room(folder, side)):
        return
    stack, model = provide_stack(folder, side), folder / "fit_large.npz"
    cat = Contender("cat in", ["sh", "-c", f"cat {shlex.quote(str(stack))} >/dev/null"])
    command = [ONEBYONE, "fit", stack, "-k", str(FILTERS), "-o", model, "-q"]
    fit = ours("onebyone fit", command, model)
    contenders = [cat, fit]
    warm_up(contenders)
    measure_in_turns(contenders, options.runs or 5, options.keep)
    size = f"{stack_bytes(CHANNELS, side) / 1e9:.1f} GB"
    title = f"fit-large, {CHANNELS}×{side}×{side} float32 ({size}) to {FILTERS} components"
    print_table(title, contenders, reference=cat)
    if not fit.missing:
        seconds = median(f.wall - 2 * c.wall for f, c in zip(fit.samples, cat.samples, strict=True))
        print_target("wall time beyond 2 × cat", seconds, 2, " s")
        print_target("resident memory", fit.middle(memory) / MEBIBYTE, 100, " MiB")
