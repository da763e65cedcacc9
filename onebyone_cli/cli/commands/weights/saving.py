"""Save the weights that commands make."""

from typing import TYPE_CHECKING

from onebyone_cli.commit import targets
from onebyone_cli.errors import UsageError

if TYPE_CHECKING:
    from onebyone_cli.weights.channel_map import ChannelMap


def check_output(output: str, bias_to: str, *, force: bool, inputs: tuple[str, ...] = ()) -> None:
    """Refuse outputs that can't be written, before anything is read."""
    from onebyone_cli.weights.save import check_suffix, holds_bias

    if not output:
        raise UsageError("no output; name one with -o")
    if bias_to and holds_bias(output):
        raise UsageError(f"--bias-to is for formats without a bias; {output} holds it")
    if bias_to == output:
        raise UsageError("--bias-to names the output itself; name another file")
    for path in filter(None, (output, bias_to)):
        check_suffix(path)
        targets.check_target(path, force=force, inputs=inputs)


def save(weights: "ChannelMap", output: str, bias_to: str, *, force: bool) -> list[str]:
    """Save weights, and their bias in `bias_to`; return the parts that the format has no place for.

    Raises
    ------
    UsageError
        If there is a bias and no place for it.
    """
    from onebyone_cli.weights.save import holds_bias, left_out, save_bias, save_weights

    if weights.has_bias and not (holds_bias(output) or bias_to):
        raise UsageError(
            f"{weights.source} has a bias, and {output} has no place for it; write a .npz or "
            ".json, or give the bias a file of its own with --bias-to FILE"
        )
    if bias_to:
        save_bias(bias_to, weights.bias, force=force)
    save_weights(output, weights, force=force)
    return left_out(output, weights)
