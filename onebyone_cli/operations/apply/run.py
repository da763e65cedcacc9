"""Apply weights to inputs: load the layers, check and plan a job."""

from collections.abc import Sequence
from os.path import exists
from typing import TYPE_CHECKING, Any, NamedTuple

from onebyone_cli.commit.publication import NEW, Publication
from onebyone_cli.errors import UsageError, setting, spelled
from onebyone_cli.units import count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onebyone_cli.arithmetic.conv1x1 import Layer
    from onebyone_cli.formats.contracts.reader import Reader, StreamReader
    from onebyone_cli.formats.contracts.writer import Storage, Target
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.apply.settings import ApplySettings
    from onebyone_cli.operations.depfile import DepFile
    from onebyone_cli.operations.elsewhere import Elsewhere
    from onebyone_cli.weights.batch_norm import Folding
    from onebyone_cli.weights.channel_map import ChannelMap

    Inputs = Sequence[Reader | StreamReader]


class WeightsRequest(NamedTuple):
    """The layers to apply: files, arrays or text.

    Attributes
    ----------
    kernel : sequence of str
        Weights as text, in place of `weights`.
    bias : sequence
        One for each layer, or empty: a file or text, numbers of shape (K,), or None.
    activation : sequence of str
        As in `make_layers`.
    inverse, denoise : bool
        Reconstruct channels from the components of a model; project onto them first.
    folding : Folding or None
        Which batch normalization of the files to fold into each layer; None for none.
    """

    weights: "Sequence[str | ChannelMap]" = ()
    kernel: Sequence[str] = ()
    bias: "Sequence[str | NDArray[Any] | None]" = ()
    activation: Sequence[str] = ()
    inverse: bool = False
    denoise: bool = False
    allow_nonfinite: bool = False
    folding: "Folding | None" = None

    @property
    def files(self) -> tuple[str, ...]:
        """Names that may be those of files."""
        from onebyone_cli.weights.formats import split_member

        named = (each for each in (*self.weights, *self.bias) if isinstance(each, str))
        return tuple(split_member(each)[0] for each in named)

    def load(self) -> "tuple[Layer, ...]":
        """Read weights and biases, and join them into a chain.

        Raises
        ------
        UsageError
            If options contradict each other.
        OneByOneError
            If a file can't be read, or layers do not fit each other.
        """
        from onebyone_cli.arithmetic.conv1x1 import make_layers

        if self.inverse or self.denoise:
            return make_layers(self._inverse_maps(), [])
        return make_layers(self._maps(), self.activation)

    def _maps(self) -> "list[ChannelMap]":
        files, text = setting("weights", "FILE"), setting("kernel", "TEXT")
        if self.weights and self.kernel:
            raise UsageError(f"give {files} or {text}, not both")
        if not (self.weights or self.kernel):
            raise UsageError(f"no weights; give {files} or {text}")
        if self.folding is not None and not self.weights:
            raise UsageError(f"{setting('fold_bn')} is for layers of networks; give {files}")
        if self.folding is not None and self.folding.name and len(self.weights) > 1:
            raise UsageError(
                f"{setting('bn_name')} is for one layer, and {len(self.weights)} are given; fold "
                "each with onebyone weights convert"
            )
        if self.weights:
            maps = [self._map(each) for each in self.weights]
        else:
            from onebyone_cli.weights.typed import parse_kernel

            source = spelled(setting("kernel"))
            maps = [
                parse_kernel(text, source, allow_nonfinite=self.allow_nonfinite)
                for text in self.kernel
            ]
        if self.bias and len(self.bias) != len(maps):
            raise UsageError(
                f"{setting('bias')} is given {count(len(self.bias), 'time')} for "
                f"{count(len(maps), 'layer')}; give it once for each"
            )
        return [
            self._with_bias(each, bias)
            for each, bias in zip(maps, self.bias or [None] * len(maps), strict=True)
        ]

    def _map(self, given: "str | ChannelMap") -> "ChannelMap":
        from onebyone_cli.weights.load import load_weights

        if isinstance(given, str):
            return load_weights(given, allow_nonfinite=self.allow_nonfinite, folding=self.folding)
        return given

    def _with_bias(self, found: "ChannelMap", bias: "str | NDArray[Any] | None") -> "ChannelMap":
        if bias is None:
            return found
        if not isinstance(bias, str):
            return found.with_bias(bias, "bias")
        from onebyone_cli.weights.typed import parse_bias

        source = bias if exists(bias) else spelled(setting("bias"))
        numbers = parse_bias(bias, source, allow_nonfinite=self.allow_nonfinite)
        return found.with_bias(numbers, source)

    def _inverse_maps(self) -> "list[ChannelMap]":
        """Return the inverse transform of a model, for `denoise` after the transform itself."""
        from onebyone_cli.learners.model import inverse_map

        if self.inverse and self.denoise:
            raise UsageError(f"give {setting('inverse')} or {setting('denoise')}, not both")
        if len(self.weights) != 1 or self.kernel or self.bias or self.activation:
            raise UsageError(
                f"{setting('inverse')} and {setting('denoise')} take one model as "
                f"{setting('weights')}, and nothing beside it"
            )
        model = self._map(self.weights[0])
        saved = model.meta
        inverse = inverse_map(model, saved.get("mean"), saved.get("scale"), saved.get("inverse"))
        return [model, inverse] if self.denoise else [inverse]


