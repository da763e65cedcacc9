"""The face of the program for notebooks: the engine of the command, for arrays and files.

>>> import numpy, onebyone_cli
>>> onebyone_cli.apply(numpy.ones((3, 2, 2), "float32"), [[0.1, 0.2, 0.4]]).shape
(1, 2, 2)

`apply` and `fit` do what ``onebyone apply`` and ``onebyone fit`` do, by the same code; `open_stack`
reads parts of a file. Nothing is printed and no signal is touched.

**The same bytes** as the command gives on the same machine, where numpy's BLAS runs as the command
has it: with one thread, and on Zen 4 processors with the kernels for Zen. That is set up when one
of these names is used before anything has imported numpy; numpy then keeps one thread for whatever
else the process does. Where numpy is there already nothing is changed, and last bits may differ,
unless the environment had ``OPENBLAS_NUM_THREADS=1`` (on Zen 4 also ``OPENBLAS_CORETYPE=Zen``) from
the start. The result does not depend on `memory` and `threads` either way.

**Errors** are those of `onebyone_cli.errors`, all of them `OneByOneError`, in the words of the
command: ``--force`` is ``force=True``. They can also be caught as Python has them: a malformed or
unfitting input or argument is a `ValueError`, a missing file a `FileNotFoundError`, a library that
is not installed an `ImportError`, and what can't be written or fails on the way an `OSError`.
"""

from onebyone_cli.api.applying import apply
from onebyone_cli.api.fitting import fit
from onebyone_cli.api.model import Model
from onebyone_cli.api.opening import OpenStack, open_stack
from onebyone_cli.errors import OneByOneError
from onebyone_cli.operations.apply.settings import ApplyReport

__all__ = ["ApplyReport", "Model", "OneByOneError", "OpenStack", "apply", "fit", "open_stack"]
