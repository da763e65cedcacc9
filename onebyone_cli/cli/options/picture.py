"""Options of pictures."""

from typing import TYPE_CHECKING, Literal

from onebyone_cli.cli.groups import Group, option
from onebyone_cli.cli.options.output import Overwriting
from onebyone_cli.errors import UsageError

if TYPE_CHECKING:
    from onebyone_cli.arithmetic.scale import Scale

#: Most digits of a channel number.
_DIGITS = 10


class Picture(Group):
    """The contents of a picture of a stack."""

    heading = "What to compute"

    channel: int | None = option(
        "--channel",
        type=int,
        least=0,
        metavar="N",
        daily=True,
        help="Show only this channel, counting from 0.",
    )
    rgb: str = option(
        "--rgb",
        metavar="R,G,B",
        daily=True,
        help="Show three channels as red, green and blue, as in 29,19,9.",
    )
    pca: bool = option(
        "--pca",
        type=bool,
        daily=True,
        help="Show the first three principal components as red, green and blue; they are learned "
        "on the picture itself, at 256×256 pixels at most.",
    )
    item: int | None = option(
        "--item",
        type=int,
        least=0,
        metavar="N",
        help="Which stack of a batch, counting from 0 in the order of the file. Default: 0.",
    )
    scale: str = option(
        "--scale",
        metavar="SCALE",
        daily=True,
        complete=lambda: ("auto", "each", "2%,98%", "2%,98%,each"),
        help="The numbers that are dark and bright. MIN,MAX; auto: the range of all numbers; each: "
        "the range of each channel; 2%,98%: these percentiles of all numbers; 2%,98%,each: of each "
        "channel. Default: 2%,98%,each.",
    )
    colormap: Literal["grey", "viridis", "magma", "coolwarm"] = option(
        "--colormap",
        default="grey",
        choices=("grey", "viridis", "magma", "coolwarm"),
        help="Colours of single channels. coolwarm has 0 in its middle, unless --scale is MIN,MAX. "
        "Default: grey.",
    )
    size: int | None = option(
        "--size",
        type=int,
        least=1,
        metavar="PIXELS",
        help="Longer side of the picture, at most. Small stacks are enlarged by whole numbers. "
        "Default: 1024, or what fits the terminal.",
    )

    def kind(self) -> Literal["sheet", "channel", "rgb", "pca"]:
        """Return the kind of picture that is asked for."""
        if (self.channel is not None) + bool(self.rgb) + self.pca > 1:
            raise UsageError("--channel, --rgb and --pca each select what to show; give one")
        if (self.rgb or self.pca) and self.colormap != "grey":
            raise UsageError("--colormap is for single channels, not for --rgb and --pca")
        if self.pca:
            return "pca"
        return "rgb" if self.rgb else "sheet" if self.channel is None else "channel"

    def numbers(self) -> tuple[int, ...]:
        """Return the channels of ``--channel`` or ``--rgb``."""
        if self.channel is not None:
            return (self.channel,)
        parts = self.rgb.split(",") if self.rgb else []
        known = all(part.isascii() and part.isdigit() and len(part) < _DIGITS for part in parts)
        if parts and not (len(parts) == 3 and known):
            raise UsageError(f"--rgb {self.rgb} is not three channels; write R,G,B, as in 29,19,9")
        return tuple(map(int, parts))

    def range(self) -> "Scale":
        """Read ``--scale``."""
        from onebyone_cli.arithmetic.scale import parse_scale

        return parse_scale(self.scale or "2%,98%,each")


class PictureOutput(Overwriting):
    """Where ``view`` draws."""

    output: str = option(
        "-o",
        "--output",
        metavar="FILE.png",
        daily=True,
        help="Write a PNG; - is standard output. Without it the picture is shown in the terminal.",
    )


class WeightsPicture(Overwriting):
    """The picture of ``weights show``."""

    output: str = option(
        "-o", "--output", metavar="FILE.png", daily=True, help="Draw the weights as a picture, too."
    )


class DifferencePicture(Overwriting):
    """The picture of ``compare``."""

    difference: str = option(
        "--difference",
        metavar="FILE.png",
        daily=True,
        help="Draw where they differ: for each pixel the largest difference of all channels (and "
        "items of a batch), from black for none to bright; pixels that are invalid in one alone "
        "are grey. Planes of more than 1024 rows or columns are drawn in blocks of pixels.",
    )
