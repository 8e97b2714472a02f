"""Upkeep while Redis' clock is set back or forward."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from tests.kit.ledger import CAMPAIGN, PROVIDER, SENDER, YEAR_2100_MS, Ledger
from tests.kit.redis_clock import MovedClock, moved_clock
from times_dispatch.broker.app import WaitingWakeups
from times_dispatch.ledger.frequency_cap import FrequencyCheck, FrequencyLimit
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.maintenance import Maintenance, PendingSteps
from times_dispatch.ledger.model import BatchRef, SenderId
from times_dispatch.ledger.monitoring.health import urgent_warnings
from times_dispatch.ledger.openings import BatchClosed, Block, Wait, new_operation
from times_dispatch.ledger.protocol import BackOffPolicy
from times_dispatch.ledger.push_results import Consequence
from times_dispatch.ledger.states import CampaignState
from workers.upkeep import Upkeep

HOUR_S = 3_600
KEY, LEASES = campaign_key(SENDER, CAMPAIGN), f"{hash_tag(SENDER)}:leases"


@pytest.fixture
def clock(redis: Redis) -> Iterator[MovedClock]:
    with moved_clock(redis) as clock:
        yield clock


@pytest.fixture
def ledger(redis: Redis, clock: MovedClock) -> Ledger:
    return Ledger(redis)


@pytest.fixture
def upkeep(redis: Redis, clock: MovedClock) -> Upkeep:
    async def wake_workers(_: Any) -> None:
        pass

    async def show(_: Any) -> bool:
        return True

    return Upkeep(redis, lease_s=15.0, wake_workers=wake_workers, update_flower=show)


async def _let_leases_expire(redis: Redis, clock_ahead_s: float) -> None:
    """Pretend that there have been rounds for ten seconds by Redis' clock."""
    seconds, _ = await redis.time()
    await redis.set("upkeep:since", int((seconds + clock_ahead_s - 10) * 1000), px=9_000)


@pytest.mark.parametrize("back_s", [30, 90, HOUR_S])
async def test_a_clock_that_was_set_back_does_not_switch_the_repair_of_leases_off(
    redis: Redis, clock: MovedClock, ledger: Ledger, upkeep: Upkeep, back_s: int
) -> None:
    await clock.set_ahead(back_s)
    await ledger.submit(3)
    await upkeep.round()
    lease = await ledger.take(BatchRef(SENDER, CAMPAIGN, 0))
    await ledger.open(lease)  # the worker with the lease dies now
    await clock.set_ahead(0)
    await upkeep.round()
    since = await redis.get("upkeep:since")
    assert abs(int(since or 0) - await ledger.now_ms()) < 5_000
    assert await ledger.states() == "sss", "the holder gets time to renew the lease"
    await _let_leases_expire(redis, 0)
    if back_s <= 60:  # the lease may still run, for at most a minute
        await ledger.expire_leases(lease.ref)
    await upkeep.round()
    assert await ledger.states() == "iii"


@pytest.mark.parametrize("calls_before", range(6))
async def test_a_clock_that_is_set_forward_within_a_round_ends_no_lease_of_a_worker_that_lives(
    clock: MovedClock, ledger: Ledger, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch, calls_before: int
) -> None:
    redis = ledger.redis
    await ledger.submit(3)
    await upkeep.round()
    await ledger.open(await ledger.take(BatchRef(SENDER, CAMPAIGN, 0)))
    await _let_leases_expire(redis, 0)
    execute: Any = redis.execute_command
    left = [calls_before]

    async def set_clock_before_a_call(*command: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] == -1:
            await clock.set_ahead(HOUR_S)
            await execute("DEL", "upkeep:since")  # the key expires by the new clock
        return await execute(*command, **options)

    monkeypatch.setattr(redis, "execute_command", set_clock_before_a_call)
    await upkeep.round()
    await upkeep.round()

    assert left[0] < 0
    assert await ledger.states() == "sss"


async def test_a_worker_that_lives_keeps_its_lease_when_the_clock_is_set_back(
    redis: Redis, clock: MovedClock, ledger: Ledger, upkeep: Upkeep
) -> None:
    await clock.set_ahead(HOUR_S)
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.open(lease)
    await clock.set_ahead(0)
    assert await ledger.leases.renew(SENDER, [lease]) == [True]
    await _let_leases_expire(redis, 0)
    await upkeep.round()
    assert await ledger.states() == "sss"


