"""The contract of a learner."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from onebyone_cli.learners.model import Model
    from onebyone_cli.learners.statistics import Statistics


class Learner(NamedTuple):
    """One method; each learner's module defines one as ``LEARNER``.

    Attributes
    ----------
    needs : frozenset of str
        Fields of `Statistics` that it reads: ``"pixels"``, ``"differences"``, ``"classes"``,
        ``"sample"`` or ``"endmembers"``.
    options : tuple of str
        Keywords of `learn`, which are names of command-line options too.
    learn : callable
        Makes a model of the statistics, their source for messages, and the options.
    eigenvalues : bool
        Whether its models have eigenvalues to plot.
    prepare : callable
        Imports what `learn` needs, before anything is read. Raises `DependencyMissingError`.
    """

    needs: frozenset[str]
    options: tuple[str, ...]
    learn: Callable[[Statistics, str, Mapping[str, Any]], Model]
    eigenvalues: bool = True
    prepare: Callable[[], object] = lambda: None

    @property
    def reads_pixels(self) -> bool:
        """Whether it needs any pixel."""
        return bool(self.needs - {"endmembers"})
