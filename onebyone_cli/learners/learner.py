"""What a learner owes the rest of the program."""

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
        What of `Statistics` it looks at: ``"pixels"``, ``"differences"``, ``"classes"``,
        ``"sample"`` or ``"endmembers"``. Without any of the first four nothing is read but
        headers.
    options : tuple of str
        Keywords that `learn` takes; command-line options have the same names.
    learn : callable
        Takes the statistics, a name for messages, and the options; returns a model.
    eigenvalues : bool
        Whether the model has any, so that there is something to plot.
    prepare : callable
        Imports what `learn` will need; called before anything is read. Raises
        `DependencyMissingError`.
    """

    needs: frozenset[str]
    options: tuple[str, ...]
    learn: Callable[[Statistics, str, Mapping[str, Any]], Model]
    eigenvalues: bool = True
    prepare: Callable[[], object] = lambda: None

    @property
    def reads_pixels(self) -> bool:
        """Whether it has to see any pixel."""
        return bool(self.needs - {"endmembers"})
