"""The silence brake on a real Redis: the counters of days stop promotional messages and let them continue."""

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis

from tests.kit.history import count_day, count_days_before
from tests.kit.ledger import PROVIDER, SENDER, Ledger
from tests.kit.redis_clock import StoppedClock, stopped_clock
from times_dispatch.ledger.keys import REPORTS, SenderKey, sender_key
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.sender_view import UnavailableProvider
from workers.silence_watch import SilenceWatch

NOON_S = datetime(2026, 11, 20, 12, tzinfo=ZoneInfo("Asia/Kolkata")).timestamp()
TODAY = date(2026, 11, 20)


class Rig(NamedTuple):
    """A sender with a history of five days, a live promotional campaign, and a clock."""

    ledger: Ledger
    clock: StoppedClock
    watch: SilenceWatch

    async def look(self, at_s: float, *, sent: int, reported: int = 0, watch: SilenceWatch | None = None) -> None:
        """Set the counters of the day and the time, noon plus *at_s* seconds, and let the watch observe once."""
        await self.clock.set(NOON_S + at_s)
        await count_day(self.ledger.redis, TODAY, sent=sent, delivered=reported)
        await self.ledger.redis.delete(sender_key(SENDER, SenderKey.SILENCE_LOOKED))
        await (watch or self.watch).round([SENDER])

    async def silent(self) -> Sequence[UnavailableProvider]:
        return (await self.ledger.queries.sender(SENDER)).unavailable


def new_watch(redis: Redis, *, is_on: bool = True) -> SilenceWatch:
    return SilenceWatch(redis, {SENDER: is_on}, min_wait_s=300, every_s=0)


@pytest.fixture
async def rig(redis: Redis) -> AsyncIterator[Rig]:
    with stopped_clock(redis) as clock:
        await clock.set(NOON_S)
        ledger = Ledger(redis)
        await count_days_before(redis, TODAY)
        await ledger.submit(category="promotional")
        yield Rig(ledger, clock, new_watch(redis))


async def fall_silent(rig: Rig) -> None:
    await rig.look(0, sent=100, reported=90)
    await rig.look(10, sent=1_000, reported=90)
    await rig.look(311, sent=2_000, reported=90)


async def test_messages_are_held_back_when_their_reports_are_missing_and_go_on_when_a_report_comes(rig: Rig) -> None:
    await rig.look(0, sent=100, reported=90)
    await rig.look(10, sent=1_000, reported=90)
    await rig.look(309, sent=2_000, reported=90)
    assert await rig.silent() == []
    await rig.look(310, sent=2_000, reported=90)
    (silent,) = await rig.silent()
    assert silent.provider == PROVIDER
    assert silent.silent_why == (
        "no delivery report for 5m, though 900 messages should have one; usually 95 % have one within 11 s; "
        "one message is tried from time to time"
    )
    assert await rig.ledger.issue() == []
    await rig.look(330, sent=2_000, reported=90)
    assert len(await rig.silent()) == 1
    await rig.look(340, sent=2_001, reported=91)
    assert await rig.silent() == []
    assert len(await rig.ledger.issue()) == 1


async def test_messages_stay_held_after_a_restart_and_over_midnight(rig: Rig) -> None:
    await fall_silent(rig)
    redis = rig.ledger.redis
    await rig.look(400, sent=2_000, reported=90, watch=new_watch(redis))
    tomorrow = TODAY + timedelta(days=1)
    await rig.clock.set(NOON_S + 86_400)
    await redis.delete(sender_key(SENDER, SenderKey.SILENCE_LOOKED))
    await new_watch(redis).round([SENDER])
    assert len(await rig.silent()) == 1
    await count_day(redis, tomorrow, sent=1, delivered=1)  # the first message of the day is a probe
    await redis.delete(sender_key(SENDER, SenderKey.SILENCE_LOOKED))
    await new_watch(redis).round([SENDER])
    assert await rig.silent() == []


