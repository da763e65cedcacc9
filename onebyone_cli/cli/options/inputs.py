"""Options for inputs: stacks, moments, parts and files."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from onebyone_cli.axes import checked_layout
from onebyone_cli.cli.groups import Group, argument, option
from onebyone_cli.cli.options.compute import type_of
from onebyone_cli.errors import UsageError
from onebyone_cli.names import is_standard_input
from onebyone_cli.spec import CODED_BYTES, ITEM_BYTES, LAYOUTS

if TYPE_CHECKING:
    from onebyone_cli.formats.contracts.about import RawSpec
    from onebyone_cli.operations.inputs import Reading
    from onebyone_cli.operations.meaning import Asked
    from onebyone_cli.stack.folded import Grid
    from onebyone_cli.stack.selection import Selection

#: Most digits of a size.
_SIZE_DIGITS = 19


def _stack_help(more: str) -> Callable[[], str]:
    """Describe inputs, followed by `more`."""

    def text() -> str:
        from onebyone_cli.formats import describe_inputs

        return f"{describe_inputs()}{more}"

    return text


_LAYOUT = option(
    "--layout",
    metavar="AXES",
    complete=lambda: LAYOUTS,
    help="Order of the axes in the input: H and W (or Y and X), C, and a letter for each axis of a "
    "batch, as in HWC, NHWC or CTZYX; any axes before C, H and W alone are a batch. NC or CN is a "
    "table of pixels. Default: the order that the file tells, else CHW.",
)

_GRID = option(
    "--grid",
    metavar="HxW",
    help="Fold the pixels of a table (--layout NC) to rows and columns, as in 37x37.",
)

#: A height and a width.
_GRID_WORD = re.compile("([0-9]{1,18})[x×]([0-9]{1,18})", re.ASCII)


def grid_of(text: str) -> "Grid | None":
    """Read ``--grid``; None if not given."""
    if not text:
        return None
    found = _GRID_WORD.fullmatch(text.lower())
    if not found or 0 in (sizes := tuple(map(int, found.groups()))):
        raise UsageError(f"--grid {text} is not a height and a width; write HxW, as in 37x37")
    return sizes[0], sizes[1]


def check_names(inputs: Sequence[str], others: Sequence[str], maps: Sequence[str] = ()) -> None:
    """Refuse empty names of files, and standard input named twice.

    `maps` are other files that are read, such as a mask or weights; empty if not given.
    """
    if sum(map(is_standard_input, [*inputs, *maps])) > 1:
        raise UsageError("standard input is named twice, and it can be read only once")
    if "" in (*inputs, *others):
        raise UsageError("one of the file names is empty; is a variable of the shell not set?")


class Named(Group):
    """Names of inputs, on the command line or in a list."""

    heading = "Input"

    inputs: list[str] = argument(
        "INPUT...", multiple=True, names="file", daily=True, help=_stack_help(".")
    )
    inputs_from: str = option(
        "--inputs-from",
        metavar="FILE",
        help="Read more names of inputs from a file, or from standard input (-): one per line, or "
        "each ended by NUL, as find -print0 writes them.",
    )

    def listed(
        self, others: Sequence[str] = (), maps: Sequence[str] = (), *, may_be_none: bool = False
    ) -> list[str]:
        """Return the inputs of the command line, then those of ``--inputs-from``.

        `others` and `maps` are as in `check_names`.

        Raises
        ------
        UsageError
            If there is none, or standard input would be read twice.
        """
        is_none = may_be_none and not (self.inputs or self.inputs_from)
        found = [] if is_none else self._all(maps)
        check_names(found, others, maps)
        return found

    def _all(self, maps: Sequence[str]) -> list[str]:
        source = self.inputs_from
        if source == "-" and "-" in (*self.inputs, *maps):
            raise UsageError("standard input is named as an input and as the list of --inputs-from")
        if source:
            from onebyone_cli.cli.options.name_list import read_names

            more = read_names(source)
            if source == "-" and "-" in more:
                raise UsageError(
                    "the list of --inputs-from is standard input, and names it as input"
                )
            return [*self.inputs, *more]
        if not self.inputs:
            raise UsageError("no input; name one, or a list of them with --inputs-from FILE")
        return list(self.inputs)


class Pixels(Group):
    """How the pixels of inputs are read."""

    heading = "Input"

    channels: str = option(
        "--channels",
        metavar="SPEC",
        daily=True,
        help="Use only these channels, as in 3, 10:51, B08, 650nm, 450nm:900nm, good or 0:50,!6:8. "
        "Numbers count from 0, and END of FIRST:END is the one after the last. A wavelength alone "
        "is the nearest. good leaves out bad bands, and ! the channels after it. A name with "
        "commas or signs stands in quotes. Other channels are not read.",
    )
    layout: str = _LAYOUT
    grid: str = _GRID
    nodata: list[str] = option(
        "--nodata",
        metavar="VALUES",
        multiple=True,
        daily=True,
        complete=lambda: ("none",),
        help="Values that mark invalid numbers, as in -9999,65533:65535. They replace those that "
        "files name; none: no value does.",
    )
    invalid: Literal["any", "all"] = option(
        "--invalid",
        default="any",
        choices=("any", "all"),
        help="A pixel is invalid if any of its channels is, or only if all are; nodata values in "
        "some channels are then used as numbers. Default: any.",
    )
    mask: str = option(
        "--mask",
        metavar="FILE",
        names="file",
        help="A map of one channel; pixels where it is 0 or NaN are invalid.",
    )
    stored: bool = option(
        "--stored",
        type=bool,
        help="Use the numbers as they are stored, without the scale and offset that files name.",
    )

    def reading(
        self, memory: int, raw: "RawSpec | None", say: Callable[[str], None] | None = None
    ) -> "Reading":
        """Return how the inputs are read, with a budget of `memory` bytes; `say` takes hints."""
        from onebyone_cli.operations.inputs import Reading

        hints = None
        if say is not None:
            from onebyone_cli.operations.hints import Hints

            hints = Hints(say)
        layout = checked_layout(self.layout)
        return Reading(layout, memory, raw, self.selection(), grid_of(self.grid), hints)

    def selection(self) -> "Selection | None":
        """Read ``--channels``; None if not given."""
        if not self.channels:
            return None
        from onebyone_cli.stack.selection import parse_selection

        return parse_selection(self.channels)

    def asked(self) -> "Asked":
        """Return what the user says about the numbers."""
        from onebyone_cli.operations.meaning import Asked
        from onebyone_cli.stack.validity import parse_nodata

        return Asked(parse_nodata(self.nodata), self.stored, self.invalid)


class Input(Pixels, Named):
    """Inputs that are stacked along the channels."""

    inputs: list[str] = argument(
        "INPUT...",
        multiple=True,
        names="file",
        daily=True,
        help=_stack_help(". Several are stacked along the channels (bands)."),
    )


class ApplyInput(Input):
    """Inputs of ``apply``."""

    by_position: bool = option(
        "--by-position",
        type=bool,
        help="Take the channels in their order, also where weights and inputs both have names.",
    )

    each: bool = option(
        "--each",
        type=bool,
        daily=True,
        help="Treat every input as a stack of its own; OUTPUT is a folder. With --format png, "
        "results of 1 channel, or of 3 of uint8, are one image each. A pipe may bring several, one "
        "after another: those of standard input become stdin_0.npy, stdin_1.npy and so on. With "
        "-o - the results follow each other on standard output; with --format pam, ppm, pgm, pbm, "
        "pfm or raw, a single pipe is read so without --each.",
    )


class LearnInput(Input):
    """Inputs of ``fit`` and ``stats``."""

    inputs: list[str] = argument(
        "INPUT...",
        multiple=True,
        names="file",
        daily=True,
        help=_stack_help(
            ". Several are stacked along the channels (bands). Or moments that stats has saved; "
            "several are joined."
        ),
    )
    each: bool = option(
        "--each",
        type=bool,
        help="Treat every input as a stack of its own; the pixels of all of them count together. "
        "A pipe may bring several stacks, one after another.",
    )


class Pair(Pixels):
    """The two stacks of ``compare``."""

    a: str = argument("A", help=_stack_help("; a named pipe is a .npy stream as well."))
    b: str = argument("B", help="Another stack of the same shape.")
    layout_b: str = option(
        "--layout-b",
        metavar="AXES",
        complete=lambda: LAYOUTS,
        help="Order of the axes in B, if it is not that of A.",
    )


class Paths(Named):
    """The paths of ``info``."""

    inputs: list[str] = argument(
        "PATH...",
        multiple=True,
        names="file",
        help="An input of any kind, a weights file or model, moments that stats has saved, or "
        "the output of a stopped job (OUTPUT or OUTPUT.part).",
    )
    layout: str = _LAYOUT
    grid: str = _GRID

    def reading(self, raw: "RawSpec | None") -> "Reading":
        """Return how the paths are read."""
        from onebyone_cli.operations.inputs import Reading

        return Reading(checked_layout(self.layout), 0, raw, grid=grid_of(self.grid))


class Stacks(Group):
    """Stacks whose headers give sizes to ``cost``."""

    heading = "Input"

    inputs: list[str] = argument(
        "INPUT...", multiple=True, help="Stacks that give C and HxW; only their headers are read."
    )
    layout: str = _LAYOUT
    grid: str = _GRID

    def reading(self) -> "Reading":
        """Return how the stacks are read."""
        from onebyone_cli.operations.inputs import Reading

        return Reading(checked_layout(self.layout), 0, grid=grid_of(self.grid))


class Parts(Named):
    """The parts of ``merge``."""

    inputs: list[str] = argument(
        "PART...",
        multiple=True,
        help="With -o: moments that stats has saved. Without: outputs of apply --shard.",
    )


class Raw(Group):
    """Description of inputs without a header."""

    heading = "Input without a header"

    raw: bool = option(
        "--raw",
        type=bool,
        help="Inputs are numbers without a header, in files or pipes of any name; --shape and "
        "--dtype-in describe them.",
    )
    shape: str = option(
        "--shape",
        metavar="SIZES",
        help="The sizes of each input in the order of --layout, as in 50,600,600; those before "
        "the last three are a batch.",
    )
    dtype_in: str = option(
        "--dtype-in",
        metavar="TYPE",
        complete=lambda: (*ITEM_BYTES, *CODED_BYTES),
        help="The type of the numbers, such as f4 or float32, u1 or uint8, bfloat16; with > before "
        "it the byte order is big-endian. Without --raw, the type that a .npy header leaves open.",
    )
    offset: int | None = option(
        "--offset",
        type=int,
        least=0,
        metavar="BYTES",
        help="Bytes before the numbers of each input, which are skipped. Default: 0.",
    )

    def spec(self) -> "RawSpec | None":
        """Read the description; None if inputs have headers that describe them."""
        plain = bool(self.dtype_in) and self.dtype_in not in CODED_BYTES
        if not self.raw and (self.shape or self.offset is not None or plain):
            raise UsageError(
                "--shape, --offset and --dtype-in are for inputs without a header; add --raw"
            )
        if self.raw and not (self.shape and self.dtype_in):
            raise UsageError("--raw needs --shape, as in 50,600,600, and --dtype-in, as in f4")
        if not self.dtype_in:
            return None
        from onebyone_cli.formats.contracts.about import RawSpec

        order = self.dtype_in[0] if self.dtype_in[0] in "<>" else ""
        text = self.dtype_in.removeprefix(order)
        name = text if text in CODED_BYTES else type_of("--dtype-in", text, order)
        shape = _sizes(self.shape) if self.raw else ()
        return RawSpec(shape, name, order == ">", self.offset or 0)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = text.split(",")
    if not all(size.isascii() and size.isdigit() and len(size) < _SIZE_DIGITS for size in sizes):
        raise UsageError(f"--shape {text} is not a shape; write C,H,W, as in 50,600,600")
    shape = tuple(map(int, sizes))
    if 0 in shape:
        raise UsageError(f"--shape {text} holds no pixels; give sizes of 1 or more")
    if len(shape) < 2:
        raise UsageError(f"--shape {text} has one axis; write C,H,W, or H,W for a single channel")
    return shape
