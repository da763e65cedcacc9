"""``onebyone compare``: compare two stacks."""

from onebyone_cli.axes import checked_layout
from onebyone_cli.cli.options.compute import Tolerances
from onebyone_cli.cli.options.inputs import Pair, Raw, check_names
from onebyone_cli.cli.options.messages import RunMessages
from onebyone_cli.cli.options.picture import DifferencePicture
from onebyone_cli.cli.options.running import Resources
from onebyone_cli.cli.terminal.progress import Progress

EXAMPLES = """
onebyone compare expected.npy result.h5
onebyone compare expected.npy result.npy --relative 1e-5 -q && echo close
onebyone compare stack.npy denoised.npy --difference difference.png
onebyone compare stack.npy <(onebyone apply codes.npy -w model.npz --inverse -o -)
"""

#: The exit status for stacks that differ, as of diff and cmp.
DIFFERENT = 1


def compare(
    tolerances: Tolerances,
    input: Pair,
    raw: Raw,
    output: DifferencePicture,
    resources: Resources,
    messages: RunMessages,
) -> int:
    """Show how far two stacks differ.

    Of each channel: how many numbers differ, the largest difference, the largest in relation to
    the larger magnitude of the two numbers, the root mean square (RMSE) and the peak
    signal-to-noise ratio (PSNR, in dB); of pixels: the angle between their spectra. Types and
    containers do not matter, only numbers do, in the units that the files name. What is NaN or
    nodata in both counts as equal, what is in one alone as a difference; infinities are equal if
    they are the same.

    The exit status is 1 if they differ by more than the tolerance: by anything at all, unless
    --tolerance or --relative says more.
    """
    from onebyone_cli.arithmetic.difference import Tolerance
    from onebyone_cli.cli.terminal.compare_report import ComparisonReport
    from onebyone_cli.operations.compare.job import CompareSettings
    from onebyone_cli.operations.compare.run import Comparison

    console = messages.console()
    check_names([input.a, input.b], [], [input.mask])
    resources.show(console)
    tolerance = Tolerance(*tolerances.limits())
    settings = CompareSettings(resources.budget(), resources.workers(), input.asked(), tolerance)
    signal = tolerances.signal()
    reading = input.reading(settings.memory, raw.spec(), console.hint)
    layout_b = checked_layout(input.layout_b, "layout_b") or reading.layout
    comparison = Comparison(settings, reading, input.mask, output.difference, output.force)
    with Progress(console, messages.progress) as shown:
        found = comparison.run(input.a, input.b, layout_b, on_progress=shown, say=console.say)
    report = ComparisonReport(input.a, input.b, found, signal)
    if not console.quiet:
        report.print(tolerance, detailed=messages.verbose)
    console.document(report.document(tolerance))
    return 0 if found.differences.are_close else DIFFERENT
