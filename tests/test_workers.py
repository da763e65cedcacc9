"""Worker threads: every slab exactly once, and nobody left behind when something fails."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.operations.run import run_workers
from onebyone_cli.spec import Slab

thread_counts = st.integers(1, 8)


class WorkError(Exception):
    """What goes wrong in these tests."""


def slabs_of(count: int) -> list[Slab]:
    return [
        Slab(0, 1 + index % 3, 10 * index, 10 * index + 1 + index % 7) for index in range(count)
    ]


@pytest.fixture(autouse=True)
def before() -> None:
    """Threads of others, such as a library's, are none of ours."""
    before_us.clear()
    before_us.update(threading.enumerate())


before_us: set[threading.Thread] = set()


def nobody_left() -> bool:
    return set(threading.enumerate()) <= before_us


def ignore(pixels: int) -> None:
    """Nobody looks at the progress."""


@given(st.integers(0, 60), thread_counts)
def test_every_slab_exactly_once(count: int, threads: int):
    slabs = slabs_of(count)
    seen: list[Slab] = []
    progress: list[int] = []
    run_workers(slabs, lambda: seen.append, threads, progress.append)
    assert Counter(seen) == Counter(slabs)
    assert nobody_left()
    assert progress == sorted(progress)
    assert progress[-1] == sum(slab.items * slab.pixels for slab in slabs)


@pytest.mark.parametrize("allowed", [0, 2])
def test_a_system_without_more_threads_gets_the_work_done_by_fewer(
    allowed: int, monkeypatch: pytest.MonkeyPatch
):
    start, left = threading.Thread.start, iter(range(allowed))

    def limited(thread: threading.Thread) -> None:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    slabs, seen, workers = slabs_of(40), [], []

    def make_work() -> Callable[[Slab], None]:
        workers.append(threading.current_thread())
        return seen.append

    run_workers(slabs, make_work, 8, ignore)
    assert Counter(seen) == Counter(slabs)
    assert len(set(workers)) == 1 + allowed
    assert nobody_left()


@given(st.integers(0, 60), thread_counts)
def test_slabs_are_taken_in_order_and_one_at_a_time(count: int, threads: int):
    taken: list[int] = []

    def source() -> Iterator[Slab]:
        # A generator that two threads enter at once raises ValueError.
        for index, slab in enumerate(slabs_of(count)):
            taken.append(index)
            yield slab

    run_workers(source(), lambda: lambda slab: None, threads, ignore)
    assert taken == list(range(count))


@given(st.integers(1, 30), thread_counts)
def test_work_is_made_once_in_each_thread(count: int, threads: int):
    made: list[int] = []
    used: list[tuple[int, int]] = []

    def make() -> Callable[[Slab], None]:
        ours = threading.get_ident()
        made.append(ours)
        return lambda slab: used.append((ours, threading.get_ident()))

    run_workers(slabs_of(count), make, threads, ignore)
    assert len(made) == threads
    assert threading.get_ident() in made
    assert all(maker == user for maker, user in used)
    assert len(used) == count


def test_one_thread_starts_no_other(monkeypatch: pytest.MonkeyPatch):
    def refuse(self: threading.Thread) -> None:
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    seen: list[Slab] = []
    run_workers(slabs_of(9), lambda: seen.append, 1, ignore)
    assert seen == slabs_of(9)


def test_progress_is_told_in_the_calling_thread():
    where: set[int] = set()
    barrier = threading.Barrier(3, timeout=10)

    def make() -> Callable[[Slab], None]:
        barrier.wait()
        return lambda slab: time.sleep(0.001)

    run_workers(slabs_of(20), make, 3, lambda pixels: where.add(threading.get_ident()))
    assert where == {threading.get_ident()}


@given(st.integers(1, 40), st.data(), thread_counts)
def test_an_error_stops_everybody_and_is_raised(count: int, data: st.DataObject, threads: int):
    bad = data.draw(st.integers(0, count - 1))
    slabs = slabs_of(count)
    seen: list[Slab] = []

    def work(slab: Slab) -> None:
        seen.append(slab)
        if slab == slabs[bad]:
            raise WorkError(bad)

    with pytest.raises(WorkError) as caught:
        run_workers(slabs, lambda: work, threads, ignore)
    assert caught.value.args == (bad,)
    assert nobody_left()
    assert max(Counter(seen).values()) == 1


@pytest.mark.parametrize("where", ["calling", "other"])
@pytest.mark.parametrize("error", [WorkError, KeyboardInterrupt, MemoryError, SystemExit])
def test_no_slab_is_begun_after_an_error(where: str, error: type[BaseException]):
    """One of two threads fails while the other is busy: that one finishes its slab and stops."""
    caller = threading.get_ident()
    failing = threading.Event()
    done: list[Slab] = []

    def work(slab: Slab) -> None:
        if (threading.get_ident() == caller) == (where == "calling"):
            failing.set()
            raise error
        assert failing.wait(10)
        time.sleep(0.02)  # the failing thread gets to say so
        done.append(slab)

    with pytest.raises(error):
        run_workers(slabs_of(1000), lambda: work, 2, ignore)
    assert nobody_left()
    assert len(done) <= 1


def test_the_first_error_of_the_others_is_raised():
    caller = threading.get_ident()
    turn = {index: threading.Event() for index in range(3)}
    turn[1].set()
    order = iter((1, 2))
    lock = threading.Lock()

    def work(slab: Slab) -> None:
        if threading.get_ident() == caller:
            assert turn[0].wait(10)
            return
        with lock:
            mine = next(order)
        assert turn[mine].wait(10)
        try:
            raise WorkError(mine)
        finally:
            threading.Timer(0.02, turn[(mine + 1) % 3].set).start()

    with pytest.raises(WorkError) as caught:
        run_workers(slabs_of(3), lambda: work, 3, ignore)
    assert caught.value.args == (1,)
    while not nobody_left():
        time.sleep(0.001)


@pytest.mark.parametrize("where", ["calling", "other"])
def test_an_error_while_making_work(where: str):
    caller = threading.get_ident()
    barrier = threading.Barrier(3, timeout=10)

    def make() -> Callable[[Slab], None]:
        barrier.wait()
        if (threading.get_ident() == caller) == (where == "calling"):
            raise WorkError
        return lambda slab: time.sleep(0.001)

    with pytest.raises(WorkError):
        run_workers(slabs_of(10**4), make, 3, ignore)
    assert nobody_left()


def test_an_error_in_the_source():
    def source() -> Iterator[Slab]:
        yield from slabs_of(5)
        raise WorkError

    with pytest.raises(WorkError):
        run_workers(source(), lambda: lambda slab: None, 3, ignore)
    assert nobody_left()


def test_a_signal_while_telling_progress_joins_the_others():
    """As when ^C comes: the exception starts in the calling thread, wherever that is."""
    begun = threading.Event()
    finished: list[Slab] = []

    def make() -> Callable[[Slab], None]:
        if threading.current_thread() is threading.main_thread():
            return lambda slab: begun.wait(10) and None

        def work(slab: Slab) -> None:
            begun.set()
            time.sleep(0.02)
            finished.append(slab)

        return work

    def stop(pixels: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_workers(slabs_of(1000), make, 2, stop)
    assert nobody_left()
    # A slab that was under way was finished, not torn.
    assert 1 <= len(finished) <= 2