class Output(NamedTuple):
    """Where a result goes.

    Attributes
    ----------
    path : str
        As the user wrote it.
    format_name : str
        Empty for the format that the suffix of `path` stands for.
    layout : str
        Order of the axes in the output; empty for that of the format.
    also_read : tuple of str
        Files that are read beside the inputs; none of them may be overwritten.
    """

    path: str
    format_name: str = ""
    also_read: tuple[str, ...] = ()
    storage: "Storage | None" = None
    publication: Publication = NEW
    layout: str = ""

    def target(self, inputs: "Inputs", settings: "ApplySettings") -> "Target":
        """Check the name and choose the format; nothing is created."""
        from onebyone_cli.formats import opening

        return opening.make_target(
            self.path,
            inputs=inputs,
            also_read=self.also_read,
            format_name=self.format_name,
            layout=self.layout,
            publication=settings.publication(self.publication),
            storage=self.storage,
        )


def plan_apply(
    inputs: "Inputs",
    layers: "Sequence[Layer]",
    output: Output,
    settings: "ApplySettings",
    *,
    held: "Inputs | None" = None,
    mask: "Reader | None" = None,
    is_rehearsal: bool = False,
) -> "ApplyJob":
    """Check and plan a job; nothing is created.

    `held` are the inputs in a form that can be read several times, if `inputs` can't be. The other
    parameters are those of `ApplyJob`.
    """
    from onebyone_cli.operations.apply.job import ApplyJob

    return ApplyJob(
        inputs if held is None else held,
        layers,
        output.target(inputs, settings),
        settings,
        mask=mask,
        is_rehearsal=is_rehearsal,
    )


class Apply(NamedTuple):
    """The layers to apply to stacks, and the settings.

    `mask` is open and holds for every stack.
    """

    layers: "Sequence[Layer]"
    output: Output
    settings: "ApplySettings"
    rules: "DepFile | None" = None
    mask: "Reader | None" = None

    def pixel(self) -> tuple[int, str]:
        """Return the channels and the type of the results; see `ApplySettings.pixel`."""
        return self.settings.pixel(self.layers[-1].map.out_channels)

    def plan(self, inputs: "Inputs", path: str) -> "ApplyJob":
        """Check and plan the job of one stack with the output `path`."""
        if self.rules is not None:
            files = (name for reader in inputs for name in reader.about.files)
            self.rules.add(path, (*files, *self.output.also_read))
        output = self.output._replace(path=path)
        return plan_apply(inputs, self.layers, output, self.settings, mask=self.mask)

    def plan_elsewhere(self, inputs: "Inputs", elsewhere: "Elsewhere") -> "ApplyJob":
        """Check and plan the job of one stack that is computed elsewhere."""

        def make_job(settings: "ApplySettings") -> "ApplyJob":
            return self._replace(settings=settings).plan(inputs, self.output.path)

        return elsewhere.plan(make_job, self.settings)
