from redis.asyncio import Redis

from times_dispatch.ledger.keys import FORWARD_TOTALS
from times_dispatch.ledger.reports.forward_backlog import ForwardBacklog, lane_keys, read_forward_backlog


async def test_without_events_the_backlog_is_empty(redis: Redis) -> None:
    assert await read_forward_backlog(redis) == ForwardBacklog()


async def test_the_backlog_adds_up_all_lanes_and_has_the_age_of_the_oldest_event(redis: Redis) -> None:
    seconds, _ = await redis.time()
    for at, lane in enumerate(lane_keys()):
        await redis.zadd(lane, {f"a{at}": (int(seconds) - at) * 1000, f"b{at}": int(seconds) * 1000})
    await redis.hset(FORWARD_TOTALS, mapping={"taken": 5, "dropped_full": 2, "dropped_old": 1, "bytes": 700})
    backlog = await read_forward_backlog(redis)
    assert (backlog.events, backlog.dropped, backlog.totals["taken"]) == (16, 3, 5)
    assert 7 <= backlog.oldest_s < 10
    assert (backlog.bytes, "bytes" in backlog.totals) == (700, False)
