from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from tests.kit.lanes import people
from times_dispatch.ledger.lanes.split import lane_batches, lane_of_number
from times_dispatch.ledger.model import Recipients


@given(st.lists(st.integers(0, 60), max_size=6), st.integers(1, 5), st.integers(1, 12))
def test_each_row_is_in_one_batch_and_each_number_in_one_lane(sizes: list[int], lanes: int, size: int) -> None:
    batches, first = list[Recipients](), 0
    for rows in sizes:
        batches.append(people(rows, first=first))
        first += rows
    if lanes == 1:  # with one lane, the batches stay as the reader of the file made them
        assert [batch.recipients for batch in lane_batches(batches, lanes=1, size=size)] == batches
        return

    rows_of_lane = defaultdict[int, list[str]](list)
    short = set[int]()
    for lane, number, batch in lane_batches(batches, lanes=lanes, size=size):
        assert batch.first == number * size == len(rows_of_lane[lane])
        assert 0 < len(batch.to) <= size
        assert lane not in short, "only the last batch of a lane may be short"
        if len(batch.to) < size:
            short.add(lane)
        assert {lane_of_number(to, lanes) for to in batch.to} == {lane}
        assert batch.lines == sorted(batch.lines)
        assert [[f"name {line - 2}" for line in batch.lines]] == batch.slots
        rows_of_lane[lane] += batch.to
    assert sorted(to for rows in rows_of_lane.values() for to in rows) == people(first).to


def test_numbers_spread_evenly_over_lanes() -> None:
    sizes = [0, 0, 0, 0]
    for to in people(40_000).to:
        sizes[lane_of_number(to, 4)] += 1
    assert max(sizes) < 1.05 * min(sizes), sizes
