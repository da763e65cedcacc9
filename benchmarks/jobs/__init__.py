"""The jobs by name, small before large."""

from jobs.applying import measure_large, measure_small
from jobs.cluster import measure_dask
from jobs.learning import measure_fit, measure_fit_large
from jobs.piping import measure_pipe
from jobs.reading import measure_formats, measure_tiff
from jobs.startup import measure_startup

JOBS = {
    "startup": measure_startup,
    "small": measure_small,
    "fit": measure_fit,
    "tiff": measure_tiff,
    "formats": measure_formats,
    "pipe": measure_pipe,
    "large": measure_large,
    "fit-large": measure_fit_large,
    "dask": measure_dask,
}
