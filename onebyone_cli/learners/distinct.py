"""Channels that a learner solves for: the varying ones, and one of each set of duplicates.

A channel that does not vary has weight 0, and duplicated channels have equal weights. LAPACK gives
both up to rounding only, which differs between processors. So learners solve the problem for the
distinct channels, and expand the solution to all of them.

With P the membership matrix (C, G) of C channels in G sets, and M = PᵀP = diag(members),
Q = P·M^-½ has orthonormal columns. A symmetric S of the channels is
P·T·Pᵀ = Q·(M^½·T·M^½)·Qᵀ, where T is S of one channel of each set. Its eigenvalues are those of
M^½·T·M^½ with eigenvectors Q·u, and zeros in the directions orthogonal to Q.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Relative difference of the co-moments of duplicates. BLAS sums the products of equal rows in
#: different orders, which moves a co-moment by a few ε, 1e-15 (measured: at most 10 ε, for skewed
#: pixels, 5000 tiles and each kernel). Noise of 1e-9 of a channel moves it by 1e-9/√N in N pixels.
_SAME = 1e-13


class Distinct(NamedTuple):
    """Sets of duplicated channels, most of which have one member.

    ``place``, shape (C,), is the set of each channel, -1 where the channel is left out. ``first``,
    shape (G,), is the first channel of each set, ascending.
    """

    place: NDArray[np.intp]
    first: NDArray[np.intp]

    @property
    def channels(self) -> int:
        """Number of channels, C."""
        return len(self.place)

    @property
    def members(self) -> NDArray[np.intp]:
        """Number of channels in each set, shape (G,)."""
        return np.bincount(self.place[self.place >= 0], minlength=len(self.first))

    @property
    def leading(self) -> NDArray[np.intp]:
        """First channel of the set of each channel, shape (C,); itself if left out."""
        leading, kept = np.arange(self.channels), self.place >= 0
        leading[kept] = self.first[self.place[kept]]
        return leading

    @property
    def _all(self) -> bool:
        return len(self.first) == self.channels

    def reduce(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return M^½·T·M^½, shape (G, G), of a symmetric matrix of shape (C, C)."""
        if self._all:
            return matrix
        part: NDArray[np.float64] = matrix[np.ix_(self.first, self.first)]
        # The root of the product, which is exact where both sets are of one size.
        return part * np.sqrt(np.multiply.outer(self.members, self.members))

    def reduce_rows(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return rows·Q, shape (R, G), of rows of shape (R, C) that are equal in duplicates."""
        if self._all:
            return rows
        part: NDArray[np.float64] = rows[:, self.first]
        return part * np.sqrt(self.members)

    def restore(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return rows·Qᵀ, shape (R, C), of rows of shape (R, G).

        Duplicates get equal numbers to the last bit, and channels left out get 0.
        """
        if self._all:
            return rows
        kept = self.place >= 0
        whole = np.zeros((len(rows), self.channels))
        whole[:, kept] = (rows / np.sqrt(self.members))[:, self.place[kept]]
        return whole

    def settle(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give duplicates, in rows of shape (R, C), the numbers of the first of them.

        BLAS may round products of equal columns differently.
        """
        if len(self.first) + np.count_nonzero(self.place < 0) == self.channels:
            return rows
        return np.take(rows, self.leading, axis=1)

    def contrasts(self) -> NDArray[np.float64]:
        """Return orthonormal rows in which the members of a set cancel, one fewer than members.

        The j-th of a set is (1, …, 1, −j) / √(j(j + 1)) in its first j + 1 members.
        """
        found = []
        for index in np.flatnonzero(self.members > 1):
            channels = np.flatnonzero(self.place == index)
            for j in range(1, len(channels)):
                row = np.zeros(self.channels)
                row[channels[:j]] = 1 / np.sqrt(j * (j + 1))
                row[channels[j]] = -j / np.sqrt(j * (j + 1))
                found.append(row)
        return np.array(found).reshape(-1, self.channels)

    def restore_basis(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Restore G orthonormal rows and complete them to a basis, shape (C, C).

        `contrasts` follow, and then the channels left out.
        """
        if self._all:
            return rows
        left_out = np.eye(self.channels)[self.place < 0]
        return np.vstack([self.restore(rows), self.contrasts(), left_out])


def distinct_channels(
    matrix: NDArray[np.float64],
    left_out: NDArray[np.bool_],
    means: NDArray[np.float64] | None = None,
) -> Distinct:
    """Find duplicates among channels by their moments.

    Parameters
    ----------
    matrix : ndarray of float64, shape (C, C)
        Covariance or co-moment.
    left_out : ndarray of bool, shape (C,)
        Channels to leave out.
    means : ndarray of float64, shape (C,), optional
        Numbers that duplicates must share too, in the unit of the root of `matrix`. Without them,
        a channel plus a constant is a duplicate.
    """
    variances = matrix.diagonal()
    sizes = np.sqrt(np.maximum(variances, 0.0))
    means = np.zeros(len(matrix)) if means is None else means
    lengths = np.hypot(sizes, means)
    place = np.full(len(matrix), -1)
    first: list[int] = []
    open_ = ~left_out
    with np.errstate(over="ignore"):
        for channel in np.flatnonzero(open_):
            if place[channel] >= 0:
                continue
            place[channel] = len(first)
            first.append(int(channel))
            open_[channel] = False
            row, bound = matrix[channel], _SAME * sizes[channel] * sizes
            near = open_ & (np.abs(row - variances[channel]) <= bound)
            near &= np.abs(means - means[channel]) <= _SAME * lengths[channel]
            for other in np.flatnonzero(near):
                if (np.abs(matrix[other] - row) <= bound).all():
                    place[other] = place[channel]
                    open_[other] = False
    return Distinct(place, np.array(first, np.intp))


def distinct_columns(matrix: NDArray[np.float64]) -> Distinct:
    """Find equal columns of a matrix of shape (R, C); those of zeros are left out."""
    place = np.full(matrix.shape[1], -1)
    first: list[int] = []
    seen: dict[bytes, int] = {}
    for channel in np.flatnonzero(matrix.any(axis=0)):
        column = (matrix[:, channel] + 0.0).tobytes()  # the sum turns -0 to 0
        place[channel] = seen.setdefault(column, len(first))
        if place[channel] == len(first):
            first.append(int(channel))
    return Distinct(place, np.array(first, np.intp))
