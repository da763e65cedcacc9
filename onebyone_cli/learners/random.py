"""Random projections, which keep distances within a small error and learn nothing.

Johnson & Lindenstrauss, "Extensions of Lipschitz mappings into a Hilbert space", 1984.
"""

from __future__ import annotations

import numpy as np

from onebyone_cli.errors import UsageError, setting
from onebyone_cli.learners.learner import Learner
from onebyone_cli.learners.model import Model, check_components, make_model

KINDS = ("gaussian", "sparse")


def fit_random(
    channels: int,
    *,
    k: int,
    kind: str = "gaussian",
    seed: int = 0,
    source: str = "",
) -> Model:
    """Draw a random projection from C channels to K, which may be more than C.

    Both kinds keep squared lengths on average: E|W·x|² = |x|². ``"gaussian"`` draws from
    N(0, 1/K). ``"sparse"`` draws ±√(√C/K) with probability 1/√C and else 0: Achlioptas,
    "Database-friendly random projections", JCSS 66, 2003, theorem 1.1, with the density of Li,
    Hastie & Church, "Very sparse random projections", KDD 2006, section 3. The sign rule of
    learned components would spoil the distribution, so it is not applied. The generator is PCG64.

    Returns
    -------
    Model
        Bias and mean are 0; there are no eigenvalues.

    Raises
    ------
    UsageError
        If `k`, `kind` or `seed` is out of range.
    """
    check_components(k)
    if kind not in KINDS:
        raise UsageError(f"{setting('kind', kind)} is unknown; choose from {', '.join(KINDS)}")
    if seed < 0:
        raise UsageError(f"{setting('seed', seed)} is negative; give 0 or more")
    generator = np.random.Generator(np.random.PCG64(seed))
    if kind == "gaussian":
        weight = generator.standard_normal((k, channels)) / np.sqrt(k)
    else:
        density = 1 / np.sqrt(channels)
        drawn = generator.random((k, channels))
        signs = np.where(drawn < density / 2, -1.0, np.where(drawn < density, 1.0, 0.0))
        weight = signs * np.sqrt(1 / (density * k))
    return make_model(
        weight, method="random", options={"k": k, "kind": kind, "seed": seed}, source=source
    )


LEARNER = Learner(
    needs=frozenset(),
    options=("k", "kind", "seed"),
    learn=lambda known, source, options: fit_random(known.channels, source=source, **options),
    eigenvalues=False,
)
