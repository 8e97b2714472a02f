import pytest
from redis.crc import key_slot

from times_dispatch.ledger.lanes.names import header_of, is_lane, lane_number, lane_senders, lanes_among
from times_dispatch.ledger.model import SenderId

HEADERS = [SenderId(name) for name in ("TIMESM", "A", "HDFCBK", "620001", "ZZZZZZ")]


@pytest.mark.parametrize("header", HEADERS)
def test_the_first_lane_has_the_name_of_the_sender_and_more_lanes_keep_the_names_of_fewer(header: SenderId) -> None:
    assert lane_senders(header, 1) == (header,)
    sixteen = lane_senders(header, 16)
    assert sixteen[:4] == lane_senders(header, 4)
    assert len(set(sixteen)) == 16
    assert [lane_number(lane) for lane in sixteen] == list(range(16))
    assert {header_of(lane) for lane in sixteen} == {header}
    assert [is_lane(lane) for lane in sixteen] == [False] + [True] * 15


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("lanes", [2, 4, 8, 16])
def test_the_slots_of_lanes_are_spread_evenly(header: SenderId, lanes: int) -> None:
    slots = sorted(key_slot(lane.encode()) for lane in lane_senders(header, lanes))
    gaps = [after - before for before, after in zip(slots, [*slots[1:], slots[0] + 16_384], strict=True)]
    assert max(abs(gap - 16_384 / lanes) for gap in gaps) <= 2 * 96 + 1


@pytest.mark.parametrize("header", HEADERS)
def test_four_lanes_are_on_all_of_three_primaries(header: SenderId) -> None:
    assert {key_slot(lane.encode()) * 3 // 16_384 for lane in lane_senders(header, 4)} == {0, 1, 2}


def test_lanes_are_found_in_their_order_and_those_of_other_senders_are_not() -> None:
    names = ["TIMESM/10b", "TIMESMX/1a", "OTHERS", "TIMESM/2"]
    assert lanes_among(names, SenderId("TIMESM")) == ["TIMESM", "TIMESM/2", "TIMESM/10b"]
