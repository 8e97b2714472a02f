from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from callbacks.relay.forward_queue import (
    HELD_BACK_S,
    ForwardedEvent,
    ForwardLimits,
    ForwardQueue,
    body_of,
    events_of,
    lane_of,
)
from callbacks.streams import BODY, REPORTS
from tests.kit.clock import FakeClock
from times_dispatch.ledger.keys import FORWARD_TOTALS
from times_dispatch.ledger.reports.forward_backlog import LANES, ForwardCount, lane_keys, read_forward_backlog

LANE = lane_of("m")


def event(name: str, meta: str = "m") -> ForwardedEvent:
    return ForwardedEvent("delivered", meta, msgspec.json.encode({"ts": 1, "meta": meta, "description": name}))


async def waiting(queue: ForwardQueue, lane: int = LANE) -> list[ForwardedEvent]:
    return [queued.content for queued in await queue.head(lane, 100)]


async def test_events_come_in_the_order_of_their_entries_and_rows_whoever_added_them_first(redis: Redis) -> None:
    queue = ForwardQueue(redis)
    places = [(b"5-0", 0), (b"1-2", 1), (b"1-2", 0), (b"1-10", 0), (b"900000000000-0", 0), (b"1-2", 10)]
    await queue.add_all([(entry, row, event(f"{entry!r} {row}")) for entry, row in places])
    ordered = [(b"1-2", 0), (b"1-2", 1), (b"1-2", 10), (b"1-10", 0), (b"5-0", 0), (b"900000000000-0", 0)]
    assert await waiting(queue) == [event(f"{entry!r} {row}") for entry, row in ordered]


async def test_an_event_that_is_added_twice_is_in_the_queue_once(redis: Redis) -> None:
    queue = ForwardQueue(redis)
    for _ in range(2):
        await queue.add_all([(b"1-0", 0, event("a")), (b"1-0", 1, event("a"))])
    assert len(await waiting(queue)) == 2


async def test_an_unfinished_report_holds_back_what_came_after_it_but_not_for_ever(redis: Redis) -> None:
    clock = FakeClock()
    queue = ForwardQueue(redis, clock=clock, look_every_s=0)
    await redis.xadd(REPORTS, {BODY: b"x"}, id="7-1")
    await queue.add_all([(b"7-0", 0, event("before")), (b"7-2", 0, event("after"))])
    assert await waiting(queue) == [event("before")]
    await clock.advance(HELD_BACK_S)
    assert len(await waiting(queue)) == 2
    await redis.xadd(REPORTS, {BODY: b"x"}, id="8-0")
    await queue.add_all([(b"8-1", 0, event("later"))])
    await redis.xdel(REPORTS, "7-1")
    assert await waiting(queue) == [event("before"), event("after")]
    await redis.xdel(REPORTS, "8-0")
    assert len(await waiting(queue)) == 3


async def test_removed_events_are_counted(redis: Redis) -> None:
    queue = ForwardQueue(redis)
    await queue.add_all([(b"1-0", row, event(str(row))) for row in range(5)])
    head = await queue.head(LANE, 3)
    await queue.remove(LANE, head[:2], count=ForwardCount.TAKEN)
    await queue.remove(LANE, head[2:], count=ForwardCount.REFUSED)
    assert await waiting(queue) == [event("3"), event("4")]
    backlog = await read_forward_backlog(redis)
    assert (backlog.events, backlog.totals) == (2, {"taken": 2, "refused": 1})


@pytest.mark.parametrize(("room", "dropped"), [(4, 1), (5, 0), (6, 0)])
async def test_events_above_the_bound_are_dropped_and_counted(redis: Redis, room: int, dropped: int) -> None:
    queue = ForwardQueue(redis, limits=ForwardLimits(max_events=room))
    assert await queue.add_all([(b"1-0", row, event(str(row), meta=f"m{row}")) for row in range(3)]) == 0
    assert await queue.add_all([(b"2-0", row, event(str(row), meta=f"m{row}")) for row in range(2)]) == dropped
    backlog = await read_forward_backlog(redis)
    assert (backlog.events, backlog.dropped) == (5 - dropped, dropped)


async def test_events_above_the_bytes_are_dropped(redis: Redis) -> None:
    queue = ForwardQueue(redis, limits=ForwardLimits(max_bytes=40_000))
    events = [(b"1-0", row, event("x" * 100)) for row in range(100)]
    assert await queue.add_all(events) == 0
    assert 60 < await queue.add_all([(b"2-0", row, each) for _, row, each in events]) < 100
    assert await queue.add_all([(b"3-0", row, each) for _, row, each in events]) == 100


async def test_long_events_after_short_ones_do_not_take_more_than_the_bytes(redis: Redis) -> None:
    max_bytes, events = 300_000, [("a", 10), ("x" * 3_000, 200)]
    queue = ForwardQueue(redis, limits=ForwardLimits(max_bytes=max_bytes))
    for at, (words, number) in enumerate(events):
        await queue.add_all([(b"%d-0" % at, row, event(words, meta=f"m{row}")) for row in range(number)])
    used = sum([await redis.memory_usage(key, samples=0) or 0 for key in lane_keys()])
    assert 0.7 * max_bytes < used <= max_bytes
    backlog = await read_forward_backlog(redis)
    assert (backlog.events + backlog.dropped, backlog.totals) == (210, {"dropped_full": backlog.dropped})
    assert used <= backlog.bytes <= max_bytes


