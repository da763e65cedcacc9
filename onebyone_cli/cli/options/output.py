"""Options for outputs and their storage."""

from typing import TYPE_CHECKING, Literal

from onebyone_cli.cli.groups import REQUIRED, Group, option
from onebyone_cli.errors import UsageError
from onebyone_cli.spec import LAYOUTS

if TYPE_CHECKING:
    from onebyone_cli.commit.publication import Publication
    from onebyone_cli.formats.contracts.writer import Storage
    from onebyone_cli.operations.depfile import DepFile


def _format_names() -> list[str]:
    from onebyone_cli.formats import format_names

    return format_names()


def _output_help() -> str:
    from onebyone_cli.formats import describe_outputs

    return (
        f"Where the result goes. {describe_outputs()}. In a folder of images each channel is one; "
        "of a batch, also of one, each stack where an image can hold it."
    )


def _stored_in(option: str) -> str:
    from onebyone_cli.formats import with_storage

    return with_storage(option)


def _with_layouts() -> str:
    from onebyone_cli.formats import with_layouts

    return with_layouts()


_OUTPUT = option(
    "-o",
    "--output",
    default=REQUIRED,
    metavar="OUTPUT",
    names="file",
    daily=True,
    help=_output_help,
)

_PLOT = option(
    "--plot",
    metavar="FILE",
    help="Plot the eigenvalues (scree plot) as .png or .svg; needs matplotlib.",
)

FORCE = option("-f", "--force", type=bool, daily=True, help="Overwrite an existing output.")


class Overwriting(Group):
    """Whether an existing output is replaced."""

    heading = "Output"

    force: bool = FORCE


class Synced(Overwriting):
    """Whether an output is flushed to disk."""

    fsync: bool = option(
        "--fsync",
        type=bool,
        help="Flush the output to disk before renaming it into place.",
    )

    def publication(self, *, if_changed: bool = False) -> "Publication":
        """Return how the output is published."""
        from onebyone_cli.commit.publication import Publication

        return Publication(self.force, self.fsync, if_changed)


class Output(Synced):
    """The stack that a command writes."""

    output: str = _OUTPUT
    format_name: str = option(
        "--format",
        metavar="NAME",
        complete=_format_names,
        help=lambda: f"Format of the output, whatever its name: {', '.join(_format_names())}.",
    )
    layout_out: Literal["", "CHW", "HWC", "HCW"] = option(
        "--layout-out",
        metavar="AXES",
        choices=LAYOUTS,
        help=lambda: (
            f"Order of the axes in the output ({_with_layouts()}): CHW, HWC or HCW, with those of "
            "a batch before them. Default: CHW."
        ),
    )


class ReduceOutput(Output):
    """What ``reduce`` writes."""

    output: str = _OUTPUT
    save: str = option("--save", metavar="MODEL.npz", daily=True, help="Save the model, too.")
    residual: str = option(
        "--residual",
        metavar="PATH",
        help="Write the reconstruction error, too: for each pixel its root mean square over the "
        "channels.",
    )
    plot: str = _PLOT


class ModelOutput(Synced):
    """What ``fit`` writes."""

    output: str = option(
        "-o",
        "--output",
        default=REQUIRED,
        metavar="MODEL.npz",
        daily=True,
        help="The model: a weights file for apply.",
    )
    plot: str = _PLOT


class MomentsOutput(Synced):
    """What ``stats`` writes."""

    output: str = option(
        "-o",
        "--output",
        metavar="PART.npz",
        daily=True,
        help="Save the moments, which fit and merge can join with others.",
    )


class WholeOutput(Synced):
    """What ``merge`` writes."""

    output: str = option(
        "-o",
        "--output",
        metavar="WHOLE.npz",
        daily=True,
        help="The file for the joined moments.",
    )


class Hdf5(Group):
    """Storage of an ``.h5``, ``.zarr`` or ``.tif`` output."""

    heading = "HDF5, Zarr and TIFF output"

    compression: Literal["none", "gzip", "lzf", "deflate", "zstd", "lzw"] = option(
        "--compression",
        default="none",
        choices=("none", "gzip", "lzf", "deflate", "zstd", "lzw"),
        help=lambda: (
            f"Compress the output ({_stored_in('compression')}): gzip or lzf in HDF5, "
            "zstd in Zarr, deflate, zstd or lzw in TIFF. Default: none."
        ),
    )
    level: int = option(
        "--level",
        type=int,
        default=4,
        least=0,
        most=9,
        metavar="0-9",
        help="Compression level of gzip, deflate and zstd. Default: 4.",
    )
    shuffle: bool = option(
        "--shuffle", type=bool, help="Shuffle bytes before compression; in TIFF, a predictor."
    )
    fletcher32: bool = option("--fletcher32", type=bool, help="Add a checksum to every chunk.")
    chunks: str = option(
        "--chunks",
        metavar="CxHxW",
        help=lambda: (
            f"Size of the chunks ({_stored_in('chunks')}), as in 1x64x600; in TIFF, of "
            "the tiles, as in 1x256x256; in Zarr, a slash separates chunks from the files that "
            "hold several, as in 1x64x64/1x512x512."
        ),
    )

    def storage(self) -> "Storage":
        """Read how the output is stored."""
        from onebyone_cli.formats.contracts.writer import Storage

        chunk, _, shard = self.chunks.lower().replace("×", "x").partition("/")
        chunks, shards = (text.split("x") if text else [] for text in (chunk, shard))
        if not all(size.isascii() and size.isdigit() for size in (*chunks, *shards)):
            raise UsageError(f"--chunks {self.chunks} is not a size; write CxHxW, as in 1x64x600")
        return Storage(
            compression="" if self.compression == "none" else self.compression,
            level=self.level,
            shuffle=self.shuffle,
            fletcher32=self.fletcher32,
            chunks=tuple(map(int, chunks)),
            shards=tuple(map(int, shards)),
        )


class ForMake(Group):
    """Options for rules of make."""

    heading = "For make"

    if_changed: bool = option(
        "--if-changed",
        type=bool,
        help="Replace an existing output only if its bytes differ; otherwise its time of "
        "modification stays.",
    )
    depfile: str = option(
        "--depfile",
        metavar="FILE",
        help="Write a rule for make, too: OUTPUT depends on all files that were read.",
    )

    def rules(self, output: str, publication: "Publication") -> "DepFile | None":
        """Read ``--depfile`` and check it against the output; None if not given."""
        if not self.depfile:
            return None
        from onebyone_cli.operations.depfile import DepFile

        rules = DepFile(self.depfile, publication)
        rules.check(output)
        return rules

    def check(self, output: str, shard: str = "") -> None:
        """Raise `UsageError` if this run does not publish its output as a file."""
        if self.if_changed and output == "-":
            raise UsageError("--if-changed compares with an existing file; name one with -o, not -")
        for flag in ["--if-changed"] * self.if_changed + ["--depfile"] * bool(self.depfile):
            if shard:
                raise UsageError(f"{flag} is for a run that publishes its output, not for --shard")
