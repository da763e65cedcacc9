"""Options of ``info``."""

from onebyone_cli.cli.groups import Group, option
from onebyone_cli.errors import UsageError

FIELDS = (
    *("shape", "dtype", "channels", "height", "width", "layout", "format", "bytes"),
    *("names", "wavelengths", "wavelength_unit", "widths", "bad", "nodata", "valid_range"),
    *("scale", "offset", "unit", "transform", "crs", "history"),
)


class Facts(Group):
    """Print one value in place of everything."""

    heading = "What to compute"

    get: str = option(
        "--get",
        metavar="FIELD",
        daily=True,
        complete=lambda: FIELDS,
        help="Print one value alone, a line for each path: shape, dtype, channels, height, width, "
        "layout, format, bytes, names, wavelengths, wavelength_unit, widths, bad, nodata, "
        "valid_range, scale, offset, unit, transform, crs, history. Lists have commas between "
        "their entries. Of weights, channels are those they take.",
    )

    def field(self) -> str:
        """Read ``--get``; empty if not given."""
        if self.get and self.get not in FIELDS:
            raise UsageError(f"--get {self.get} is unknown; choose from {', '.join(FIELDS)}")
        return self.get
