"""Shards of a job on the workers of a Dask cluster; the only room that knows Dask.

`child` runs one command line in a process of its own, `tasks` is what workers are given to do, and
`client` gives it to them and waits.
"""
