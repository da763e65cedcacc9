"""Compute the shards of an operation on a Dask cluster.

The caller gives the words of a command line for each shard, which any machine can run.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from onebyone_cli.commit.publication import NEW, Publication
from onebyone_cli.errors import DataError, OneByOneError, ReadWriteError, Stopped
from onebyone_cli.operations.elsewhere import count_shards, plan_shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from onebyone_cli.cluster.client import Cluster, Place
    from onebyone_cli.commit.merge import Published
    from onebyone_cli.operations.apply.job import ApplyJob
    from onebyone_cli.operations.apply.settings import ApplyReport, ApplySettings
    from onebyone_cli.operations.elsewhere import Statistics
    from onebyone_cli.operations.learn.job import LearnJob

    #: Gives the words of one shard, named as in ``0/16``.
    WordsOfShard = Callable[[str], list[str]]

#: Seconds until writes of other machines must be visible, and between two checks.
_SEEN_S, _LOOK_S = 90.0, 1.0


class ClusterWords(NamedTuple):
    """The command lines that a cluster runs.

    `fill` returns the words that write one shard; `tasks.GIVEN` stands for a weights file.
    `gather` returns the words that gather the statistics of one shard into `tasks.MADE`, and `join`
    are those that join such files. `names` has names as typed by the absolute names in these words.
    """

    fill: WordsOfShard
    gather: WordsOfShard
    join: Sequence[str]
    names: Mapping[str, str]


class OnCluster(NamedTuple):
    """A cluster that computes the shards of an operation; see `Elsewhere`.

    Each shard runs `threads` threads. `restart` discards the shards of an earlier run.
    `on_progress` is called with the step, the bytes done and all bytes, and `say` with lines for
    the user. `verbose` shows messages of Dask.
    """

    place: Place
    words: ClusterWords
    threads: int
    output: str = ""
    publication: Publication = NEW
    restart: bool = False
    on_progress: Callable[[str, int, int], None] = lambda step, done, total: None
    say: Callable[[str], None] = lambda text: None
    verbose: bool = False

    def plan(
        self, make_job: Callable[[ApplySettings], ApplyJob], settings: ApplySettings
    ) -> ApplyJob:
        """Check a job, and return its first shard."""
        return plan_shards(make_job, settings._replace(threads=self.threads), self.place.flag)

    def fill(self, job: ApplyJob, weights: bytes | None) -> ApplyReport:
        """Compute all shards of a job that `plan` made, and publish its output.

        `weights` is the content of a weights file that was learned just now, or None.
        """
        from onebyone_cli.commit.merge import check_left, discard_shards
        from onebyone_cli.commit.unfinished import part_of
        from onebyone_cli.operations.apply.settings import ApplyReport
        from onebyone_cli.operations.apply.value_watch import counted_none

        assert job.shard is not None
        assert job.identity is not None
        count = job.shard.count
        if self.restart:
            discard_shards(self.output)
        went_on = check_left(self.output, count, job.identity)
        try:
            with self._cluster() as cluster:
                on_done = self._counting("applying", job.input.data_bytes, count)
                cluster.fill(_lines(self.words.fill, count), weights, on_done)
        except DataError:
            # A job with wrong data can't be resumed.
            discard_shards(self.output)
            raise
        except Stopped as stop:
            if os.path.exists(part_of(self.output)):
                stop.checkpoint = self.output
            raise
        done = _publish(self.output, self.publication)
        warnings = counted_none(job.output, done.counts.get("invalid_pixels", 0))
        return ApplyReport(
            job.input, job.output, done.counts, done.changed, went_on, warnings=warnings
        )

    def gather(self, jobs: Sequence[LearnJob]) -> Statistics:
        """Gather the statistics of all jobs together."""
        from onebyone_cli.operations.learn.gathered import load_statistics

        count, size = count_shards(jobs)
        with self._cluster() as cluster:
            on_done = self._counting("learning", size, count)
            content = cluster.gather(_lines(self.words.gather, count), self.words.join, on_done)
        return load_statistics(content, with_unlabelled=jobs[0].wanted.pixels)

    def _counting(self, step: str, size: int, count: int) -> Callable[[int], None]:
        """Make a function that reports the bytes of all shards done so far."""
        done = 0

        def on_done(index: int) -> None:
            nonlocal done
            done += 1
            self.on_progress(step, size * done // count, size)

        self.on_progress(step, 0, size)  # the rate is counted from here
        return on_done

    @contextmanager
    def _cluster(self) -> Iterator[Cluster]:
        """Connect; errors name files as typed."""
        from onebyone_cli.cluster.client import Cluster

        try:
            with Cluster(self.place, self.say, verbose=self.verbose) as cluster:
                yield cluster
        except OneByOneError as error:
            error.path = self.words.names.get(error.path, error.path)
            raise


def _lines(words: WordsOfShard, count: int) -> list[list[str]]:
    return [words(f"{index}/{count}") for index in range(count)]


def _publish(output: str, publication: Publication) -> Published:
    """Publish an output when all shards are visible to this machine.

    A network file system shows the writes of other machines late.
    """
    from onebyone_cli.commit.unfinished import part_of
    from onebyone_cli.operations.publish import publish_output

    deadline = time.monotonic() + _SEEN_S
    while True:
        is_late = time.monotonic() > deadline
        try:
            if os.path.exists(part_of(output)):
                return publish_output(output, publication)
        except DataError:
            if is_late:
                raise
        if is_late:
            raise ReadWriteError("all shards are done, and this machine does not see them", output)
        time.sleep(_LOOK_S)
