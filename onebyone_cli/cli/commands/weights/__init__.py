"""``onebyone weights``: look at weights, make them, translate them, fold chains of them."""

from onebyone_cli.weights.formats import describe

#: As in `cli.COMMANDS`.
COMMANDS = {"Commands": ("show", "new", "convert", "compose")}

HELP = f"""Look at weights, make them, translate them, fold chains of them.

Weights are small files: {describe()}, one row for each output channel.
"""

EXAMPLES = """
onebyone weights show model.npz
onebyone weights new --list
onebyone weights new grey-709 -o grey.npz
onebyone weights convert model.npz model.json
onebyone weights compose standardize.npz model.npz -o both.npz
"""
