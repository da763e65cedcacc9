"""Read kernels in the orders of axes that other programs use.

A kernel of a 1×1 convolution has K, C and axes of size 1, in one of three orders::

    (K, C, 1, 1)    PyTorch; (K, C, 1) and (K, C, 1, 1, 1) for one and three dimensions
    (K, 1, 1, C)    TensorFlow Lite, MLX
    (1, 1, C, K)    Keras, TensorFlow

The axes of size 1 tell which one it is. Only (1, 1, 1, N) can be one row or one column: a bias of N
numbers, or the number of channels, decides. A matrix is always (K, C).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Shape = tuple[int, ...]


class Order(NamedTuple):
    """An order of axes: K and C around the axes of size 1, and whether C comes before K."""

    before: str
    after: str
    turned: bool = False

    def shown(self, axes: int) -> str:
        """Return the order for messages, of a kernel with so many axes."""
        names = [*self.before, *"1" * (axes - 2), *self.after]
        return f"({', '.join(names)})"


_FIRST = Order("KC", "")
_LAST = Order("K", "C")
_KERAS = Order("", "CK", turned=True)


class Kernel(NamedTuple):
    """A kernel as a matrix.

    Attributes
    ----------
    matrix : ndarray of float64, shape (K, C)
    note : str
        What the user should know of its order; empty for the usual ones.
    is_either : bool
        Whether it can be a row, as here, or a column.
    """

    matrix: NDArray[np.float64]
    note: str = ""
    is_either: bool = False


def orders_of(shape: Shape) -> list[Order]:
    """Return the orders in which a shape of three to five axes is that of a 1×1 kernel."""
    if not 3 <= len(shape) <= 5:
        return []
    singles = [size == 1 for size in shape]
    found = []
    if all(singles[2:]):
        found.append(_FIRST)
    if all(singles[1:-1]):
        found.append(_LAST)
    # (1, A, A) may as well be a batch of one matrix.
    if all(singles[:-2]) and not (len(shape) == 3 and shape[1] == shape[2] > 1):
        found.append(_KERAS)
    return found


def as_matrix(kernel: NDArray[np.float64], path: str) -> Kernel:
    """Return a weight of any accepted shape as a matrix (K, C).

    Raises `DataError` if the shape is not that of a 1×1 kernel.
    """
    if kernel.ndim == 2:
        return Kernel(kernel)
    orders = orders_of(kernel.shape)
    if not orders:
        raise DataError(
            f"the weight has shape {kernel.shape}; expected a 1×1 kernel, as (K, C)", path
        )
    order = orders[0]
    matrix: NDArray[np.float64]
    sides = [size for size in kernel.shape if size > 1]
    if order.turned:
        matrix = kernel.reshape(kernel.shape[-2:]).T
    elif order is _FIRST:
        matrix = kernel.reshape(kernel.shape[:2])
    else:
        matrix = kernel.reshape(kernel.shape[0], kernel.shape[-1])
    if order is _FIRST and kernel.ndim == 4:
        return Kernel(matrix)
    if _KERAS in orders[1:] and len(sides) == 1:  # (1, 1, 1, N)
        note = f"shape {kernel.shape} is one row, or one column for a stack of one channel"
        return Kernel(matrix, note, is_either=True)
    note = f"shape {kernel.shape} is read as {order.shown(kernel.ndim)}"
    return Kernel(matrix, note)
