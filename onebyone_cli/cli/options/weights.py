"""Options of ``apply`` for weights, and weights files of other commands."""

from typing import TYPE_CHECKING

from onebyone_cli.cli.groups import Group, argument, option
from onebyone_cli.cli.options.output import FORCE
from onebyone_cli.errors import UsageError
from onebyone_cli.weights.formats import describe, describe_read

if TYPE_CHECKING:
    from onebyone_cli.operations.apply.run import WeightsRequest
    from onebyone_cli.weights.batch_norm import Folding

_FORMATS = describe()


class BatchNorm(Group):
    """Options of commands that can fold a batch normalization."""

    heading = "Weights"

    fold_bn: bool = option(
        "--fold-bn",
        type=bool,
        help="Fold the batch normalization that follows a layer of a network into its weight and "
        "bias. It is found by its name, in ONNX by the graph.",
    )
    bn_name: str = option(
        "--bn-name",
        metavar="NAME",
        help="The batch normalization to fold, where it is not found; implies --fold-bn.",
    )
    bn_epsilon: float | None = option(
        "--bn-epsilon",
        type=float,
        least=0,
        metavar="E",
        help="Its epsilon where the file does not have it. Default: 1e-5, as in PyTorch; for names "
        "of Keras 1e-3.",
    )

    def folding(self) -> "Folding | None":
        """Return which batch normalization to fold; None for none."""
        if not (self.fold_bn or self.bn_name):
            if self.bn_epsilon is not None:
                raise UsageError("--bn-epsilon is for --fold-bn; give both")
            return None
        from onebyone_cli.weights.batch_norm import Folding

        return Folding(self.bn_name, self.bn_epsilon)


class ApplyWeights(BatchNorm):
    """The layers of ``apply``."""

    heading = "Weights"

    weights: list[str] = option(
        "-w",
        "--weights",
        multiple=True,
        names="maybe",
        metavar="FILE",
        daily=True,
        help=f"Weights, one row for each output channel: {describe_read()}; - is standard input. "
        "Repeat it to chain layers.",
    )
    kernel: list[str] = option(
        "--kernel",
        multiple=True,
        metavar="TEXT",
        daily=True,
        help='Weights as text in place of a file: "0.1 0.2 0.4; 1 0 0", rows separated by ;. Or '
        'sums of named channels: "B08 - B04; 0.3*B03 + 0.7*B02 - 100"; a name with other signs '
        "stands in quotes.",
    )
    bias: list[str] = option(
        "--bias",
        multiple=True,
        names="maybe",
        metavar="FILE|TEXT",
        help="A number to add to each output channel; once for each layer.",
    )
    activation: list[str] = option(
        "--activation",
        multiple=True,
        metavar="none|relu|sigmoid|softmax",
        complete=lambda: ("none", "relu", "sigmoid", "softmax"),
        help="The function after a layer. Given once for a chain: relu and sigmoid follow every "
        "layer, softmax the last; or give it once for each.",
    )
    inverse: bool = option(
        "--inverse",
        type=bool,
        help="Apply the inverse of learned weights: reconstruct the channels from components.",
    )
    denoise: bool = option(
        "--denoise",
        type=bool,
        help="Project onto the components of learned weights and reconstruct the channels.",
    )
    allow_nonfinite: bool = option(
        "--allow-nonfinite", type=bool, help="Accept weights that are NaN or infinite."
    )

    def request(self) -> "WeightsRequest":
        """Return the layers to apply."""
        from onebyone_cli.operations.apply.run import WeightsRequest

        return WeightsRequest(
            self.weights,
            self.kernel,
            self.bias,
            self.activation,
            self.inverse,
            self.denoise,
            self.allow_nonfinite,
            self.folding(),
        )


class CostWeights(Group):
    """The weights file of ``cost``."""

    heading = "Weights"

    weights: str = option(
        "-w", "--weights", metavar="FILE", daily=True, help="A weights file that gives C and K."
    )


class ShownWeights(BatchNorm):
    """The weights file of ``weights show``."""

    file: str = argument("FILE", help="A weights file, or a layer of a network: FILE:NAME.")


class Layers(Group):
    """The weights files of ``weights compose``."""

    heading = "Weights"

    layers: list[str] = argument(
        "LAYER...", multiple=True, help="Weights files, in the order in which they are applied."
    )


class Converted(BatchNorm):
    """The weights files of ``weights convert``, and a bias."""

    source: str = argument("IN", help="A weights file, or a layer of a network: FILE:NAME.")
    output: str = argument(
        "OUT", help=f"The new weights file; the suffix selects the format: {_FORMATS}."
    )
    bias: str = option(
        "--bias",
        metavar="FILE|NUMBERS",
        daily=True,
        help="A bias that replaces that of the file.",
    )


def _kinds() -> tuple[str, ...]:
    from onebyone_cli.weights.presets import MADE, PUBLISHED

    return (*MADE, *PUBLISHED)


class NewWeights(Group):
    """Options of ``weights new``."""

    heading = "Weights"

    kind: str = argument(
        "[KIND]",
        default="",
        complete=_kinds,
        help="The kind of weights: identity, mean, select, difference, standardize, or one of "
        "those that --list names.",
    )
    listed: bool = option(
        "--list", type=bool, daily=True, help="List all kinds; with --json their sources, too."
    )
    in_channels: int | None = option(
        "-c", type=int, least=1, metavar="C", daily=True, help="Number of channels of the stack."
    )
    channels: str = option(
        "--channels",
        metavar="SPEC",
        daily=True,
        help="Channels to use, counting from 0, as in 3,1,2 or 10:51. For published weights: the "
        "channels of the stack that are the sensor's, in its order.",
    )
    stats: str = option(
        "--stats",
        metavar="PART.npz",
        help="For standardize: moments that stats -o has saved.",
    )
    all_rows: bool = option(
        "--all", type=bool, help="All output channels of published weights, not only the usual."
    )

    def chosen(self) -> list[int]:
        """Return the selected channels; empty if not given."""
        from onebyone_cli.stack.selection import parse_selection

        if not self.channels:
            return []
        return parse_selection(self.channels).listed()


_BIAS_TO = option(
    "--bias-to",
    metavar="FILE",
    help="The file for the bias, if the format of the weights has no place for it; apply takes "
    "it with --bias.",
)


_RASTER = option(
    "--source",
    metavar="RASTER",
    help="For .vrt: the raster whose bands are the channels. GDAL 3.9 and later compute the "
    "convolution when they read the .vrt.",
)


class WeightsOutput(Group):
    """Outputs of commands that make weights."""

    heading = "Output"

    output: str = option(
        "-o",
        "--output",
        metavar="OUTPUT",
        daily=True,
        help=f"The weights file to write; the suffix selects the format: {_FORMATS}.",
    )
    bias_to: str = _BIAS_TO
    raster: str = _RASTER
    force: bool = FORCE


class ConvertedOutput(Group):
    """The output options of ``weights convert``, whose output is an argument."""

    heading = "Output"

    bias_to: str = _BIAS_TO
    raster: str = _RASTER
    force: bool = FORCE
