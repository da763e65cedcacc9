"""The generalized eigenproblem A·w = λ·B·w of two covariances, where B may be singular.

B is whitened by its eigenvectors, and what is left is an ordinary eigenproblem: Golub & Van Loan,
"Matrix Computations", 4th ed., 2013, section 8.7.2. The directions in which B is zero show on the
way, which with the Cholesky factor of B they would not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from onebyone_cli.errors import DataError, ShapeMismatchError
from onebyone_cli.learners.distinct import Distinct, distinct_channels
from onebyone_cli.learners.model import all_finite, fix_signs
from onebyone_cli.learners.pca import check_counted
from onebyone_cli.units import count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.learners.moments import Moments

#: Eigenvalues of a covariance, of channels divided by their standard deviations, that are less than
#: this share of the largest are zero: of what is known to 16 digits, fewer than four would be left.
_ZERO = 1e-12

#: A combination of channels with no more than this share of the variance it would have if nothing
#: cancelled does not vary: its standard deviation is 1e-5 of theirs, less than a step of 16 bits.
_EMPTY = 1e-10

#: An eigenvalue below minus this share of the largest is no rounding.
_NEGATIVE = 1e-8

#: Variances below this have lost digits to underflow, or lose them when they are multiplied.
_SMALLEST = float(np.finfo(np.float64).tiny / np.finfo(np.float64).eps)

#: Names of channels in one message.
_NAMED = 10


class Ratios(NamedTuple):
    """Directions in which two covariances differ most.

    Attributes
    ----------
    eigenvalues : ndarray of float64, shape (R,)
        λ, descending, none negative.
    weight : ndarray of float64, shape (R, C)
        The w in rows, with wᵀ·B·w = 1.
    back : ndarray of float64, shape (C, R)
        B·Wᵀ, which is W⁻¹ where R is C.
    """

    eigenvalues: NDArray[np.float64]
    weight: NDArray[np.float64]
    back: NDArray[np.float64]


class Whitening(NamedTuple):
    """A covariance B, taken apart into the directions in which it varies and those in which not.

    Attributes
    ----------
    power : ndarray of int, shape (C,)
        Channels are divided by 2**power, after which their variances lie within [1/4, 1). That
        makes B about as well conditioned as its units can (van der Sluis, "Condition numbers and
        equilibration of matrices", Numerische Mathematik 14, 1969), and no digit changes.
    distinct : Distinct
        Channels that are duplicates of one another in B, and so have the same weights.
    still : ndarray of bool, shape (C,)
        Channels in which B is zero; nothing below has anything in them.
    values, vectors : ndarray of float64, shapes (R,) and (C, R)
        Eigenvalues of the divided B that are not zero, and their eigenvectors.
    null : ndarray of float64, shape (C, N)
        The other eigenvectors: combinations of channels that are not still, but cancel.
    """

    power: NDArray[np.intc]
    distinct: Distinct
    still: NDArray[np.bool_]
    values: NDArray[np.float64]
    vectors: NDArray[np.float64]
    null: NDArray[np.float64]

    @property
    def channels(self) -> int:
        """C."""
        return len(self.still)

    @property
    def rank(self) -> int:
        """R."""
        return len(self.values)

    def misses(self, other: NDArray[np.float64], pixels: NDArray[np.float64]) -> bool:
        """Say whether another covariance varies in a direction in which this one does not.

        Parameters
        ----------
        other : ndarray of float64, shape (C, C)
            The other.
        pixels : ndarray of float64, shape (C,)
            Variances of the channels. What a combination of channels has is compared with what it
            would have if nothing cancelled, so that units of channels don't matter.
        """
        if (other.diagonal()[self.still] > 0).any():
            return True
        shift = self._size(np.maximum(other.diagonal(), pixels))
        left = ((self._divide(other, shift) @ self.null) * self.null).sum(axis=0)
        deviations = np.sqrt(np.ldexp(pixels, -2 * self.power - shift))
        # What rounding left of an entry that is zero must not be all that there is to compare with.
        parts = np.maximum(np.abs(self.null), np.sqrt(np.finfo(np.float64).eps))
        return bool((left > _EMPTY * (deviations @ parts) ** 2).any())

    def ratios(self, other: NDArray[np.float64], source: str = "") -> Ratios:
        """Solve A·w = λ·B·w for another covariance A, within the directions in which B varies.

        Parameters
        ----------
        other : ndarray of float64, shape (C, C)
            A; of what `misses` finds in it nothing is seen.
        source : str
            What it is of, for messages.

        Raises
        ------
        DataError
            If the ratios are too large for float64.
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
        return Ratios(eigenvalues, *self.in_channels((white @ turn).T, turn.T))

    def in_channels(
        self, rows: NDArray[np.float64], turn: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Settle signs and units of components.

        Parameters
        ----------
        rows : ndarray of float64, shape (K, C)
            Weights of the divided channels.
        turn : ndarray of float64, shape (K, R)
            The same components as directions of the whitened channels.

        Returns
        -------
        weight : ndarray of float64, shape (K, C)
            W.
        back : ndarray of float64, shape (C, K)
            B·Wᵀ.
        """
        rows = self.distinct.settle(np.ldexp(rows, -self.power))
        weight = fix_signs(rows)
        signs = np.where((weight == rows).all(axis=1), 1.0, -1.0)
        deviation = np.sqrt(self.values)
        back = np.ldexp((self.vectors * deviation) @ (turn.T * signs), self.power[:, np.newaxis])
        return weight, self.distinct.settle(back.T).T

    def warnings(self) -> list[str]:
        """Say why there are fewer components than channels, where there are."""
        found = []
        if self.still.any():
            found.append(f"{_name(self.still)}, with weight 0 in every component")
        if self.null.shape[1]:
            varying = self.channels - int(self.still.sum())
            found.append(
                f"{varying} channels are linearly dependent: they have "
                f"{count(self.rank, 'independent component')}, and there are no more"
            )
        return found

    def _size(self, variances: NDArray[np.float64]) -> int:
        """Return the power of two of the largest of some variances, channels being divided."""
        sizes = (np.frexp(variances)[1] - 2 * self.power)[variances > 0]
        return int(sizes.max()) if len(sizes) else 0

    def _divide(self, matrix: NDArray[np.float64], shift: int) -> NDArray[np.float64]:
        """Divide channels by 2**power, and all by 2**shift."""
        scaled = np.ldexp(matrix, -np.add.outer(self.power, self.power) - shift)
        symmetric: NDArray[np.float64] = (scaled + scaled.T) / 2
        return symmetric


def whiten(matrix: NDArray[np.float64], channels: int, what: str, source: str = "") -> Whitening:
    """Take a covariance apart.

    Parameters
    ----------
    matrix : ndarray of float64, shape (C, C)
        B.
    channels : int
        C.
    what, source : str
        What B is called and what it was learned from, for messages.

    Returns
    -------
    Whitening
        Of rank 0 where B is zero.

    Raises
    ------
    ShapeMismatchError
        If it is not of shape (C, C).
    DataError
        If it is not finite, or has variances that are negative or next to underflow.
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
        raise DataError(f"{what} is no covariance: a combination has negative variance", source)
    whole = distinct.restore(vectors.T).T
    # With more than 500 channels, LAPACK rounds zero to more (see `model.negligible`).
    moving = channels - int(still.sum())
    kept = values > max(_ZERO, 8 * moving * float(np.finfo(np.float64).eps)) * largest
    null = np.hstack([whole[:, ~kept], distinct.contrasts().T])
    return Whitening(power, distinct, still, values[kept], whole[:, kept], null)


def covariance_of(moments: Moments, source: str = "") -> NDArray[np.float64]:
    """Return the covariance of pixels, shape (C, C).

    Raises
    ------
    DataError
        If there is no valid pixel, no channel varies, or numbers are too large or too small to be
        squared.
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
    """Refuse what can't be the covariance of C channels by its shape, or by a number in it."""
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
        raise DataError(f"{what} is no covariance: a channel has negative variance", source)
    if ((variances > 0) & (variances < _SMALLEST)).any():
        raise DataError(
            f"{what} has variances below {_SMALLEST:.0e}, too small for float64; rescale the "
            "pixels",
            source,
        )


def check_rank(k: int | None, rank: int, channels: int, source: str) -> None:
    """Raise `DataError` where more components are asked for than there are, though C would do."""
    if k is not None and rank < channels and k > rank:
        raise DataError(
            f"has {count(rank, 'independent component')} in {count(channels, 'channel')}, "
            f"and {k} were asked for; ask for -k {rank} or fewer",
            source,
        )


def _name(which: NDArray[np.bool_]) -> str:
    """Name channels as the beginning of a sentence."""
    found = np.flatnonzero(which)
    names = ", ".join(map(str, found[:_NAMED])) + (", …" if len(found) > _NAMED else "")
    if len(found) == 1:
        return f"channel {names} is constant and was left out"
    return f"channels {names} are constant and were left out"
