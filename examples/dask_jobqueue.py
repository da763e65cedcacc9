#!/usr/bin/env python3
"""Apply weights to one large stack on a cluster of Dask that is there for the job alone.

    dask_jobqueue.py INPUT WEIGHTS OUTPUT [WORKERS]

As it stands the cluster is this machine, with two workers unless WORKERS says else. For a batch
system put the class of dask-jobqueue in its place, as below; the rest stays. All workers must see
the same files. Called again after it was stopped, it goes on where it was.
"""

import subprocess
import sys

from dask.distributed import LocalCluster


def make_cluster(workers: int) -> LocalCluster:
    """Start a scheduler here, and have workers come."""
    # from dask_jobqueue import SLURMCluster  # or PBSCluster, SGECluster, LSFCluster ...
    #
    # cluster = SLURMCluster(cores=8, processes=1, memory="16GB", walltime="01:00:00")
    # cluster.scale(jobs=workers)  # or cluster.adapt(maximum_jobs=workers)
    # return cluster
    #
    # Every job takes as many shards at once as it has cores, with a thread and a --memory each.
    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0")


def main(source: str, weights: str, output: str, workers: str = "2") -> int:
    """Run the command on the cluster, and give its exit status on."""
    with make_cluster(int(workers)) as cluster:
        where = ["--scheduler", cluster.scheduler_address]
        line = ["onebyone", "apply", source, "-w", weights, "-o", output, *where]
        return subprocess.run(line, check=False).returncode


# Workers are started by importing this file anew, which must not start a cluster of its own.
if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 5:
        sys.exit("usage: dask_jobqueue.py INPUT WEIGHTS OUTPUT [WORKERS]")
    sys.exit(main(*sys.argv[1:]))
