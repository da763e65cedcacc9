"""Models for notebooks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onebyone_cli.api.applying import apply
from onebyone_cli.commit import targets
from onebyone_cli.commit.publication import Publication
from onebyone_cli.operations.learn.gathered import save
from onebyone_cli.operations.names import check_archive_name
from onebyone_cli.units import count
from onebyone_cli.weights.channel_map import ChannelMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.api.opening import Path, StackLike
    from onebyone_cli.learners.model import Model as Learned
    from onebyone_cli.operations.learn.gathered import Gathered


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """Learned weights with their statistics, and the inverse transform.

    `fit` returns it. Arrays are float64, for a stack of C channels and K components.
    """

    _learned: Learned
    _gathered: Gathered

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, if files name them; else empty."""
        return self._gathered.names

    @property
    def map(self) -> ChannelMap:
        """Weight and bias, as `apply` takes them, with the names of the channels."""
        learned, known = self._learned.map, self._gathered.identity
        meta = {**learned.meta, **self._gathered.known_channels()}
        if not any(known):
            return learned
        return ChannelMap(learned.weight, learned.bias, learned.source, meta)

    @property
    def weight(self) -> NDArray[np.float64]:
        """Shape (K, C): one row per component."""
        return self._learned.map.weight

    @property
    def bias(self) -> NDArray[np.float64]:
        """Shape (K,): −weight · mean."""
        return self._learned.map.bias

    @property
    def mean(self) -> NDArray[np.float64]:
        """Shape (C,), in the unit of each channel; zeros where nothing is subtracted."""
        return self._learned.mean

    @property
    def scale(self) -> NDArray[np.float64]:
        """Shape (C,): what each channel is divided by; ones unless standardized."""
        return self._learned.scale

    @property
    def eigenvalues(self) -> NDArray[np.float64]:
        """Shape (C,), descending, of all components; (0,) where the method has none."""
        return self._learned.eigenvalues

    @property
    def explained_variance(self) -> NDArray[np.float64]:
        """Shape (K,): eigenvalues of the components kept; (0,) where they are no variances."""
        return self._learned.explained_variance

    @property
    def explained_variance_ratio(self) -> NDArray[np.float64]:
        """Shape (K,): their shares of the sum of all eigenvalues."""
        return self._learned.explained_variance_ratio

    @property
    def method(self) -> str:
        """The learner's name."""
        return str(self._learned.meta["method"])

    @property
    def pixels(self) -> int:
        """Pixels that were learned from."""
        return int(self._learned.meta["count"])

    @property
    def invalid_pixels(self) -> int:
        """Pixels that were left out: NaN, infinite, nodata, or masked."""
        return int(self._learned.meta["invalid"])

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about this result, a sentence each."""
        return self._learned.warnings

    def __repr__(self) -> str:
        k, c = self.weight.shape
        return f"<Model {self.method}: {count(c, 'channel')} to {k}>"

    def apply(self, stack: StackLike, **options: Any) -> Any:
        """Project a stack onto the components: `apply` with this model, its options and result."""
        return apply(stack, self, **options)

    def inverse(self, components: StackLike, **options: Any) -> Any:
        """Reconstruct the C channels from a stack of K components, as ``apply --inverse``.

        Options and result are those of `apply`.
        """
        return apply(components, self._learned.inverse(), **options)

    def save(self, path: Path, *, force: bool = False, fsync: bool = False) -> None:
        """Save the model as ``onebyone fit`` does: a ``.npz`` that is a weights file for `apply`.

        Parameters
        ----------
        path : str or PathLike
            The file; it appears complete or not at all.
        force, fsync : bool
            Overwrite an existing file; flush it to disk before renaming it into place.

        Raises
        ------
        OutputRefusedError, ReadWriteError
            If the file exists, or can't be written.
        """
        path = os.fspath(path)
        check_archive_name(path, "a model")
        targets.check_target(path, force=force)
        save(self._learned, self._gathered, path, Publication(force, fsync))
