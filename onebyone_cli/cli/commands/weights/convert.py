"""``onebyone weights convert``: the same weights in another format."""

from typing import Annotated

import typer

from onebyone_cli.cli import values
from onebyone_cli.cli.commands.weights import saving
from onebyone_cli.cli.options import inputs
from onebyone_cli.cli.terminal.console import Console
from onebyone_cli.weights.formats import describe

EXAMPLES = """\b
Examples:
  onebyone weights convert model.npz model.json
  onebyone weights convert model.npz kernel.csv --bias-to bias.csv
  onebyone weights convert kernel.csv layer.npz --bias bias.csv
"""

In = Annotated[str, typer.Argument(metavar="IN", help="A weights file.", show_default=False)]
Out = Annotated[
    str,
    typer.Argument(
        metavar="OUT",
        help=f"Where they go; the suffix picks the format: {describe()}.",
        show_default=False,
    ),
]
Bias = Annotated[
    str,
    typer.Option(
        "--bias",
        metavar="FILE|NUMBERS",
        help="The bias to go with them, in place of their own.",
        show_default=False,
    ),
]


def convert(
    source: In,
    output: Out,
    bias: Bias = "",
    bias_to: saving.BiasTo = "",
    force: inputs.Force = False,
    json: inputs.Json = False,
    quiet: inputs.Quiet = False,
    debug: inputs.Debug = False,
) -> None:
    """Write weights in another format.

    .npz and .json hold the weight, the bias and what else is known, such as eigenvalues and names
    of channels; .npy and text hold the weight alone. Numbers are float64, in text with all their
    digits. What the format has no place for is told; a bias is never left out.
    """
    from onebyone_cli.weights import load_weights
    from onebyone_cli.weights.load import unread_members
    from onebyone_cli.weights.typed import parse_bias

    console = Console(quiet=quiet, json=json)
    values.check_names([source], [output])
    saving.check_output(output, bias_to, force=force, inputs=values.files_of([source, bias]))
    weights = load_weights(source)
    if bias:
        weights = weights.with_bias(parse_bias(bias, "--bias"), "--bias")
    lost = sorted(
        [*unread_members(source, weights), *saving.save(weights, output, bias_to, force=force)]
    )
    if lost:
        console.say(f"left out: {', '.join(lost)}")
    console.say(f"{output}: {weights.out_channels}×{weights.in_channels}")
    console.document(
        {
            "output": output,
            "bias_output": bias_to or None,
            "shape": list(weights.weight.shape),
            "left_out": lost,
        }
    )
