"""A campaign's send window, kept to the second by upkeep and ledger together, whatever the machine's time zone."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis

from tests.kit.ledger import SENDER, Ledger
from times_dispatch.clock import SystemClock
from times_dispatch.ledger import scripts
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef, CampaignId, CampaignView
from times_dispatch.ledger.openings import BatchClosed, Block
from times_dispatch.ledger.ready_batches import BatchReady
from workers.upkeep import Upkeep

INDIA = ZoneInfo("Asia/Kolkata")
PROMOTIONAL: dict[str, Any] = {"send_from_min": 10 * 60, "send_until_min": 21 * 60}


CLOCK_LIB = """
local function now_us()
    return tonumber(redis.call('GET', 'clock'))
end
"""
"""Stands for ``lua/lib/clock.lua`` while a test sets the clock."""


class BothClocks(SystemClock):
    """Redis' clock, as the scripts read it, and the host's."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._now = datetime.now(UTC)

    async def set(self, day: int, clock: str, zone: ZoneInfo = INDIA) -> None:
        hour, minute, second = map(int, clock.split(":"))
        self._now = datetime(2026, 11, day, hour, minute, second, tzinfo=zone)
        await self._redis.set("clock", int(self._now.timestamp()) * 1_000_000)

    def time(self) -> float:
        return self._now.timestamp()


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"], autouse=True)
def machine_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


CLOCK = """
local function now_us()
  local seconds, microseconds = unpack(redis.call('LRANGE', 'clock', 0, 1))
  return seconds * 1000000 + microseconds
end
"""


@pytest.fixture
async def clock(redis: Redis) -> AsyncIterator[BothClocks]:
    clock = BothClocks(redis)
    await clock.set(9, "12:00:00")
    with scripts.replaced_lib("clock", CLOCK_LIB):
        yield clock


async def _wake_nobody(_: Sequence[BatchReady]) -> None:
    """Wake no worker, in place of the broker."""


async def _show(_: list[CampaignView]) -> bool:
    return True


async def test_promotional_messages_go_from_ten_to_nine_in_india_and_not_a_second_longer(
    redis: Redis, clock: BothClocks
) -> None:
    ledger = Ledger(redis)
    ledger.leases = BatchLeases(redis, lease_s=1_000_000)  # no worker renews the lease, and the clock is set far ahead
    upkeep = Upkeep(redis, lease_s=15.0, wake_workers=_wake_nobody, update_flower=_show, clock=clock)
    await ledger.submit(9, batch_size=9, **PROMOTIONAL)
    await upkeep.round()
    lease = await ledger.take((await _out(ledger))[0])

    async def ask_at(day: int, at: str) -> object:
        await clock.set(day, at)
        await upkeep.round()
        return await ledger.open_block(lease, max_messages=1)

    assert isinstance(await ask_at(9, "12:00:01"), Block)
    assert isinstance(await ask_at(9, "20:59:59"), Block)
    assert await ask_at(9, "21:00:00") == BatchClosed("outside_send_window")
    assert await ask_at(9, "23:59:59") == BatchClosed("outside_send_window")
    assert await ask_at(10, "00:00:00") == BatchClosed("outside_send_window")
    assert await ask_at(10, "09:59:59") == BatchClosed("outside_send_window")
    assert isinstance(await ask_at(10, "10:00:00"), Block)


async def test_batches_are_issued_within_the_send_window_only(redis: Redis, clock: BothClocks) -> None:
    ledger = Ledger(redis)
    upkeep = Upkeep(redis, lease_s=15.0, wake_workers=_wake_nobody, update_flower=_show, clock=clock)
    await clock.set(9, "21:00:00")
    await ledger.submit(9, batch_size=9, **PROMOTIONAL)
    for day, at in ((9, "21:00:00"), (9, "22:00:00"), (10, "09:59:59")):
        await clock.set(day, at)
        await upkeep.round()
        assert await _out(ledger) == [], at
    await clock.set(10, "10:00:00")
    await upkeep.round()
    assert len(await _out(ledger)) == 1


async def test_a_campaign_keeps_the_send_window_of_its_own_zone_over_a_change_of_the_clocks(
    redis: Redis, clock: BothClocks
) -> None:
    """In New York clocks were set back on 2026-11-01 at 02:00."""
    new_york = ZoneInfo("America/New_York")
    ledger = Ledger(redis)
    upkeep = Upkeep(redis, lease_s=15.0, wake_workers=_wake_nobody, update_flower=_show, clock=clock)
    await clock.set(1, "00:30:00", new_york)
    await ledger.submit(9, batch_size=9, zone="America/New_York", **PROMOTIONAL)
    await upkeep.round()
    await clock.set(1, "09:59:59", new_york)
    await upkeep.round()
    assert await _out(ledger) == []
    await clock.set(1, "10:00:00", new_york)
    await upkeep.round()
    assert len(await _out(ledger)) == 1


async def _out(ledger: Ledger) -> list[BatchRef]:
    """Return the batches that are out."""
    members = await ledger.redis.zrange(f"{hash_tag(SENDER)}:leases", 0, -1)
    parts = [scripts.text(member).partition(":") for member in members]
    return [BatchRef(SENDER, CampaignId(campaign), int(number)) for campaign, _, number in parts]
