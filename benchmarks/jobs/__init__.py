"""The jobs by name, small before large."""

from jobs.applying import measure_large, measure_small
from jobs.cluster import measure_dask
from jobs.learning import measure_fit, measure_fit_large
from jobs.piping import measure_pipe
from jobs.startup import measure_startup

JOBS = {
    "startup": measure_startup,
    "small": measure_small,
    "fit": measure_fit,
    "pipe": measure_pipe,
    "large": measure_large,
    "fit-large": measure_fit_large,
    "dask": measure_dask,
}
