"""``onebyone weights compose``: a chain of layers folded into one."""

from typing import Annotated

import typer

from onebyone_cli.cli import values
from onebyone_cli.cli.commands.weights import saving
from onebyone_cli.cli.options import inputs
from onebyone_cli.cli.terminal.console import Console
from onebyone_cli.units import count

EXAMPLES = """\b
Examples:
  onebyone weights compose standardize.npz model.npz -o both.npz
  onebyone apply stack.npy -w both.npz -o scores.npy
"""

Layers = Annotated[
    list[str],
    typer.Argument(
        metavar="LAYER...",
        help="Weights files, the layer that is applied first as the first.",
        show_default=False,
    ),
]


def compose(
    layers: Layers,
    output: saving.Output = "",
    bias_to: saving.BiasTo = "",
    force: inputs.Force = False,
    json: inputs.Json = False,
    quiet: inputs.Quiet = False,
    debug: inputs.Debug = False,
) -> None:
    """Fold a chain of layers into one that does the same.

    The weight is the product of the weights, and biases go through the layers that follow them;
    all in float64. It holds for layers without an activation between them.
    """
    from onebyone_cli.weights import load_weights
    from onebyone_cli.weights.algebra import compose as fold

    console = Console(quiet=quiet, json=json)
    values.check_names(layers, [])
    saving.check_output(output, bias_to, force=force, inputs=values.files_of(layers))
    weights = fold([load_weights(path) for path in layers])
    lost = saving.save(weights, output, bias_to, force=force)
    console.say(
        f"{output}: {weights.out_channels}×{weights.in_channels}, from "
        f"{count(len(layers), 'layer')}"
    )
    shape = list(weights.weight.shape)
    console.document({"output": output, "layers": list(layers), "shape": shape, "left_out": lost})
