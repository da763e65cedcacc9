"""Apply and learn 1×1 convolutions on arrays and files, as the command does.

>>> import numpy, onebyone_cli
>>> onebyone_cli.apply(numpy.ones((3, 2, 2), "float32"), [[0.1, 0.2, 0.4]]).shape
(1, 2, 2)

`apply` and `fit` run the code of ``onebyone apply`` and ``onebyone fit``; `open_stack` reads parts
of a file. Nothing is printed, and signals are not changed.

**The same bytes** result as from the command on the same machine if numpy's BLAS runs as in the
command: with one thread, and on Zen 4 processors with the kernels for Zen. Using one of these names
sets that up if numpy has not been imported yet; numpy then keeps one thread in the whole process.
If numpy has been imported already, nothing is changed and last bits may differ, unless the
environment had ``OPENBLAS_NUM_THREADS=1`` (on Zen 4 also ``OPENBLAS_CORETYPE=Zen``) from the start.
The result does not depend on `memory` and `threads`.

**Errors** are those of `onebyone_cli.errors`, all of them `OneByOneError`, with the messages of the
command, where ``--force`` becomes ``force=True``. They are also Python's: a malformed input or
argument is a `ValueError`, a missing file a `FileNotFoundError`, a library that is not installed an
`ImportError`, and a failure to read or write an `OSError`.

**What the command says** of its files, such as the nodata value that is used, goes to the logger
``onebyone_cli`` at the level INFO; what it says after "warning" is an `OneByOneWarning`.
"""

from onebyone_cli.api.applying import apply
from onebyone_cli.api.fitting import fit
from onebyone_cli.api.model import Model
from onebyone_cli.api.opening import OpenStack, open_stack
from onebyone_cli.errors import OneByOneError, OneByOneWarning
from onebyone_cli.operations.apply.settings import ApplyReport

__all__ = [
    "ApplyReport",
    "Model",
    "OneByOneError",
    "OneByOneWarning",
    "OpenStack",
    "apply",
    "fit",
    "open_stack",
]
