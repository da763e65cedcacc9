"""Save the weights that commands make."""

from typing import TYPE_CHECKING

from onebyone_cli.commit import targets
from onebyone_cli.errors import UsageError

if TYPE_CHECKING:
    from onebyone_cli.cli.terminal.console import Console
    from onebyone_cli.weights.channel_map import ChannelMap


def check_output(
    output: str, bias_to: str, *, force: bool, inputs: tuple[str, ...] = (), source: str = ""
) -> None:
    """Refuse outputs that can't be written, before anything is read.

    `source` is the raster that a virtual one names.
    """
    from onebyone_cli.weights.save import check_suffix, holds_bias, is_sourced

    if not output:
        raise UsageError("no output; name one with -o")
    if bias_to and holds_bias(output):
        raise UsageError(f"--bias-to is for formats without a bias; {output} holds it")
    if bias_to == output:
        raise UsageError("--bias-to names the output itself; name another file")
    if bias_to and is_sourced(bias_to):
        raise UsageError(f"--bias-to {bias_to} is no place for numbers; name a .csv or .npy file")
    if is_sourced(output) and not source:
        raise UsageError(
            f"{output} computes the convolution of a raster; name that with --source RASTER"
        )
    if source and not is_sourced(output):
        raise UsageError(f"--source is for .vrt files; {output} names no raster")
    for path in filter(None, (output, bias_to)):
        check_suffix(path)
        targets.check_target(path, force=force, inputs=inputs)


def save(
    weights: "ChannelMap",
    output: str,
    bias_to: str,
    console: "Console",
    *,
    force: bool,
    source: str = "",
) -> list[str]:
    """Save weights, and their bias in `bias_to`; return the parts that the format has no place for.

    Say what is lost by rounding. `source` is the raster that a virtual one names.

    Raises
    ------
    UsageError
        If there is a bias and no place for it.
    """
    from onebyone_cli.weights.save import holds_bias, left_out, rounding, save_bias, save_weights

    if weights.has_bias and not (holds_bias(output) or bias_to):
        raise UsageError(
            f"{weights.source} has a bias, and {output} has no place for it; write .npz, "
            ".json, .safetensors or .onnx, or give the bias a file of its own with --bias-to FILE"
        )
    if bias_to:
        save_bias(bias_to, weights.bias, force=force)
    save_weights(output, weights, force=force, source=source)
    rounded = rounding(output, weights)
    if rounded:
        console.say(f"{output}: numbers are rounded to {rounded}")
    return left_out(output, weights)
