"""Options for the numbers of a result."""

from typing import TYPE_CHECKING, Literal

from onebyone_cli.cli.groups import Group, option
from onebyone_cli.errors import UsageError
from onebyone_cli.spec import ITEM_BYTES

if TYPE_CHECKING:
    from onebyone_cli.arithmetic.scale import Scale
    from onebyone_cli.operations.apply.settings import ApplySettings
    from onebyone_cli.operations.meaning import Asked


def number_of(flag: str, text: str, example: str = "0 or -9999") -> float:
    """Read the number of an option; raise `UsageError` if it is not one."""
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text} is not a number; write it like {example}") from error


def type_of(flag: str, text: str, order: str = "") -> str:
    """Read the name of a number type, such as ``float32`` or ``f4``.

    `order` is the byte order before it, for the message.

    Raises
    ------
    UsageError
        If the type is unknown.
    """
    from onebyone_cli.npy_header import TYPE_NAMES

    name = TYPE_NAMES.get(text, text)
    if name not in ITEM_BYTES:
        known = ", ".join((*TYPE_NAMES, *ITEM_BYTES))
        raise UsageError(f"{flag} {order}{text} is unknown; choose from {known}")
    return name


class Numbers(Group):
    """Type, range and arithmetic of a result."""

    heading = "What to compute"

    dtype: str = option(
        "--dtype",
        metavar="TYPE",
        daily=True,
        complete=lambda: tuple(ITEM_BYTES),
        help="Type of the output, such as f2, u1, int32 or float64. Integers are rounded half to "
        "even and saturate. Default: the type of the arithmetic.",
    )
    scale: str = option(
        "--scale",
        metavar="SCALE",
        daily=True,
        complete=lambda: ("auto", "each", "2%,98%", "2%,98%,each"),
        help="Map a range onto the whole range of the integer output (uint8 unless --dtype). "
        "MIN,MAX; auto: the range of all numbers; each: the range of each channel; 2%,98%: these "
        "percentiles of all numbers; 2%,98%,each: of each channel.",
    )
    compute: Literal["auto", "float32", "float64"] = option(
        "--compute",
        default="auto",
        choices=("auto", "float32", "float64"),
        help="Type of the arithmetic. auto is float32 where it holds every input value exactly, "
        "else float64. Default: auto.",
    )
    nan_to: str = option(
        "--nan-to", metavar="VALUE", help="The value that replaces NaN in the output."
    )

    #: An option of ``apply``.
    argmax: bool = False

    def output_type(self) -> str:
        """Read ``--dtype``; empty if not given."""
        if self.dtype[:1] in ("<", ">", "=", "|"):
            raise UsageError(
                f"--dtype {self.dtype} names a byte order, which the format of the output decides; "
                f"write {self.dtype[1:]}"
            )
        return type_of("--dtype", self.dtype) if self.dtype else ""

    def range(self) -> "Scale | None":
        """Read ``--scale``; None if not given."""
        if not self.scale:
            return None
        from onebyone_cli.arithmetic.scale import parse_scale

        return parse_scale(self.scale)

    def nan_value(self) -> float | None:
        """Read ``--nan-to``; None if not given."""
        return number_of("--nan-to", self.nan_to) if self.nan_to else None

    def settings(self, memory: int, threads: int, asked: "Asked") -> "ApplySettings":
        """Return the checked settings of a job."""
        from onebyone_cli.operations.apply.settings import checked_settings

        return checked_settings(
            memory=memory,
            threads=threads,
            compute=self.compute,
            dtype=self.output_type(),
            argmax=self.argmax,
            asked=asked,
            nan_to=self.nan_value(),
            scale=self.range(),
        )


class ApplyNumbers(Numbers):
    """What ``apply`` computes."""

    argmax: bool = option(
        "--argmax",
        type=bool,
        help="Write one channel: the index of the largest output channel.",
    )


class LayerSize(Group):
    """The layer of ``cost``."""

    heading = "What to compute"

    channels: int | None = option(
        "-c", type=int, least=1, metavar="C", daily=True, help="Number of input channels."
    )
    out_channels: int | None = option(
        "-k",
        "--out-channels",
        type=int,
        least=1,
        metavar="K",
        daily=True,
        help="Number of output channels: the depth of the layer.",
    )
    size: str = option(
        "-s",
        "--size",
        metavar="HxW",
        daily=True,
        help="Height and width of the maps, as in 600x600.",
    )
    reduce: int | None = option(
        "-r",
        "--reduce",
        type=int,
        least=1,
        metavar="R",
        daily=True,
        help="Compare bottlenecks, too: a 1×1 layer to R channels, then 3×3 or 5×5.",
    )


class Tolerances(Group):
    """How ``compare`` compares."""

    heading = "What to compute"

    tolerance: str = option(
        "--tolerance",
        metavar="X",
        daily=True,
        help="Largest absolute difference of equal numbers. Default: 0.",
    )
    relative: str = option(
        "--relative",
        metavar="Y",
        daily=True,
        help="Largest relative difference of equal numbers, in relation to the larger magnitude, "
        "as in 1e-5; with --tolerance, one of the two is enough.",
    )
    peak: str = option(
        "--peak",
        metavar="VALUE",
        help="The largest signal, for PSNR. Default: the range of the type of A for integers, "
        "the range of its numbers for floats.",
    )

    def limits(self) -> tuple[float, float]:
        """Read the absolute and the relative tolerance; raise `UsageError` if one is negative."""
        absolute = self._distance("--tolerance", self.tolerance)
        return absolute, self._distance("--relative", self.relative)

    def signal(self) -> float | None:
        """Read ``--peak``; None if not given."""
        if not self.peak:
            return None
        number = number_of("--peak", self.peak, "255 or 1")
        if not 0 < number < float("inf"):
            raise UsageError(f"--peak {self.peak} is not a signal; give a number above 0")
        return number

    @staticmethod
    def _distance(flag: str, text: str) -> float:
        number = number_of(flag, text, "0.001 or 1e-6") if text else 0.0
        if not number >= 0:
            raise UsageError(f"{flag} {text} is not a distance; give 0 or more")
        return number
