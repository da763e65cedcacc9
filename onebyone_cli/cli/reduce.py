"""``onebyone reduce``: fit, then apply what was learned to the same stack."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from onebyone_cli import targets
from onebyone_cli.cli import learning, options, values
from onebyone_cli.cli.console import Console
from onebyone_cli.cli.progress import Progress
from onebyone_cli.errors import UsageError

if TYPE_CHECKING:
    from onebyone_cli.fit.model import Model

EXAMPLES = """\b
Examples:
  onebyone reduce stack.npy -k 3 -o scores.npy
  onebyone reduce cube.h5 --variance 0.99 -o scores.h5 --save model.npz
  onebyone reduce features.npy -k 3 --scale auto -o rgb.png
"""


def reduce(
    inputs: options.Inputs,
    output: options.Output,
    components: options.Components = None,
    variance: options.Variance = "",
    all_components: options.AllComponents = False,
    method: options.Method = "pca",
    standardize: options.Standardize = False,
    whiten: options.Whiten = False,
    save: options.SaveModel = "",
    force: options.Force = False,
    format_name: options.FormatName = "",
    layout: options.Layout = "CHW",
    dtype: options.DType = "",
    scale: options.Scale = "",
    compute: options.Compute = "auto",
    nodata: options.NoData = "",
    nan_to: options.NanTo = "",
    memory: options.Memory = "",
    threads: options.Threads = None,
    fsync: options.FSync = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    progress: options.ShowProgress = None,
    debug: options.Debug = False,
) -> None:
    """Learn the principal components of a stack and write it in them.

    The same as fit, then apply with what fit has learned; the input is read twice.
    """
    from onebyone_cli import formats
    from onebyone_cli.conv1x1 import make_layers
    from onebyone_cli.pipeline import ApplyJob, ApplySettings
    from onebyone_cli.pipeline.learn import LearnSettings
    from onebyone_cli.weights.save import save_model

    console = Console(quiet=quiet, verbose=verbose, json=json)
    choice = learning.choice_of(method, components, variance, all_components, standardize, whiten)
    if json and output == "-":
        raise UsageError("--json and -o - both want standard output; name a file for one")
    if "-" in inputs:
        raise UsageError("reduce reads its input twice, which standard input does not allow")
    if save and not save.endswith(".npz"):
        raise UsageError(f"a model is a .npz file, and '{save}' is not called so")
    settings = ApplySettings(
        memory=values.memory_of(memory),
        threads=values.threads_of(threads),
        compute=compute,
        dtype=values.dtype_of(dtype),
        nodata=values.number_of("--nodata", nodata) if nodata else None,
        nan_to=values.number_of("--nan-to", nan_to) if nan_to else None,
        scale=values.scale_of(scale),
    )
    if save:
        targets.check_target(save, force=force, inputs=learning.files_of(inputs))

    def prepare(stack: ExitStack, learned: "Model | None") -> ApplyJob:
        opened = formats.open_inputs(inputs, layout=layout, memory=settings.memory, stack=stack)
        channels = sum(reader.spec.channels for reader in opened)
        return ApplyJob(
            opened,
            make_layers([learned.map if learned else choice.stand_in(channels)], []),
            lambda spec: formats.make_writer(
                output, spec, inputs=opened, format_name=format_name, force=force, fsync=fsync
            ),
            settings,
        )

    with ExitStack() as stack:  # what can be refused is refused before the long reading
        prepare(stack, None)
    learn = LearnSettings(settings.memory, settings.threads, settings.nodata)
    moments = learning.take_moments([inputs], layout, learn, console, progress)
    model = choice.learn(moments, " ".join(inputs))
    with ExitStack() as stack:
        job = prepare(stack, model)
        with Progress(console, progress) as on_progress:
            report = job.run(on_progress)
    if save:
        save_model(save, model.arrays, model.meta, force=force, fsync=fsync)
    learning.tell(model, console)
    name = "standard output" if output == "-" else output
    console.say(f"{name}: {report.output.size} {report.output.dtype}")
    console.document(
        {
            "output": output,
            "shape": list(report.output.shape),
            "dtype": report.output.dtype,
            **learning.document(model, moments),
        }
    )