@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S])
async def test_nothing_is_ended_or_settled_while_the_clocks_differ(
    redis: Redis, clock: MovedClock, ledger: Ledger, upkeep: Upkeep, ahead_s: int
) -> None:
    await ledger.submit(9)
    first, *_ = await ledger.issue()
    await ledger.leases.release(await ledger.push(b"aia", await ledger.take(first)))
    await clock.set_ahead(ahead_s)
    until_ms = await ledger.now_ms() + (ahead_s - 1) * 1000
    await redis.hset(KEY, "until_ms", until_ms)
    await redis.zadd(f"{hash_tag(SENDER)}:validity_ends", {CAMPAIGN: until_ms})
    await redis.hset(KEY, "report_wait_ms", -10 * HOUR_S * 1000)
    await ledger.make_all_due()
    await _let_leases_expire(redis, ahead_s)
    with capture_logs() as logs:
        await upkeep.round()
    assert await ledger.states() == "aiapppppp"
    assert await ledger.state() is CampaignState.RUNNING
    assert any("nothing is started by its time, ended" in log.get("warning", "") for log in logs)

    await clock.set_ahead(0)
    await redis.hset(KEY, "until_ms", YEAR_2100_MS)
    await redis.zadd(f"{hash_tag(SENDER)}:validity_ends", {CAMPAIGN: YEAR_2100_MS})
    await upkeep.round()
    assert await ledger.states() == "ninpppppp", "once the clocks agree, overdue messages are settled"


@pytest.mark.parametrize("missed_start", ["send", "skip", "ask"])
async def test_a_clock_that_jumps_forward_starts_and_skips_no_campaign(
    redis: Redis, clock: MovedClock, ledger: Ledger, upkeep: Upkeep, missed_start: str
) -> None:
    await ledger.submit(3, start_at_ms=await ledger.now_ms() + 600_000, missed_start=missed_start)
    await clock.set_ahead(HOUR_S)
    await upkeep.round()
    assert await ledger.issue() == []
    assert await ledger.state() is CampaignState.RUNNING
    await clock.set_ahead(0)
    await ledger.move_start(-1)
    assert len(await ledger.issue()) == 1


@pytest.mark.parametrize(("ahead_s", "is_told"), [(59.0, False), (61.5, True), (-59.0, False), (-61.5, True)])
async def test_a_difference_of_more_than_a_minute_is_told(
    redis: Redis, clock: MovedClock, ahead_s: float, is_told: bool
) -> None:
    await clock.set_ahead(ahead_s)
    assert len(await urgent_warnings(redis)) == is_told


async def test_a_hold_that_is_longer_than_the_longest_is_over(redis: Redis, clock: MovedClock, ledger: Ledger) -> None:
    await clock.set_ahead(HOUR_S)
    await ledger.submit(3)
    lease = await ledger.take()
    block = await ledger.open(lease, max_messages=1)
    await ledger.record(lease, block, b"p", Consequence(back_off=BackOffPolicy.ALWAYS))
    assert isinstance(await ledger.open_block(lease), Wait)
    await clock.set_ahead(0)
    probe = await ledger.open_block(lease)
    assert isinstance(probe, Block)
    assert len(probe.messages) == 1, "the provider is still tried with one message at a time"
    await ledger.record(lease, probe, b"p", Consequence(back_off=BackOffPolicy.ALWAYS))
    assert await redis.hget(f"{hash_tag(SENDER)}:sender", f"back_off_count@{PROVIDER}") == b"2"
    assert isinstance(await ledger.open_block(lease), Wait)


async def test_an_untaken_batch_whose_lease_ends_too_late_is_announced_again(clock: MovedClock, ledger: Ledger) -> None:
    await clock.set_ahead(HOUR_S)
    await ledger.submit(3)
    refs = await ledger.issue()
    await clock.set_ahead(0)
    maintenance = Maintenance(ledger.redis, lease_s=15.0)
    assert (await maintenance.pending_steps([SENDER]))[SENDER].expire_leases
    assert [ready.ref for ready in (await maintenance.expire_leases(SENDER)).ready] == refs


async def test_a_campaign_whose_validity_was_over_by_a_wrong_clock_goes_on_once_the_clock_is_right(
    clock: MovedClock, ledger: Ledger, upkeep: Upkeep
) -> None:
    await ledger.submit(3, valid_until_ms=await ledger.now_ms() + 600_000)
    lease = await ledger.take()
    await clock.set_ahead(HOUR_S)
    assert await ledger.open_block(lease) == BatchClosed("expired")
    await ledger.leases.release(lease)
    assert await ledger.issue() == []
    await upkeep.round()

    await clock.set_ahead(0)
    assert (await ledger.maintenance.pending_steps([SENDER]))[SENDER].issue
    assert await ledger.issue() == [lease.ref]


