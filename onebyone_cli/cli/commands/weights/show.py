"""``onebyone weights show``: draw and describe weights."""

from math import isfinite
from os.path import isfile
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from onebyone_cli.cli.options.inputs import check_names
from onebyone_cli.cli.options.messages import Messages
from onebyone_cli.cli.options.picture import WeightsPicture
from onebyone_cli.cli.options.weights import ShownWeights
from onebyone_cli.cli.terminal.console import Console, print_out, print_table
from onebyone_cli.cli.terminal.picture_output import terminal_canvas
from onebyone_cli.errors import UsageError
from onebyone_cli.operations.names import files_of
from onebyone_cli.units import count, printable

if TYPE_CHECKING:
    from onebyone_cli.weights.algebra import Facts
    from onebyone_cli.weights.channel_map import ChannelMap
    from onebyone_cli.weights.formats.contract import NetworkLayer

EXAMPLES = """
onebyone weights show model.npz
onebyone weights show model.npz -o weights.png
onebyone weights show kernel.csv --json
onebyone weights show network.safetensors
onebyone weights show network.safetensors:layer1.0.conv1.weight --fold-bn
"""

#: Filters and channels in tables for people; all are in the JSON document.
_MOST_FILTERS, _MOST_CHANNELS = 20, 10

#: Channels listed for each filter, without and with names.
_LISTED, _NAMED = 3, 2

#: Most lines of a drawing, and columns of a text.
_LINES, _COLUMNS = 24, 80

#: Most pixels of a picture on each side, and the side of a number's square in it.
_MOST_PIXELS, _SQUARE = 2048, 24

#: Letters of a name in a table.
_LETTERS = 12


def show(given: ShownWeights, picture: WeightsPicture, messages: Messages) -> None:
    """Draw weights and show what is known of them.

    Their norms, rank and condition, which channels matter to which filter, and how much each
    channel matters to all of them.

    A row of the map is an output channel (a filter), a column an input channel; zero is grey,
    positive weights are red and negative ones blue, or signs where there are no colours. A matrix
    larger than the terminal is shown in blocks, each by its weight of largest magnitude.

    Of a file of a network it lists the 1×1 layers: their names, sizes and types, whether they have
    a bias, and the batch normalization that follows.
    """
    from onebyone_cli.weights.algebra import facts_of
    from onebyone_cli.weights.load import read_weights

    console = messages.console()
    file, output, force = given.file, picture.output, picture.force
    check_names([file], [])
    if output:
        from onebyone_cli.picture.png import check_png

        if output == "-":
            raise UsageError("standard output is for the report; name a .png file")
        check_png(output, force=force, inputs=files_of([file]))
    folding = given.folding()
    layers = _layers(file) if folding is None and not output else []
    if len(layers) > 1:
        _show_layers(file, layers, console)
        return
    weights, dtype, _ = read_weights(file, folding=folding)
    for note in weights.notes:
        console.say(f"{file}: {note}")
    report = _Report(weights, facts_of(weights.weight), dtype)
    if output:
        _write_picture(weights, output, force=force)
    if not console.quiet:
        report.print()
    console.document(report.document())


def _layers(file: str) -> "list[NetworkLayer]":
    """Return the 1×1 layers of a network, where none is named."""
    from onebyone_cli.weights.load import network_layers

    return network_layers(file) if isfile(file) else []


def _show_layers(file: str, layers: "list[NetworkLayer]", console: Console) -> None:
    """Print a table of the layers of a network."""
    if not console.quiet:
        print_out(f"{printable(file)}: a network with {count(len(layers), '1×1 layer')}")
        print_out("")
        print_table(
            ["layer", "kind", "K×C", "dtype", "bias", "batch norm"],
            [
                [
                    printable(layer.name),
                    layer.kind,
                    f"{layer.out_channels}×{layer.in_channels}",
                    layer.dtype,
                    "yes" if layer.bias else "no",
                    printable(layer.norm) or "none found",
                ]
                for layer in layers
            ],
            ["layer", "kind", "dtype", "bias", "batch norm"],
        )
        print_out("")
        print_out(f"name one to use it, as in {printable(file)}:{printable(layers[0].name)}")
    console.document(
        {
            "file": file,
            "layers": [
                {
                    "name": layer.name,
                    "kind": layer.kind,
                    "shape": [layer.out_channels, layer.in_channels],
                    "dtype": layer.dtype,
                    "bias": layer.bias or None,
                    "batch_norm": layer.norm or None,
                }
                for layer in layers
            ],
        }
    )


