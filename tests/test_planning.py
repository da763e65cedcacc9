"""Plans: within the budget whatever is asked, and on the same grid whatever is allowed."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES

from onebyone_cli.errors import UsageError
from onebyone_cli.plan.memory import Costs, Plan, make_plan
from onebyone_cli.plan.tiles import count_slabs, iter_slabs, tile_pixels
from onebyone_cli.spec import StackSpec
from onebyone_cli.units import parse_bytes

memories = st.one_of(st.integers(1, 1 << 24), st.integers(1, 1 << 40))
sides = st.one_of(st.integers(1, 100), st.integers(1, 10**5))
#: Beyond the least a job takes: bytes, and whole and half tiles.
extras = st.tuples(st.one_of(st.integers(0, 1 << 20), st.integers(0, 1 << 40)), st.integers(0, 50))
spools = st.one_of(st.just(0), st.integers(1, 1 << 20), st.integers(1, 1 << 40))


@st.composite
def stacks(draw: st.DrawFn) -> StackSpec:
    batch = draw(st.lists(st.integers(1, 300), max_size=2).map(tuple))
    channels = draw(st.one_of(st.integers(1, 64), st.integers(1, 5000)))
    return StackSpec(channels, draw(sides), draw(sides), draw(st.sampled_from(DTYPES)), batch)


@st.composite
def costs(draw: st.DrawFn) -> Costs:
    some = st.one_of(st.just(0), st.integers(0, 1000), st.integers(0, 1 << 20))
    return Costs(draw(st.integers(1, 1 << 16)), draw(some), draw(some), draw(some))


@st.composite
def jobs(draw: st.DrawFn) -> dict:
    """Everything that does not depend on the machine."""
    spec = draw(stacks())
    return {
        "spec": spec,
        "widest": draw(st.integers(spec.channels, spec.channels + 5000)),
        "arithmetic_bytes": draw(st.sampled_from([4, 8])),
        "costs": draw(costs()),
        "spool_input_bytes": draw(spools),
        "spool_output_bytes": draw(spools),
    }


def plan_of(job: dict, memory: int, threads: int) -> Plan | None:
    try:
        return make_plan(**job, memory=memory, threads=threads)
    except UsageError:
        return None


def smallest(job: dict) -> int:
    """What one worker with one tile takes."""
    tile = tile_pixels(job["spec"].pixels, job["widest"], job["arithmetic_bytes"])
    each = job["costs"]
    return tile * (each.slab_pixel + each.tile_pixel) + each.scratch + each.cache


def roomy(job: dict, extra: tuple[int, int], threads: int) -> Plan:
    """Plan a job with some more than the least memory."""
    least = smallest(job)
    return make_plan(**job, memory=least + extra[0] + least * extra[1] // 2, threads=threads)


def buffer_bytes(plan: Plan, each: Costs) -> int:
    """Count the bytes of one worker's buffers anew."""
    per_item = plan.slab_pixels * each.slab_pixel + plan.tile_pixels * each.tile_pixel
    return plan.slab_items * per_item + each.scratch


@given(jobs(), memories, st.integers(1, 256))
def test_every_plan_fits_or_says_what_would(job: dict, memory: int, threads: int):
    try:
        plan = make_plan(**job, memory=memory, threads=threads)
    except UsageError as error:
        assert smallest(job) > memory
        suggested = re.search(r"give memory=(\d+M) or more", str(error))
        assert suggested
        enough = parse_bytes(suggested[1])
        assert make_plan(**job, memory=enough, threads=threads).total_bytes <= enough
        return
    assert plan.total_bytes <= memory == plan.memory
    assert plan.total_bytes == plan.threads * plan.worker_bytes + plan.fixed_bytes
    assert plan.worker_bytes == buffer_bytes(plan, job["costs"])
    assert plan.fixed_bytes >= job["costs"].cache
    assert 1 <= plan.threads <= threads


@given(jobs(), st.integers(1, 256))
def test_refused_only_below_one_tile(job: dict, threads: int):
    least = smallest(job)
    assert plan_of(job, least - 1, threads) is None
    plan = plan_of(job, least, threads)
    assert plan is not None
    assert plan.threads == 1


@given(jobs(), extras, st.integers(1, 256))
def test_slabs_are_whole_tiles_and_partition(job: dict, extra: tuple[int, int], threads: int):
    plan = roomy(job, extra, threads)
    spec = job["spec"]
    assert plan.slab_pixels % plan.tile_pixels == 0
    assert plan.slab_items == 1 or plan.slab_pixels == spec.pixels == plan.tile_pixels
    assert 1 <= plan.slab_items <= spec.items
    assert plan.slabs == count_slabs(spec, plan.slab_items, plan.slab_pixels) >= plan.threads
    if plan.slabs <= 1000:
        slabs = list(iter_slabs(spec, plan.slab_items, plan.slab_pixels))
        assert len(slabs) == plan.slabs
        assert all(slab.start % plan.tile_pixels == 0 for slab in slabs)
        assert sum(slab.items * slab.pixels for slab in slabs) == spec.items * spec.pixels


