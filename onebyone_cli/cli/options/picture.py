"""Options of pictures."""

from typing import TYPE_CHECKING, Literal

from onebyone_cli.cli.groups import Group, option
from onebyone_cli.cli.options.output import Overwriting
from onebyone_cli.errors import UsageError

if TYPE_CHECKING:
    from onebyone_cli.arithmetic.scale import Scale
    from onebyone_cli.stack.selection import Selection


class Picture(Group):
    """The contents of a picture of a stack."""

    heading = "What to compute"

    channel: str = option(
        "--channel",
        metavar="N",
        daily=True,
        help="Show only this channel: its number, counting from 0, its name, or its wavelength.",
    )
    rgb: str = option(
        "--rgb",
        metavar="R,G,B",
        daily=True,
        help="Show three channels as red, green and blue, as in 29,19,9 or 650nm,550nm,450nm.",
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

    numbers: bool = option(
        "--numbers",
        type=bool,
        help="Print the numbers as text, in place of a picture: 10000 at most. Invalid ones are "
        "nan.",
    )

    def kind(self) -> Literal["sheet", "channel", "rgb", "pca"]:
        """Return the kind of picture that is asked for."""
        of_pictures = self.rgb or self.pca or self.scale or self.size or self.colormap != "grey"
        if self.numbers and of_pictures:
            raise UsageError(
                "--numbers prints text; --rgb, --pca, --scale, --colormap and --size draw pictures"
            )
        if bool(self.channel) + bool(self.rgb) + self.pca > 1:
            raise UsageError("--channel, --rgb and --pca each select what to show; give one")
        if (self.rgb or self.pca) and self.colormap != "grey":
            raise UsageError("--colormap is for single channels, not for --rgb and --pca")
        if self.pca:
            return "pca"
        return "rgb" if self.rgb else "channel" if self.channel else "sheet"

    def channels(self) -> "tuple[Selection, ...]":
        """Read ``--channel`` or ``--rgb``: a selection of one for each channel that is shown."""
        from onebyone_cli.stack.selection import parse_selection

        if not (self.channel or self.rgb):
            return ()
        try:
            chosen = parse_selection(self.channel or self.rgb)
        except UsageError:
            chosen = None
        wanted = 1 if self.channel else 3
        if chosen and len(chosen.parts) == wanted and all(part.is_one for part in chosen.parts):
            option = "channel" if self.channel else "rgb"
            return tuple(chosen._replace(parts=(part,), option=option) for part in chosen.parts)
        if self.channel:
            raise UsageError(
                f"--channel {self.channel} is not a channel; write a number, as in 29, a name or a "
                "wavelength, as in 650nm"
            )
        raise UsageError(
            f"--rgb {self.rgb} is not three channels; write R,G,B, as in 29,19,9 or "
            "650nm,550nm,450nm"
        )

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