def _write_picture(weights: "ChannelMap", path: str, *, force: bool) -> None:
    from onebyone_cli.picture.heat_map import heat_map
    from onebyone_cli.picture.png import write_png

    rgb = heat_map(weights.weight, rows=_MOST_PIXELS, columns=_MOST_PIXELS, largest_square=_SQUARE)
    write_png(rgb, path, force=force)


def _drawing(weights: "ChannelMap") -> list[str]:
    """Draw the weights for standard output."""
    from onebyone_cli.picture.heat_map import SIGNS, heat_map, signs
    from onebyone_cli.picture.terminal import Colours, text_lines

    canvas = terminal_canvas(None)
    assert canvas.colours is not None
    columns, lines = canvas.width, min(canvas.height // 2, _LINES)
    most = f"{abs(weights.weight).max():.4g}"
    if canvas.colours is Colours.NONE:
        drawn = signs(weights.weight, rows=lines, columns=columns)
        meaning = ("-{0} to", "", "about 0", "", "to {0}")
        legend = " ".join(
            f"{sign} {text.format(most)}".strip() for sign, text in zip(SIGNS, meaning, strict=True)
        )
        return [*drawn, f"({legend})"]
    rgb = heat_map(weights.weight, rows=2 * lines, columns=columns, largest_square=8)
    return [*text_lines(rgb, canvas.colours), f"blue -{most}, grey 0, red {most}"]


class _Report:
    """The report about weights."""

    def __init__(self, weights: "ChannelMap", facts: "Facts", dtype: str) -> None:
        from onebyone_cli.operations.apply.matching import channels_of
        from onebyone_cli.operations.info.archives import explained_shares
        from onebyone_cli.weights.algebra import channel_shares, row_norms, strongest

        self._weights, self._facts = weights, facts
        self._type = dtype
        self._channels = list(channels_of(weights).texts)
        self._outputs = _names(weights, "outputs", weights.out_channels)
        self._shares: list[float] = channel_shares(weights.weight).tolist()
        self._strongest = strongest(weights.weight, _LISTED)
        self._explained = list(explained_shares(weights))
        self._norms: list[float] = row_norms(weights.weight).tolist()

    def print(self) -> None:
        """Print facts, the map, a table of filters and one of channels."""
        for line in [*self._lines(), "", *_drawing(self._weights), ""]:
            print_out(line)
        _print_some(self._filters(), self._weights.out_channels, "filter")
        print_out("")
        _print_some(self._channels_by_share(), self._weights.in_channels, "channel")

    def document(self) -> dict[str, Any]:
        """Return the JSON document; unknown and infinite numbers are null."""
        facts, weights = self._facts, self._weights
        method = weights.meta.get("method")
        return {
            "file": weights.source,
            "shape": [weights.out_channels, weights.in_channels],
            "dtype": self._type,
            "bias": weights.bias.tolist() if weights.has_bias else None,
            "frobenius_norm": _finite(facts.frobenius),
            "spectral_norm": _finite(facts.spectral),
            "rank": facts.rank,
            "condition": _finite(facts.condition),
            "orthonormality": _finite(facts.orthonormality),
            "method": method if isinstance(method, str) else None,
            "explained_variance_ratio": self._explained or None,
            "filters": [
                {
                    "filter": number,
                    "name": self._outputs[number] if self._outputs else None,
                    "bias": float(weights.bias[number]),
                    "norm": _finite(self._norms[number]),
                    "strongest": [
                        {"channel": channel, "name": self._name(channel), "weight": weight}
                        for channel, weight in self._strongest[number]
                    ],
                }
                for number in range(weights.out_channels)
            ],
            "channels": [
                {"channel": channel, "name": self._name(channel), "share": share}
                for channel, share in enumerate(self._shares)
            ],
        }

    def _lines(self) -> list[str]:
        weights, facts = self._weights, self._facts
        lines = [
            printable(weights.source) + f": {count(weights.out_channels, 'filter')} of "
            f"{count(weights.in_channels, 'channel')}, {self._type}"
        ]
        for name in ("title", "reference"):
            if isinstance(weights.meta.get(name), str):
                lines += wrap(printable(weights.meta[name]), _COLUMNS - 1)
        if isinstance(weights.meta.get("method"), str):
            lines.append(self._learned())
        lines.append(
            f"bias: from {weights.bias.min():.4g} to {weights.bias.max():.4g}"
            if weights.has_bias
            else "bias: none"
        )
        lines.append(f"norm: Frobenius {facts.frobenius:.5g}" + self._spectrum())
        return [*lines, self._rows_line()]

    def _learned(self) -> str:
        line = f"method: {printable(self._weights.meta['method'])}"
        pixels = self._weights.meta.get("count")
        if isinstance(pixels, int) and pixels:
            line += f", from {count(pixels, 'pixel')}"
        if self._explained:
            line += f"; explains {sum(self._explained):.2%} of the variance"
        return line

    def _spectrum(self) -> str:
        facts = self._facts
        if facts.spectral is None:
            return "; too large to look for singular values"
        full = min(self._weights.weight.shape)
        return (
            f", spectral {facts.spectral:.5g}; rank {facts.rank} of {full}; "
            f"condition {facts.condition:.4g}"
        )

    def _rows_line(self) -> str:
        deviation = self._facts.orthonormality
        if not deviation <= 0.05:
            return "rows: not orthonormal"
        return f"rows: orthonormal to within {deviation:.1g}" if deviation else "rows: orthonormal"

    def _filters(self) -> list[dict[str, str]]:
        rows = []
        for number in range(min(self._weights.out_channels, _MOST_FILTERS)):
            row = {"filter": str(number)}
            if self._outputs:
                row["name"] = _short(self._outputs[number])
            if self._explained:
                row["share"] = f"{self._explained[number]:.2%}"
            if self._weights.has_bias:
                row["bias"] = f"{self._weights.bias[number]:.4g}"
            row["norm"] = f"{self._norms[number]:.4g}"
            headings = ("strongest", "2nd", "3rd")[: _NAMED if self._channels else _LISTED]
            for place, heading in enumerate(headings):
                row[heading] = self._entry(number, place)
            rows.append(row)
        return rows

    def _entry(self, number: int, place: int) -> str:
        found = self._strongest[number]
        if place >= len(found):
            return ""
        channel, weight = found[place]
        name = _short(self._channels[channel]) if self._channels else f"{channel}:"
        return f"{name} {weight:+.3g}"

    def _channels_by_share(self) -> list[dict[str, str]]:
        order = sorted(range(len(self._shares)), key=lambda channel: -self._shares[channel])
        return [
            {
                "channel": str(channel),
                **({"name": _short(self._channels[channel])} if self._channels else {}),
                "share of all squared weights": f"{self._shares[channel]:.2%}",
            }
            for channel in order[:_MOST_CHANNELS]
        ]

    def _name(self, channel: int) -> str | None:
        return self._channels[channel] if self._channels else None


def _print_some(rows: list[dict[str, str]], number: int, noun: str) -> None:
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    if number > len(rows):
        print_out(f"... and {count(number - len(rows), f'more {noun}')}")


def _names(weights: "ChannelMap", field: str, number: int) -> list[str]:
    """Return names from a file if their number is right."""
    names: Any = weights.meta.get(field)
    is_names = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return list(names) if is_names and len(names) == number else []


def _short(name: str) -> str:
    return name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None
