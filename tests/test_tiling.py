"""The grid of tiles and the slabs cut along it."""

from hypothesis import given
from hypothesis import strategies as st
from strategies import slab_sizes, specs

from onebyone_cli.plan.tiles import count_slabs, iter_slabs, tile_pixels
from onebyone_cli.spec import Slab, StackSpec

planes = st.integers(1, 10**10)
widths = st.integers(1, 10**6)
item_bytes = st.sampled_from([4, 8])


@given(st.data(), specs(side=12))
def test_slabs_partition_the_stack(data: st.DataObject, spec: StackSpec):
    items, pixels = data.draw(slab_sizes(spec))
    slabs = list(iter_slabs(spec, items, pixels))
    assert len(slabs) == count_slabs(spec, items, pixels)
    seen = [
        (item, pixel)
        for slab in slabs
        for item in range(slab.item, slab.item + slab.items)
        for pixel in range(slab.start, slab.stop)
    ]
    # Every pixel of every item once; ordered, unless whole planes travel together.
    assert sorted(seen) == [(i, p) for i in range(spec.items) for p in range(spec.pixels)]
    assert [(s.item, s.start) for s in slabs] == sorted((s.item, s.start) for s in slabs)
    assert all(slab.pixels == slab.stop - slab.start > 0 for slab in slabs)
    assert all(slab.items <= items and slab.pixels <= pixels for slab in slabs)


@given(st.integers(1, 10**9), st.integers(1, 10**12), st.integers(1, 10**6), st.integers(1, 10**12))
def test_counting_slabs_takes_no_time(items: int, plane: int, slab_items: int, slab_pixels: int):
    spec = StackSpec(1, 1, plane, "bool", (items,))
    count = count_slabs(spec, slab_items, slab_pixels)
    first = next(iter(iter_slabs(spec, slab_items, slab_pixels)))
    assert first == Slab(0, min(items, slab_items), 0, min(plane, slab_pixels))
    covered = count * slab_items * slab_pixels
    assert covered >= items * plane


@given(planes, widths, item_bytes)
def test_tiles_are_a_power_of_two_or_the_plane(plane: int, widest: int, size: int):
    width = tile_pixels(plane, widest, size)
    assert width == plane or width in (256, 512, 1024, 2048, 4096)
    assert width <= plane
    # A tile of many channels stays within 4 MiB unless it is as narrow as it may get.
    assert width <= 256 or width * widest * size <= 4 << 20


@given(planes, planes, widths, item_bytes)
def test_the_width_is_the_same_for_all_larger_planes(one: int, two: int, widest: int, size: int):
    small, large = sorted((one, two))
    narrow = tile_pixels(small, widest, size)
    assert tile_pixels(large, widest, size) == narrow or narrow == small


@given(planes, widths, widths, item_bytes)
def test_more_channels_never_widen_a_tile(plane: int, one: int, two: int, size: int):
    few, many = sorted((one, two))
    assert tile_pixels(plane, many, size) <= tile_pixels(plane, few, size)
