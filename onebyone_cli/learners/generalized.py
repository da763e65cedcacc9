"""The generalized eigenproblem A·w = λ·B·w of two covariances, where B may be singular.

B is whitened by its eigenvectors, which leaves an ordinary eigenproblem: Golub & Van Loan, "Matrix
Computations", 4th ed., 2013, section 8.7.2. Unlike the Cholesky factor of B, this shows the
directions in which B is zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError, ShapeMismatchError, setting
from onebyone_cli.learners.distinct import Distinct, distinct_channels
from onebyone_cli.learners.model import all_finite, fix_signs
from onebyone_cli.learners.pca import check_counted
from onebyone_cli.units import count, listed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.learners.moments import Moments

    Ratios = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]

#: Share of the largest eigenvalue, of channels of about variance 1, below which an eigenvalue is
#: zero: of 16 digits, fewer than four are left.
_ZERO = 1e-12

#: Share of the variance without cancelling below which a combination of channels does not vary: a
#: standard deviation of 1e-5 of theirs, less than a step of 16 bits.
_EMPTY = 1e-10

#: Share of the largest eigenvalue that a negative one by rounding does not exceed.
_NEGATIVE = 1e-8

#: Variances below this lose digits to underflow.
_SMALLEST = float(np.finfo(np.float64).tiny / np.finfo(np.float64).eps)


class Whitening(NamedTuple):
    """A covariance B, split into directions in which it varies and in which it does not.

    Attributes
    ----------
    power : ndarray of int, shape (C,)
        Channels are divided by 2**power, after which their variances lie within [1/4, 1). That
        makes B about as well conditioned as its units can (van der Sluis, "Condition numbers and
        equilibration of matrices", Numerische Mathematik 14, 1969), and no digit changes.
    distinct : Distinct
        Channels that are duplicates of one another in B, and so have the same weights.
    still : ndarray of bool, shape (C,)
        Channels in which B is zero, and so are the arrays below.
    values, vectors : ndarray of float64, shapes (R,) and (C, R)
        Eigenvalues of the divided B that are not zero, and their eigenvectors.
    null : ndarray of float64, shape (C, N)
        The other eigenvectors: combinations of varying channels that cancel.
    """

    power: NDArray[np.intc]
    distinct: Distinct
    still: NDArray[np.bool_]
    values: NDArray[np.float64]
    vectors: NDArray[np.float64]
    null: NDArray[np.float64]

    @property
    def channels(self) -> int:
        """Number of channels, C."""
        return len(self.still)

    @property
    def rank(self) -> int:
        """Number of directions in which B varies, R."""
        return len(self.values)

    def misses(self, other: NDArray[np.float64], pixels: NDArray[np.float64]) -> bool:
        """Return whether another covariance, shape (C, C), varies where this one does not.

        The variance of a combination of channels is compared with what it would be if nothing
        cancelled, from `pixels`, the variances of the channels, shape (C,); units don't matter.
        """
        if (other.diagonal()[self.still] > 0).any():
            return True
        shift = self._size(np.maximum(other.diagonal(), pixels))
        left = ((self._divide(other, shift) @ self.null) * self.null).sum(axis=0)
        deviations = np.sqrt(np.ldexp(pixels, -2 * self.power - shift))
        # Entries of null vectors that are zero but for rounding count as √ε.
        parts = np.maximum(np.abs(self.null), np.sqrt(np.finfo(np.float64).eps))
        return bool((left > _EMPTY * (deviations @ parts) ** 2).any())

    def ratios(self, other: NDArray[np.float64], source: str = "") -> Ratios:
        """Solve A·w = λ·B·w for a covariance A, shape (C, C), where B varies.

        Returns λ, shape (R,), descending and none negative; the w in rows, shape (R, C), with
        wᵀ·B·w = 1; and B·Wᵀ, shape (C, R), which is W⁻¹ where R is C.

        Raises `DataError` if the ratios are too large for float64.
        """
        shift = self._size(other.diagonal())
        scaled = self._divide(other, shift)
        deviation = np.sqrt(self.values)
        white = self.vectors / deviation
        inner = white.T @ scaled @ white
        found, turn = np.linalg.eigh((inner + inner.T) / 2)
        turn = turn[:, ::-1]
        with np.errstate(over="ignore"):
            eigenvalues = np.ldexp(np.maximum(found[::-1], 0.0), shift)
            total = np.atleast_1d(eigenvalues.sum())
        if not all_finite(total):
            raise DataError("has variances whose ratios are too large; rescale them", source)
        return eigenvalues, *self.in_channels((white @ turn).T, turn.T)

    def in_channels(
        self, rows: NDArray[np.float64], turn: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return W, shape (K, C), and B·Wᵀ, shape (C, K), in units of the channels.

        Parameters
        ----------
        rows : ndarray of float64, shape (K, C)
            Weights of the divided channels.
        turn : ndarray of float64, shape (K, R)
            The same components as directions of the whitened channels.
        """
        rows = self.distinct.settle(np.ldexp(rows, -self.power))
        weight = fix_signs(rows)
        signs = np.where((weight == rows).all(axis=1), 1.0, -1.0)
        deviation = np.sqrt(self.values)
        back = np.ldexp((self.vectors * deviation) @ (turn.T * signs), self.power[:, np.newaxis])
        return weight, self.distinct.settle(back.T).T

    def warnings(self) -> list[str]:
        """Explain why there are fewer components than channels, if so."""
        found = []
        if self.still.any():
            names = listed("channel {} is", "channels {} are", np.flatnonzero(self.still).tolist())
            found.append(f"{names} constant: left out, with weight 0 in every component")
        if self.null.shape[1]:
            varying = self.channels - int(self.still.sum())
            found.append(
                f"{varying} channels are linearly dependent: they have "
                f"{count(self.rank, 'independent component')}, and there are no more"
            )
        return found

    def _size(self, variances: NDArray[np.float64]) -> int:
        """Return the exponent of the largest variance of the divided channels."""
        sizes = (np.frexp(variances)[1] - 2 * self.power)[variances > 0]
        return int(sizes.max()) if len(sizes) else 0

    def _divide(self, matrix: NDArray[np.float64], shift: int) -> NDArray[np.float64]:
        """Divide channels by 2**power, and all by 2**shift."""
        scaled = np.ldexp(matrix, -np.add.outer(self.power, self.power) - shift)
        symmetric: NDArray[np.float64] = (scaled + scaled.T) / 2
        return symmetric


def whiten(matrix: NDArray[np.float64], channels: int, what: str, source: str = "") -> Whitening:
    """Split the covariance B of C channels; its rank is 0 where it is zero.

    Raises
    ------
    ShapeMismatchError
        If it is not of shape (C, C).
    DataError
        If it is not finite, or has variances that are negative or close to underflow.
    """
    check_covariance(matrix, channels, what, source)
    variances = matrix.diagonal()
    still = variances == 0
    distinct = distinct_channels(matrix, still)
    power = np.frexp(np.sqrt(variances))[1][distinct.leading]
    part = distinct.reduce(np.ldexp(matrix, -np.add.outer(power, power)))
    values, vectors = np.linalg.eigh((part + part.T) / 2)
    largest = float(values.max(initial=0.0))
    if (values < -_NEGATIVE * largest).any():
        raise DataError(f"{what} is not a covariance: a combination has negative variance", source)
    whole = distinct.restore(vectors.T).T
    # With more than 500 channels, LAPACK rounds zero to more (see `model.negligible`).
    moving = channels - int(still.sum())
    kept = values > max(_ZERO, 8 * moving * float(np.finfo(np.float64).eps)) * largest
    null = np.hstack([whole[:, ~kept], distinct.contrasts().T])
    return Whitening(power, distinct, still, values[kept], whole[:, kept], null)


def covariance_of(moments: Moments, source: str = "") -> NDArray[np.float64]:
    """Return the covariance of pixels, shape (C, C).

    Raises `DataError` if there is no valid pixel, no channel varies, or numbers are too large or
    too small to square.
    """
    check_counted(moments, source)
    if moments.count > 1:
        covariance = moments.covariance
        if covariance.diagonal().any():
            check_covariance(covariance, moments.channels, "the covariance", source)
            return covariance
    raise DataError(
        f"no channel varies in {count(moments.count, 'valid pixel')}, so there are no components "
        "to learn; expected 2 or more that differ",
        source,
    )


def check_covariance(matrix: NDArray[np.float64], channels: int, what: str, source: str) -> None:
    """Raise an error unless a matrix can be the covariance of C channels."""
    if matrix.shape != (channels, channels):
        raise ShapeMismatchError(
            f"{what} has shape {matrix.shape}; expected {(channels, channels)}, "
            f"for {count(channels, 'channel')}",
            source,
        )
    if not all_finite(matrix):
        raise DataError(
            f"{what} has numbers that are infinite or unknown; expected finite ones, "
            "from two valid pixels or more",
            source,
        )
    variances = matrix.diagonal()
    if (variances < 0).any():
        raise DataError(f"{what} is not a covariance: a channel has negative variance", source)
    if ((variances > 0) & (variances < _SMALLEST)).any():
        raise DataError(
            f"{what} has variances below {_SMALLEST:.0e}, too small for float64; rescale the "
            "pixels",
            source,
        )


def check_rank(k: int | None, rank: int, channels: int, source: str) -> None:
    """Raise `DataError` if dependent channels leave fewer than `k` components."""
    if k is not None and rank < channels and k > rank:
        raise DataError(
            f"has {count(rank, 'independent component')} in {count(channels, 'channel')}, "
            f"and {k} were asked for; ask for {setting('k', rank)} or fewer",
            source,
        )
