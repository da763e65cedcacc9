"""Shards of a job on the workers of a Dask cluster; only this package imports Dask.

`child` runs a command line in a child process, `tasks` are the tasks of workers, `client` submits
them and waits, and `run` runs an operation.
"""
