"""Shares: every number has one writer, no block has two, and arrays of batch systems are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.errors import UsageError
from onebyone_cli.plan import shards
from onebyone_cli.plan.shards import (
    BLOCK_BYTES,
    Shard,
    Share,
    parse_shard,
    shards_of_output,
    shards_of_pass,
)
from onebyone_cli.spec import Slab, StackSpec

specs = st.builds(
    StackSpec,
    channels=st.integers(1, 4),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    dtype=st.sampled_from(["uint8", "uint16", "float32", "float64"]),
    batch=st.sampled_from([(), (3,), (2, 2)]),
)


@given(
    spec=specs,
    count=st.integers(1, 6),
    cut=st.integers(1, 500),
    block=st.sampled_from([64, 256, 4096]),
)
def test_every_number_has_one_writer_and_no_block_has_two(spec, count, cut, block):
    offset = 128
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "BLOCK_BYTES", block)
        shares = [Share(Shard(index, count), spec, offset) for index in range(count)]
        numbers = spec.data_bytes // spec.item_bytes
        writers = [[] for _ in range(numbers)]
        for share in shares:
            for item in range(spec.items):
                for start in range(0, spec.pixels, cut):
                    slab = Slab(item, 1, start, min(start + cut, spec.pixels))
                    written = [
                        (item * spec.channels + channel) * spec.pixels + pixel
                        for channel in range(spec.channels)
                        for first, end in share.runs(item, channel, slab.start, slab.stop)
                        for pixel in range(first, end)
                    ]
                    assert share.has_part_of(slab) == bool(written)
                    for number in written:
                        writers[number].append(share.shard.index)
    assert all(len(each) == 1 for each in writers)
    blocks: dict[int, set[int]] = {}
    for number, (writer,) in enumerate(writers):
        blocks.setdefault((offset + number * spec.item_bytes) // block, set()).add(writer)
    assert all(len(each) == 1 for each in blocks.values())


@given(
    spec=specs,
    count=st.integers(1, 6),
    tile=st.integers(1, 500),
    block=st.sampled_from([64, 256, 4096]),
)
def test_every_tile_is_counted_once_by_who_computes_it(spec, count, tile, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "BLOCK_BYTES", block)
        shares = [Share(Shard(index, count), spec, 128) for index in range(count)]
        for item in range(spec.items):
            for start in range(0, spec.pixels, tile):
                (counting,) = (share for share in shares if share.counts(item, start))
                assert counting.has_part_of(Slab(item, 1, start, min(start + tile, spec.pixels)))


def test_shares_of_a_large_output_are_fair():
    spec = StackSpec(20, 6000, 6000, "float32")
    slab = 65536
    sizes = []
    for index in range(8):
        share = Share(Shard(index, 8), spec, 128)
        slabs = [Slab(0, 1, at, min(at + slab, spec.pixels)) for at in range(0, spec.pixels, slab)]
        sizes.append(sum(share.has_part_of(each) for each in slabs))
    assert sum(sizes) < 1.2 * len(slabs)
    assert max(sizes) <= 1.2 * len(slabs) / 8 + 8


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("0/1", {}, Shard(0, 1)),
        ("3/8", {"SLURM_ARRAY_TASK_ID": "5"}, Shard(3, 8)),
        (
            "auto",
            {
                "SLURM_ARRAY_TASK_ID": "7",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_ARRAY_TASK_STEP": "2",
                "SLURM_ARRAY_TASK_COUNT": "4",
            },
            Shard(3, 4),
        ),
        (
            "auto",
            {
                "SGE_TASK_ID": "2",
                "SGE_TASK_FIRST": "1",
                "SGE_TASK_LAST": "4",
                "SGE_TASK_STEPSIZE": "1",
            },
            Shard(1, 4),
        ),
        ("auto/5", {"PBS_ARRAY_INDEX": "4"}, Shard(4, 5)),
        ("auto", {"LSB_JOBINDEX": "2", "LSB_JOBINDEX_END": "2"}, Shard(1, 2)),
        (
            "auto",
            {"LSB_JOBINDEX": "5", "LSB_JOBINDEX_END": "9", "LSB_JOBINDEX_STEP": "2"},
            Shard(2, 5),
        ),
    ],
)
def test_reading(text, environment, expected):
    assert parse_shard(text, environment) == expected


#: What follows ``auto`` has to be a number of shares, whatever the array says of itself.
NO_COUNTS = ("auto/", "auto/x", "auto/0", "auto/-4", "auto/4/4", "auto/\u00b2", "auto4")


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("4/4", {}),
        ("-1/4", {}),
        ("1", {}),
        ("a/b", {}),
        ("1/0", {}),
        ("auto", {}),
        ("auto", {"PBS_ARRAY_INDEX": "4"}),
        ("auto", {"LSB_JOBINDEX": "0", "LSB_JOBINDEX_END": "0"}),
        *((text, {"SGE_TASK_ID": "1", "SGE_TASK_LAST": "4"}) for text in NO_COUNTS),
        ("auto", {"SGE_TASK_ID": "undefined"}),
        # An array such as 1,3,4 has a count that its steps do not make.
        (
            "auto",
            {
                "SLURM_ARRAY_TASK_ID": "4",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_ARRAY_TASK_STEP": "1",
                "SLURM_ARRAY_TASK_COUNT": "3",
            },
        ),
    ],
)
def test_what_is_no_share(text, environment):
    with pytest.raises(UsageError, match="shard="):
        parse_shard(text, environment)


def test_pbs_says_which_task_it_is_but_not_of_how_many():
    with pytest.raises(UsageError, match=r"this is task 4, and PBS does not say.*auto/N"):
        parse_shard("auto", {"PBS_ARRAY_INDEX": "4"})


MIB = 1 << 20


@given(
    channels=st.integers(1, 500),
    side=st.integers(1, 50_000),
    dtype=st.sampled_from(["uint8", "float64"]),
    read=st.integers(1, 1 << 45),
)
def test_a_cluster_gets_shards_that_are_worth_their_while(channels, side, dtype, read):
    output = StackSpec(channels=channels, height=side, width=side, dtype=dtype, batch=())
    count = shards_of_output(read, output)
    assert 1 <= count <= 4096
    blocks = output.pixels * output.item_bytes / BLOCK_BYTES
    assert count == 1 or blocks / count >= 8  # the block more that each computes is an eighth
    assert count <= max(16, -(-read // (512 * MIB)))


def test_a_large_job_is_cut_for_many_workers():
    stack = StackSpec(channels=50, height=6000, width=6000, dtype="float32", batch=())
    assert shards_of_pass(stack.data_bytes) == 16
    assert shards_of_pass(100 * stack.data_bytes) == 1342
    assert shards_of_pass(1 << 50) == 4096
    assert shards_of_pass(1) == 1
    assert shards_of_output(100 * stack.data_bytes, stack) == 17
