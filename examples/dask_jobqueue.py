#!/usr/bin/env python3
"""Apply weights to one large stack on a Dask cluster that is started for the job.

    dask_jobqueue.py INPUT WEIGHTS OUTPUT [WORKERS]

The cluster runs on this machine, with two workers unless WORKERS is given. For a batch system use
a class of dask-jobqueue instead, as in the comments. All workers must see the same files. If the
script is stopped, run it again: the job resumes.
"""

import subprocess
import sys

from dask.distributed import LocalCluster


def make_cluster(workers: int) -> LocalCluster:
    """Start a scheduler and its workers."""
    # from dask_jobqueue import SLURMCluster  # or PBSCluster, SGECluster, LSFCluster ...
    #
    # cluster = SLURMCluster(cores=8, processes=1, memory="16GB", walltime="01:00:00")
    # cluster.scale(jobs=workers)  # or cluster.adapt(maximum_jobs=workers)
    # return cluster
    #
    # Every job runs as many shards at once as it has cores, each with one thread and --memory.
    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0")


def main(source: str, weights: str, output: str, workers: str = "2") -> int:
    """Run the command on the cluster; return its exit status."""
    with make_cluster(int(workers)) as cluster:
        where = ["--scheduler", cluster.scheduler_address]
        line = ["onebyone", "apply", source, "-w", weights, "-o", output, *where]
        return subprocess.run(line, check=False).returncode


# Workers import this file, which must not start another cluster.
if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 5:
        sys.exit("usage: dask_jobqueue.py INPUT WEIGHTS OUTPUT [WORKERS]")
    sys.exit(main(*sys.argv[1:]))
