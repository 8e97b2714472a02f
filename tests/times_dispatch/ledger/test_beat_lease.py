"""One of several beat processes holds the lease; the fencing token grows with each new holder."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError
from structlog.testing import capture_logs

from tests.kit.clock import FakeClock
from tests.kit.redis_clock import MovedClock, moved_clock
from tests.kit.waiting import eventually
from times_dispatch.ledger.beat_lease import LEASE_S, BeatLease, why_ignored, working_beat
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import BEAT_LEASE


@pytest.fixture
def redis_clock(redis: Redis) -> Iterator[MovedClock]:
    with moved_clock(redis) as clock:
        yield clock


@asynccontextmanager
async def running(redis: Redis, lease: BeatLease) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(lease.run(redis, stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


async def test_of_two_beats_one_holds_the_lease_and_the_other_gets_it_after_a_clean_stop(redis: Redis) -> None:
    asking = FakeClock(auto=True)
    first, second, third = BeatLease(), BeatLease(clock=asking), BeatLease(clock=FakeClock())
    async with running(redis, first):
        await eventually(lambda: first.token)
        async with running(redis, second):
            await eventually(lambda: len(asking.slept) >= 3)
            assert (first.token, second.token, second.may_send) == (1, 0, False)
            assert await working_beat(redis) != ""
        assert first.token == 1
    assert first.token == 0
    assert await working_beat(redis) == ""
    async with running(redis, third):  # nothing advances the clock of this beat, so it asks once
        await eventually(lambda: third.token)
        assert third.token == 2
        assert await why_ignored(redis, token=1, sent_ms=third.now_ms) == "of a replaced beat"
        assert await why_ignored(redis, token=2, sent_ms=third.now_ms) == ""


@pytest.mark.parametrize(("age_s", "reason"), [(4.9, ""), (5.1, "old"), (-4.9, ""), (-5.1, "old")])
async def test_a_message_is_old_after_five_seconds_of_the_ledgers_clock(
    redis: Redis, age_s: float, reason: str
) -> None:
    seconds, microseconds = await redis.time()
    sent_ms = int(seconds) * 1000 + int(microseconds) // 1000 - round(age_s * 1000)
    assert await why_ignored(redis, token=1, sent_ms=sent_ms) == reason
    assert await why_ignored(redis, token=0, sent_ms=0) == ""  # a beat of an older version sends no token


async def test_a_beat_whose_host_has_a_wrong_clock_knows_the_time_of_the_ledger(redis: Redis) -> None:
    lease = BeatLease(clock=FakeClock(epoch=1.0))
    assert lease.now_ms == 0
    async with running(redis, lease):
        await eventually(lambda: lease.token)
        assert abs(lease.now_ms - (await redis.time())[0] * 1000) < 5_000


async def test_a_beat_that_died_is_replaced_when_its_lease_ends(redis: Redis, redis_clock: MovedClock) -> None:
    asking = FakeClock(auto=True)
    # Nothing advances the clock of the dead beat, so that its lease is not renewed.
    dead, other = BeatLease(clock=FakeClock()), BeatLease(clock=asking)
    async with running(redis, dead):
        await eventually(lambda: dead.token)
        async with running(redis, other):
            await eventually(lambda: len(asking.slept) >= 3)
            assert other.token == 0
            await redis_clock.set_ahead(LEASE_S)
            await eventually(lambda: other.token == 2)


async def test_a_beat_that_cannot_renew_stops_by_its_own_clock() -> None:
    clock = FakeClock()
    lease = BeatLease(clock=clock)
    async with connect("redis://127.0.0.1:1/0", retries=0) as nowhere, running(nowhere, lease):
        await eventually(lambda: clock.slept)
        assert (lease.token, lease.may_send) == (0, False)


async def test_a_held_lease_ends_after_its_time_without_an_answer(redis: Redis) -> None:
    clock = FakeClock()
    lease = BeatLease(clock=clock)
    async with running(redis, lease):
        await eventually(lambda: lease.token)
        clock._now += LEASE_S - 0.1
        assert lease.token == 1
        clock._now += 0.1
        assert lease.token == 0


async def test_a_lease_from_before_the_clock_was_set_back_is_over(redis: Redis, redis_clock: MovedClock) -> None:
    first, second = BeatLease(), BeatLease()
    await redis_clock.set_ahead(600)
    async with running(redis, first):
        await eventually(lambda: first.token)
        await redis_clock.set_ahead(0)
        async with running(redis, second):
            await eventually(lambda: second.token, within_s=300)
            await eventually(lambda: first.token == 0)


async def test_a_release_that_comes_late_ends_no_lease_of_another_beat(redis: Redis) -> None:
    late, other = BeatLease(clock=FakeClock()), BeatLease()
    async with running(redis, late):
        await eventually(lambda: late.token)
        await redis.hset(BEAT_LEASE, mapping={"until_ms": 0})
        other_running = running(redis, other)
        await other_running.__aenter__()
        await eventually(lambda: other.token == 2)
    assert int(await redis.hget(BEAT_LEASE, "until_ms") or 0) > 0
    await other_running.__aexit__(None, None, None)


class _Refusing(Redis):
    async def execute_command(self, *args: object, **options: object) -> object:
        raise NoPermissionError("no")


async def test_a_beat_whose_user_may_not_hold_a_lease_works_as_before_and_says_so_once() -> None:
    clock = FakeClock(auto=True)
    lease = BeatLease(clock=clock)
    with capture_logs() as logs:
        async with running(_Refusing(), lease):
            await eventually(lambda: lease.may_send)
            await eventually(lambda: len(clock.slept) >= 3)
    assert lease.token == 0
    assert [entry["event"] for entry in logs] == ["the lease of beat is refused"]
