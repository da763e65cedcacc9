"""``onebyone weights compose``: a chain of layers folded into one."""

from onebyone_cli.cli.commands.weights import saving
from onebyone_cli.cli.options.inputs import check_names
from onebyone_cli.cli.options.messages import Messages
from onebyone_cli.cli.options.weights import Layers, WeightsOutput
from onebyone_cli.operations.names import files_of
from onebyone_cli.units import count

EXAMPLES = """
onebyone weights compose standardize.npz model.npz -o both.npz
onebyone apply stack.npy -w both.npz -o scores.npy
"""


def compose(weights: Layers, output: WeightsOutput, messages: Messages) -> None:
    """Fold a chain of layers into one that does the same.

    Layers that know names are matched by them, as in apply. The weight is the product of the
    weights, and biases go through the layers that follow them; all in float64. It holds for layers
    without an activation between them.
    """
    from onebyone_cli.operations.apply.matching import chained
    from onebyone_cli.weights.algebra import compose as fold
    from onebyone_cli.weights.load import load_weights

    console, path, layers = messages.console(), output.output, weights.layers
    check_names(layers, [])
    raster = output.raster
    saving.check_output(
        path, output.bias_to, force=output.force, inputs=files_of(layers), source=raster
    )
    maps = [load_weights(name) for name in layers]
    for each in maps:
        for note in each.notes:
            console.say(f"{each.source}: {note}")
    folded = fold(chained(maps))
    lost = saving.save(folded, path, output.bias_to, console, force=output.force, source=raster)
    console.say(
        f"{path}: {folded.out_channels}×{folded.in_channels}, from {count(len(layers), 'layer')}"
    )
    shape = list(folded.weight.shape)
    console.document({"output": path, "layers": layers, "shape": shape, "left_out": lost})