async def test_a_late_report_of_the_day_before_lets_messages_go_on(rig: Rig) -> None:
    await fall_silent(rig)
    await rig.clock.set(NOON_S + 86_400)
    await count_day(rig.ledger.redis, TODAY, sent=2_000, delivered=91)
    await rig.ledger.redis.delete(sender_key(SENDER, SenderKey.SILENCE_LOOKED))
    await rig.watch.round([SENDER])
    assert await rig.silent() == []


async def test_a_resume_by_a_person_holds_until_messages_since_then_have_waited_too_long(rig: Rig) -> None:
    await fall_silent(rig)
    assert await rig.ledger.control.resume_sender(SENDER)
    await rig.look(320, sent=2_000, reported=90)
    await rig.look(330, sent=2_500, reported=90)
    await rig.look(619, sent=2_600, reported=90)
    assert await rig.silent() == []
    await rig.look(635, sent=2_600, reported=90)
    assert len(await rig.silent()) == 1


async def test_a_brake_that_is_off_holds_nothing_and_ends_what_is_held(rig: Rig) -> None:
    off = new_watch(rig.ledger.redis, is_on=False)
    for at_s, sent in ((0, 100), (10, 1_000), (400, 2_000)):
        await rig.look(at_s, sent=sent, watch=off)
    assert await rig.silent() == []
    await rig.look(410, sent=2_000)
    await rig.look(420, sent=3_000)
    await rig.look(800, sent=3_000)
    assert len(await rig.silent()) == 1
    await rig.look(810, sent=3_000, watch=off)
    assert await rig.silent() == []


async def test_a_thin_history_holds_nothing(redis: Redis) -> None:
    with stopped_clock(redis) as clock:
        await clock.set(NOON_S)
        ledger = Ledger(redis)
        await count_days_before(redis, TODAY, days=2)
        await ledger.submit(category="promotional")
        rig = Rig(ledger, clock, new_watch(redis))
        await fall_silent(rig)
        await rig.look(9_000, sent=90_000, reported=90)
        assert await rig.silent() == []


async def test_reports_that_wait_for_a_reconciler_hold_nothing(rig: Rig) -> None:
    redis = rig.ledger.redis
    await redis.xadd(REPORTS, {"body": b"x"}, id="1-1")
    await fall_silent(rig)
    assert await rig.silent() == []
    await redis.delete(REPORTS)
    await rig.look(320, sent=2_000, reported=90)
    assert await rig.silent() == []  # the wait begins again


async def test_senders_without_live_campaigns_or_outside_of_the_settings_are_not_looked_at(redis: Redis) -> None:
    await Ledger(redis).submit()
    await SilenceWatch(redis, {}, min_wait_s=300).round([SENDER])
    assert await redis.exists(sender_key(SENDER, SenderKey.SILENCE)) == 0
    await redis.delete(sender_key(SENDER, SenderKey.LIVE))
    await new_watch(redis).round([SENDER])
    assert await redis.exists(sender_key(SENDER, SenderKey.SILENCE)) == 0


async def test_a_damaged_sender_delays_no_other(rig: Rig) -> None:
    await rig.ledger.redis.set(sender_key(SENDER, SenderKey.SILENCE), "x")
    await rig.look(0, sent=100)


async def test_two_workers_look_once_in_ten_seconds(rig: Rig) -> None:
    first = SilenceWatch(rig.ledger.redis, {SENDER: True}, min_wait_s=300)
    second = SilenceWatch(rig.ledger.redis, {SENDER: True}, min_wait_s=300)
    await count_day(rig.ledger.redis, TODAY, sent=10)
    await first.round([SENDER])
    await rig.ledger.redis.delete(sender_key(SENDER, SenderKey.SILENCE))
    for watch in (first, second):
        await watch.round([SENDER])
    assert await rig.ledger.redis.exists(sender_key(SENDER, SenderKey.SILENCE)) == 0


async def test_each_lane_of_a_sender_is_watched_by_the_setting_of_the_sender(rig: Rig) -> None:
    lane = lane_senders(SENDER, 2)[1]
    watch = SilenceWatch(rig.ledger.redis, {SENDER: True}, min_wait_s=300, every_s=60)
    await watch.round([lane])
    assert await rig.ledger.redis.exists(sender_key(lane, SenderKey.SILENCE_LOOKED))
