"""Contact sheets: cells that fit, do not touch, and are as large as can be."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from onebyone_cli.picture.sheet import Room, plan_sheet

ROOMS = st.builds(
    Room,
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    gap=st.integers(0, 5),
    gap_below=st.integers(0, 5),
    caption=st.integers(0, 16),
    least=st.integers(1, 40),
    multiple=st.integers(1, 2),
)
SIDES = st.integers(1, 400)


@given(st.integers(1, 300), SIDES, SIDES, ROOMS)
def test_cells_lie_in_the_room_and_apart(cells, height, width, room):
    sheet = plan_sheet(cells, height, width, room)
    places = list(sheet.places)
    assert 1 <= len(places) == sheet.cells <= cells
    fits = room.height > room.caption + 2 * room.multiple
    if fits:
        assert sheet.height <= room.height
        assert sheet.width <= room.width
    taken = set()
    for place in places:
        assert place.top >= room.caption
        assert (place.top - room.caption) % room.multiple == 0
        assert place.top + sheet.cell_height <= sheet.height
        assert place.left + sheet.cell_width <= sheet.width
        taken.add(place)
    assert len(taken) == sheet.cells
    tops = sorted({place.top for place in places})
    lefts = sorted({place.left for place in places})
    for one, two in pairwise(tops):
        assert two - one >= sheet.cell_height + room.gap_below + room.caption
    for one, two in pairwise(lefts):
        assert two - one == sheet.cell_width + room.gap


@given(st.integers(1, 300), SIDES, SIDES, ROOMS)
def test_cells_are_enlarged_by_whole_numbers_or_reduced(cells, height, width, room):
    sheet = plan_sheet(cells, height, width, room)
    assert sheet.shown_height * sheet.times == sheet.cell_height
    assert sheet.shown_width * sheet.times == sheet.cell_width
    assert 1 <= sheet.shown_height <= height
    assert 1 <= sheet.shown_width <= width
    if sheet.times > 1:
        assert (sheet.shown_height, sheet.shown_width) == (height, width)


@given(SIDES, SIDES, st.integers(20, 300), st.integers(20, 300))
def test_a_single_picture_fills_the_room_and_keeps_its_proportion(height, width, high, wide):
    sheet = plan_sheet(1, height, width, Room(high, wide))
    times = min(high / height, wide / width)
    if times >= 1:
        assert sheet.times == int(times)
        return
    assert abs(sheet.height - max(1, height * times)) <= 1
    assert abs(sheet.width - max(1, width * times)) <= 1


def test_a_grid_of_squares():
    sheet = plan_sheet(50, 600, 600, Room(1012, 1012, gap=4, gap_below=4, caption=16, least=32))
    assert (sheet.rows, sheet.columns, sheet.cell_height, sheet.cell_width) == (7, 8, 123, 123)


def test_of_too_many_cells_as_many_are_shown_as_can_be_seen():
    room = Room(100, 100, gap=1, caption=2, least=10)
    sheet = plan_sheet(10**6, 500, 500, room)
    assert min(sheet.cell_height, sheet.cell_width) >= 10
    assert sheet.cells == 72