@given(jobs(), memories, memories, st.integers(1, 256), st.integers(1, 256), costs())
def test_the_grid_depends_on_the_stack_and_the_weights_alone(
    job: dict, one: int, two: int, few: int, many: int, other: Costs
):
    plans = [plan_of(job, one, few), plan_of(job, two, many)]
    plans.append(plan_of(job | {"costs": other, "spool_input_bytes": 1}, two, few))
    width = tile_pixels(job["spec"].pixels, job["widest"], job["arithmetic_bytes"])
    assert {plan.tile_pixels for plan in plans if plan is not None} <= {width}


@given(jobs(), extras, extras, st.integers(1, 256))
def test_more_memory_never_yields_a_smaller_plan(
    job: dict, one: tuple[int, int], two: tuple[int, int], threads: int
):
    plans = [roomy(job, one, threads), roomy(job, two, threads)]
    small, large = sorted(plans, key=lambda plan: plan.memory)
    assert large.threads >= small.threads
    if large.threads == small.threads:
        assert large.slab_items * large.slab_pixels >= small.slab_items * small.slab_pixels
        assert large.worker_bytes >= small.worker_bytes


@given(jobs(), extras, st.integers(1, 256), st.integers(1, 256))
def test_more_threads_never_yield_fewer(job: dict, extra: tuple[int, int], one: int, two: int):
    few, many = sorted((one, two))
    small, large = roomy(job, extra, few), roomy(job, extra, many)
    assert large.threads >= small.threads


@given(jobs(), extras, st.integers(1, 64))
def test_slabs_are_shared_out(job: dict, extra: tuple[int, int], threads: int):
    """Every worker that has been made gets something to do, and no slab is a large share."""
    plan = roomy(job, extra, threads)
    tiles = -(-job["spec"].pixels // plan.tile_pixels) * job["spec"].items
    assert plan.threads == min(tiles, plan.threads)
    if tiles >= 4 * plan.threads:
        assert plan.slabs >= 2 * plan.threads


@given(jobs(), extras, st.integers(1, 16))
def test_spools_lie_in_memory_only_where_they_fit(job: dict, extra: tuple[int, int], threads: int):
    plan = roomy(job, extra, threads)
    sizes = (plan.spool_input_bytes, plan.spool_output_bytes)
    assert sizes == (job["spool_input_bytes"], job["spool_output_bytes"])
    assert plan.strategy == ("spool" if any(sizes) else "slab")
    in_memory = (plan.input_in_memory, plan.output_in_memory)
    held = sum(size for size, here in zip(sizes, in_memory, strict=True) if here)
    assert plan.fixed_bytes == job["costs"].cache + held
    left = plan.memory - plan.total_bytes
    for size, here in zip(sizes, in_memory, strict=True):
        assert bool(size) >= here
        assert not size or here or size > left
    # Spools take what the buffers left: they do not change how a job is cut.
    without = roomy(job | {"spool_input_bytes": 0, "spool_output_bytes": 0}, extra, threads)
    cut = {"spool_input_bytes": 0, "spool_output_bytes": 0, "fixed_bytes": without.fixed_bytes}
    assert without == plan._replace(**cut, input_in_memory=False, output_in_memory=False)


@given(jobs(), extras)
def test_a_plan_can_be_told_as_json(job: dict, extra: tuple[int, int]):
    plan = roomy(job, extra, 2)
    told = json.loads(json.dumps(plan.as_dict()))
    assert told["total_bytes"] == plan.total_bytes
    assert told["strategy"] == plan.strategy
    assert told["slab_pixels"] == plan.slab_pixels


def test_a_useful_plan_is_not_all_that_is_allowed():
    spec = StackSpec(50, 6000, 6000, "float32")
    plan = make_plan(spec, 50, 4, Costs(280, 100), memory=1 << 30, threads=2)
    assert plan.total_bytes <= 2 * (12 << 20)
    assert plan.slab_pixels >= 16384


def test_the_refusal_names_the_tile_and_both_sizes():
    spec = StackSpec(50, 600, 600, "float32")
    with pytest.raises(UsageError) as caught:
        make_plan(spec, 50, 4, Costs(280), memory=1 << 20, threads=2)
    expected = (
        "memory=1.0 MiB is too small for this stack: one block of 4096 pixels takes 1.1 MiB; "
        "give memory=2M or more"
    )
    assert str(caught.value) == expected
