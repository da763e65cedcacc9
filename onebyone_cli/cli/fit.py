"""``onebyone fit``: take moments in one pass, learn weights, save them."""

from onebyone_cli import targets
from onebyone_cli.cli import learning, options, values
from onebyone_cli.cli.console import Console
from onebyone_cli.errors import UsageError
from onebyone_cli.units import count

EXAMPLES = """\b
Examples:
  onebyone fit stack.npy -k 3 -o model.npz
  onebyone fit cube.h5:/radiance --variance 0.99 --nodata -9999 -o model.npz
  onebyone fit scenes/*.npy --each -k 3 -o model.npz
  onebyone apply stack.npy -w model.npz -o scores.npy
"""


def fit(
    inputs: options.Inputs,
    output: options.Model,
    components: options.Components = None,
    variance: options.Variance = "",
    all_components: options.AllComponents = False,
    method: options.Method = "pca",
    standardize: options.Standardize = False,
    whiten: options.Whiten = False,
    each: options.EachStack = False,
    force: options.Force = False,
    layout: options.Layout = "CHW",
    nodata: options.NoData = "",
    memory: options.Memory = "",
    threads: options.Threads = None,
    fsync: options.FSync = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    progress: options.ShowProgress = None,
    debug: options.Debug = False,
) -> None:
    """Learn a 1×1 convolution from stacks: their principal components.

    One pass over the pixels, in float64. The model is an ordinary weights file for apply, with
    the centring folded into its bias. Pixels with NaN, an infinity or the nodata value in any
    channel are left out.
    """
    from onebyone_cli.pipeline.learn import LearnSettings
    from onebyone_cli.weights.save import save_model

    console = Console(quiet=quiet, verbose=verbose, json=json)
    choice = learning.choice_of(method, components, variance, all_components, standardize, whiten)
    if not output.endswith(".npz"):
        raise UsageError(f"a model is a .npz file, and '{output}' is not called so")
    stacks = [[text] for text in inputs] if each else [inputs]
    settings = LearnSettings(
        memory=values.memory_of(memory),
        threads=values.threads_of(threads),
        nodata=values.number_of("--nodata", nodata) if nodata else None,
    )
    targets.check_target(output, force=force, inputs=learning.files_of(inputs))
    moments = learning.take_moments(stacks, layout, settings, console, progress)
    model = choice.learn(moments, " ".join(inputs))
    save_model(output, model.arrays, model.meta, force=force, fsync=fsync)
    learning.tell(model, console)
    console.say(
        f"{output}: {model.map.in_channels} channels to {model.map.out_channels}, learned from "
        f"{count(moments.count, 'pixel')}"
        + (f"; {count(moments.invalid, 'invalid pixel')} left out" if moments.invalid else "")
    )
    console.document({"output": output, **learning.document(model, moments)})