async def test_a_campaign_whose_send_window_was_over_by_a_wrong_clock_goes_on_once_the_clock_is_right(
    clock: MovedClock, ledger: Ledger, upkeep: Upkeep
) -> None:
    now_ms = await ledger.now_ms()
    await ledger.submit(3, send_from_min=600, send_until_min=1260)
    await ledger.maintenance.set_send_window(SENDER, CAMPAIGN, opens_ms=now_ms - 1, closes_ms=now_ms + 600_000)
    lease = await ledger.take()
    await clock.set_ahead(HOUR_S)
    assert await ledger.open_block(lease) == BatchClosed("outside_send_window")
    await ledger.leases.release(lease)
    assert await ledger.issue() == []
    await upkeep.round()

    await clock.set_ahead(0)
    assert await ledger.issue() == [lease.ref]


async def test_a_batch_that_waits_for_a_copy_waits_no_longer_when_the_clock_is_set_back(
    clock: MovedClock, ledger: Ledger
) -> None:
    check = FrequencyCheck(FrequencyLimit(1800), "0badcafe", 0, b"abcdef" * 3, "")
    for campaign in ("first001", "second01"):
        await ledger.submit(3, campaign=campaign)
    await clock.set_ahead(HOUR_S)
    first, second = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.leases.open_block(first, max_messages=1, operation=new_operation(), check=check)
    await ledger.leases.open_block(second, max_messages=3, operation=new_operation(), check=check)
    closed = await ledger.leases.open_block(second, max_messages=3, operation=new_operation(), check=check)
    assert closed == BatchClosed("copy_on_its_way")
    await ledger.leases.release(second)
    assert await ledger.issue() == []

    await clock.set_ahead(0)
    assert second.ref in await ledger.issue()


@pytest.mark.parametrize("jump_s", [90, -90])
async def test_a_clock_that_jumps_in_the_middle_of_a_round_expires_no_lease(
    redis: Redis, clock: MovedClock, ledger: Ledger, jump_s: int
) -> None:
    async def jump() -> WaitingWakeups:
        await clock.set_ahead(HOUR_S + jump_s)
        return WaitingWakeups()

    async def wake_workers(_: Any) -> None:
        pass

    async def show(_: Any) -> bool:
        return True

    await clock.set_ahead(HOUR_S)
    await ledger.submit(6)
    held, lost = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.open(held)
    await ledger.open(lost)
    await ledger.expire_leases(lost.ref)
    await _let_leases_expire(redis, HOUR_S)
    await Upkeep(redis, lease_s=15.0, wake_workers=wake_workers, update_flower=show, backlog=jump).round()
    assert await ledger.states() == "sssiii"
    assert await ledger.leases.renew(SENDER, [held]) == [True]


async def test_a_clock_that_jumps_in_the_middle_of_a_round_ends_expires_and_settles_nothing(
    redis: Redis, clock: MovedClock, ledger: Ledger, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.submit(9, valid_until_ms=await ledger.now_ms() + 600_000)
    await redis.hset(KEY, "report_wait_ms", 600_000)
    first, *_ = await ledger.issue()
    await ledger.leases.release(await ledger.push(b"aia", await ledger.take(first)))
    windowed = await ledger.submit(3, campaign="window01", send_from_min=600, send_until_min=1260)
    closes_ms = await ledger.now_ms() + 600_000
    await ledger.maintenance.set_send_window(SENDER, windowed, opens_ms=closes_ms - 700_000, closes_ms=closes_ms)
    await _let_leases_expire(redis, 0)
    pending_steps = Maintenance.pending_steps

    async def jump(self: Maintenance, senders: list[SenderId]) -> dict[SenderId, PendingSteps]:
        await clock.set_ahead(HOUR_S)  # the clocks were compared just before
        steps = await pending_steps(self, senders)
        assert steps[SENDER].end_pending
        assert steps[SENDER].settle_overdue
        assert steps[SENDER].send_windows
        return steps

    with monkeypatch.context() as patch:
        patch.setattr(Maintenance, "pending_steps", jump)
        await upkeep.round()
    await clock.set_ahead(0)
    await upkeep.round()
    assert await ledger.states() == "aiapppppp"
    assert await redis.hget(campaign_key(SENDER, windowed), "send_window_closes_ms") == str(closes_ms).encode()
