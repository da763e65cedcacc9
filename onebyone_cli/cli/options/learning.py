"""Options of ``fit``, ``reduce`` and ``stats``."""

from typing import TYPE_CHECKING, Literal

from onebyone_cli.cli.groups import Group, option
from onebyone_cli.cli.options.compute import number_of
from onebyone_cli.errors import UsageError

if TYPE_CHECKING:
    from onebyone_cli.operations.learn.request import CheckedRequest

_DIRECTIONS = ("right", "lower", "lowerright", "both")
_METHODS = ("pca", "svd", "mnf", "maf", "lda", "ica", "random", "unmix")


def _range_of(flag: str, text: str) -> tuple[int, int] | None:
    """Read FIRST:END; None if not given."""
    if not text:
        return None
    parts = text.split(":")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageError(f"{flag} {text} is not a range; write FIRST:END, as in 0:100")
    first, end = map(int, parts)
    if first >= end:
        raise UsageError(f"{flag} {text} is empty; END is the one after the last, as in 0:100")
    return first, end


_NOISE_ROWS = option(
    "--noise-rows",
    metavar="FIRST:END",
    help="Compare neighbours in these rows only, as in 0:100.",
)

_NOISE_COLUMNS = option(
    "--noise-cols", metavar="FIRST:END", help="Compare neighbours in these columns only."
)


class Gathering(Group):
    """Which pixels count, and what is gathered from them."""

    heading = "What to compute"

    noise: Literal["", "right", "lower", "lowerright", "both"] = option(
        "--noise",
        choices=_DIRECTIONS,
        help="Save the moments of the differences of these neighbours, too: mnf and maf learn from "
        "them.",
    )
    noise_rows: str = _NOISE_ROWS
    noise_cols: str = _NOISE_COLUMNS
    labels: str = option(
        "--labels",
        metavar="FILE",
        names="file",
        help="Save the moments of each class, too: lda learns from them. A map of integers, the "
        "class of each pixel; 0 for none.",
    )
    sample: int | None = option(
        "--sample",
        type=int,
        metavar="N",
        help="Use about N randomly chosen pixels and read only those.",
    )
    seed: int | None = option("--seed", type=int, metavar="N", help="Random seed. Default: 0.")

    def rows(self) -> tuple[int, int] | None:
        """Read ``--noise-rows``: the first row and the one after the last."""
        return _range_of("--noise-rows", self.noise_rows)

    def columns(self) -> tuple[int, int] | None:
        """Read ``--noise-cols``: the first column and the one after the last."""
        return _range_of("--noise-cols", self.noise_cols)

    def random_seed(self) -> int:
        """Read ``--seed``."""
        from onebyone_cli.operations.learn.request import check_seed

        return check_seed(self.seed)


class Learning(Gathering):
    """The learner, and how many components it keeps."""

    components: str = option(
        "-k",
        "--components",
        metavar="K|all",
        daily=True,
        complete=lambda: ("all",),
        help="Number of components to keep, or all.",
    )
    variance: str = option(
        "--variance",
        metavar="FRACTION",
        daily=True,
        help="Keep the fewest components that explain this part of the variance, as in 0.99.",
    )
    snr: str = option(
        "--snr",
        metavar="RATIO",
        help="For mnf: keep the components whose signal-to-noise ratio is this or more.",
    )
    method: Literal["pca", "svd", "mnf", "maf", "lda", "ica", "random", "unmix"] = option(
        "--method",
        default="pca",
        choices=_METHODS,
        daily=True,
        help="pca: principal components; svd: the same without centring; mnf: minimum noise "
        "fraction; maf: autocorrelation factors; lda: linear discriminants (--labels); "
        "ica: independent components; random: a random projection; unmix: abundances "
        "(--endmembers). Default: pca.",
    )
    standardize: bool = option(
        "--standardize",
        type=bool,
        help="For pca: divide each channel by its standard deviation first (correlation PCA).",
    )
    whiten: bool = option(
        "--whiten", type=bool, help="For pca: divide each component by its standard deviation."
    )
    noise: Literal["", "right", "lower", "lowerright", "both"] = option(
        "--noise",
        choices=_DIRECTIONS,
        help="For mnf and maf: the neighbours whose differences estimate the noise; both is right "
        "and lower. Default: lowerright for mnf, both for maf.",
    )
    noise_rows: str = _NOISE_ROWS
    noise_cols: str = _NOISE_COLUMNS
    noise_from: str = option(
        "--noise-from",
        metavar="FILE",
        names="file",
        help="For mnf: a stack of noise alone, such as a dark frame, or its moments; its "
        "covariance is that of the noise.",
    )
    labels: str = option(
        "--labels",
        metavar="FILE",
        names="file",
        help="For lda: a map of integers, the class of each pixel; 0 for none.",
    )
    endmembers: str = option(
        "--endmembers",
        metavar="FILE",
        names="file",
        help="For unmix: a matrix with one row per channel and one column per endmember "
        "(spillover matrix), or turned, in any format of weights. Names and wavelengths in its "
        "first row and column are kept.",
    )
    kind: Literal["", "gaussian", "sparse"] = option(
        "--kind",
        choices=("gaussian", "sparse"),
        help="For random: the distribution of the weights. Default: gaussian.",
    )

    def request(self, mask: str, plot: str, *, is_applied: bool = False) -> "CheckedRequest":
        """Return the checked request; `plot` is the file of the scree plot."""
        from onebyone_cli.operations.learn.request import LearnRequest, check_request

        return check_request(
            LearnRequest(
                method=self.method,
                k=self._number_of_components(),
                variance=number_of("--variance", self.variance, "0.99") if self.variance else None,
                snr=number_of("--snr", self.snr, "10") if self.snr else None,
                all_components=self.components == "all",
                standardize=self.standardize,
                whiten=self.whiten,
                kind=self.kind,
                seed=None if self.seed is None else self.random_seed(),
                noise=self.noise,
                noise_rows=self.rows(),
                noise_cols=self.columns(),
                noise_from=self.noise_from,
                labels=self.labels,
                endmembers=self.endmembers or None,
                mask=mask,
                sample=self.sample,
                plot=plot,
            ),
            is_applied=is_applied,
        )

    def _number_of_components(self) -> int | None:
        if self.components in ("", "all"):
            return None
        try:
            return int(self.components)
        except ValueError as error:
            raise UsageError(
                f"-k {self.components} is not a number of components; give a number, or all"
            ) from error
