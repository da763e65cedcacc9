"""``onebyone weights convert``: the same weights in another format."""

from onebyone_cli.cli.commands.weights import saving
from onebyone_cli.cli.options.inputs import check_names
from onebyone_cli.cli.options.messages import Messages
from onebyone_cli.cli.options.weights import Converted, ConvertedOutput
from onebyone_cli.operations.names import files_of
from onebyone_cli.weights.formats import split_member

EXAMPLES = """
onebyone weights convert model.npz model.json
onebyone weights convert model.npz kernel.csv --bias-to bias.csv
onebyone weights convert kernel.csv layer.npz --bias bias.csv
onebyone weights convert model.onnx:conv1 layer.npz --fold-bn
onebyone weights convert model.npz model.onnx
onebyone weights convert model.npz scores.vrt --source scene.tif
"""


def convert(weights: Converted, written: ConvertedOutput, messages: Messages) -> None:
    """Write weights in another format.

    .npz, .json and .safetensors hold the weight, the bias and what else is known, such as
    eigenvalues and names of channels. .onnx is a model of one convolution in float32, .vrt a raster
    that GDAL computes, .mat a matrix of libvips. .csv, .tsv and .txt hold the weight and names,
    .npy the weight alone. Numbers are float64 elsewhere, in text with all their digits. A PCA in
    .json also has the attributes of scikit-learn's. What the format has no place for is reported; a
    bias is never left out.
    """
    from onebyone_cli.weights.load import read_weights
    from onebyone_cli.weights.typed import parse_bias

    console, source, output = messages.console(), weights.source, weights.output
    bias, bias_to, force = weights.bias, written.bias_to, written.force
    check_names([source], [output])
    raster = written.raster
    saving.check_output(
        output, bias_to, force=force, inputs=files_of([source, bias]), source=raster
    )
    found, _, unread = read_weights(source, folding=weights.folding())
    for note in found.notes:
        console.say(f"{source}: {note}")
    if bias:
        found = found.with_bias(parse_bias(bias, "--bias"), "--bias")
    if split_member(source)[1]:  # the other layers of a network are not asked for
        unread = []
    lost = sorted(
        [*unread, *saving.save(found, output, bias_to, console, force=force, source=raster)]
    )
    if lost:
        console.say(f"left out: {', '.join(lost)}")
    console.say(f"{output}: {found.out_channels}×{found.in_channels}")
    console.document(
        {
            "output": output,
            "bias_output": bias_to or None,
            "shape": list(found.weight.shape),
            "left_out": lost,
        }
    )