async def test_the_bytes_of_events_that_left_the_queue_are_free(redis: Redis) -> None:
    now_ms = int((await redis.time())[0]) * 1000
    queue = ForwardQueue(redis, limits=ForwardLimits(max_bytes=1_500, max_age_s=60))
    old, new = b"%d-0" % (now_ms - 90_000), b"%d-0" % now_ms
    places = [(old, 0), (new, 0), (new, 1)]
    assert await queue.add_all([(entry, row, event("a" * 300)) for entry, row in places]) == 1
    both = (await read_forward_backlog(redis)).bytes
    assert await queue.drop_old() == 1
    assert (await read_forward_backlog(redis)).bytes == both // 2
    assert await queue.add_all([(new, 1, event("a" * 300))]) == 0
    for _ in range(2):
        await queue.remove(LANE, await queue.head(LANE, 100), count=ForwardCount.TAKEN)
    assert (await read_forward_backlog(redis)).bytes == 0


async def test_events_of_an_earlier_version_take_room_and_leave_no_bytes_behind(redis: Redis) -> None:
    queue = ForwardQueue(redis, limits=ForwardLimits(max_bytes=20_000))
    await queue.add_all([(b"1-0", row, event("x" * 100)) for row in range(60)])
    await redis.hdel(FORWARD_TOTALS, "bytes")
    assert await queue.add_all([(b"2-0", row, event("x" * 100)) for row in range(60)]) > 20
    await queue.remove(LANE, await queue.head(LANE, 100), count=ForwardCount.TAKEN)
    backlog = await read_forward_backlog(redis)
    assert (backlog.events, backlog.bytes) == (0, 0)


async def test_more_old_events_than_one_call_drops_are_all_dropped(redis: Redis) -> None:
    queue = ForwardQueue(redis, limits=ForwardLimits(max_age_s=60))
    await queue.add_all([(b"1-0", row, event(str(row))) for row in range(1_201)])
    assert await queue.drop_old() == 1_201
    assert (await read_forward_backlog(redis)).totals == {"dropped_old": 1_201}


async def test_while_redis_is_full_events_are_dropped_and_no_error_is_raised(redis: Redis) -> None:
    queue = ForwardQueue(redis)
    await redis.config_set("maxmemory", 1)
    try:
        assert await queue.add_all([(b"1-0", 0, event("a"))]) == 1
    finally:
        await redis.config_set("maxmemory", 0)
    assert await waiting(queue) == []
    assert await redis.hget(FORWARD_TOTALS, ForwardCount.DROPPED_FULL) == b"1"


async def test_an_event_that_waits_already_takes_no_room_and_is_not_dropped(redis: Redis) -> None:
    queue = ForwardQueue(redis, limits=ForwardLimits(max_events=2))
    first = (b"1-0", 0, event("a"))
    assert await queue.add_all([first]) == 0
    assert await queue.add_all([first, (b"2-0", 0, event("b")), (b"3-0", 0, event("c"))]) == 1
    assert await queue.add_all([first]) == 0
    assert (await read_forward_backlog(redis)).dropped == 1


async def test_an_event_that_two_processes_remove_counts_once(redis: Redis) -> None:
    queue = ForwardQueue(redis)
    await queue.add_all([(b"1-0", 0, event("a"))])
    head = await queue.head(LANE, 1)
    for _ in range(2):
        await queue.remove(LANE, head, count=ForwardCount.TAKEN)
    assert (await read_forward_backlog(redis)).totals == {"taken": 1}


async def test_events_that_waited_too_long_are_dropped_and_counted(redis: Redis) -> None:
    now_ms = int((await redis.time())[0]) * 1000
    queue = ForwardQueue(redis, limits=ForwardLimits(max_age_s=60))
    ids = [f"{now_ms - age_s * 1000}-0".encode() for age_s in (3_600, 90, 30, 0)]
    await queue.add_all([(entry, 0, event(str(entry))) for entry in ids])
    assert await queue.drop_old() == 2
    assert await queue.drop_old() == 0
    assert len(await waiting(queue)) == 2
    assert await redis.hget(FORWARD_TOTALS, ForwardCount.DROPPED_OLD) == b"2"


def test_all_events_of_a_message_are_in_one_lane() -> None:
    lanes = {lane_of(f"{number:032}") for number in range(1_000)}
    assert lanes == set(range(LANES))


_EVENTS = st.lists(st.tuples(st.sampled_from(["delivered", "failed", "clicked"]), st.text(min_size=1, max_size=5)))


@given(_EVENTS)
def test_a_body_has_the_events_in_their_order(pairs: Sequence[tuple[str, str]]) -> None:
    events = [ForwardedEvent(name, meta, msgspec.json.encode({"ts": 1, "meta": meta})) for name, meta in pairs]
    body = body_of(events)
    assert events_of(body) == events
    groups = msgspec.json.decode(body)
    assert [group["event"] for group in groups] == [
        name for at, (name, _) in enumerate(pairs) if at == 0 or pairs[at - 1][0] != name
    ]
