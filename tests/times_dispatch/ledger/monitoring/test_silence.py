"""When reports count as missing, and what is sent to a silent provider: values just below and at each limit."""

from datetime import date
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from tests.kit.ledger import PROVIDER, SENDER, Ledger
from tests.kit.ledger_machine.clock import machine_clock
from times_dispatch.ledger.keys import ProviderField, SenderKey, provider_field, sender_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.monitoring.silence import (
    MAX_WAIT_S,
    SentSample,
    SilenceRecord,
    SilenceStore,
    UsualReports,
    begin,
    missing_reports,
    usual_reports,
    watched,
)
from times_dispatch.ledger.openings import BatchClosed, Block, Opened, Wait
from times_dispatch.ledger.protocol import CloseReason
from times_dispatch.ledger.scripts import Script
from times_dispatch.ledger.statistics.delivery_times import DeliveryTimes, bucket_of
from times_dispatch.ledger.statistics.usual import DeliveryCounts
from times_dispatch.ledger.trail import Trail

DAY = date(2026, 11, 20)
T0 = 1_790_000_000_000
REASON = "no delivery report for 6m"
USUAL = UsualReports(wait_s=300, share=0.8, within_s=10)


def history(*, reported: int = 1_000, sent: int = 1_200, days: int = 3, within_s: float = 10) -> DeliveryCounts:
    times = DeliveryTimes({bucket_of(int(within_s * 1000)): reported})
    return DeliveryCounts(days=days, sent=sent, delivered=reported, delivery_times=times)


@pytest.mark.parametrize(
    ("counts", "is_enough"),
    [
        (history(), True),
        (history(reported=999), False),
        (history(days=2), False),
        (history(sent=3_333), True),
        (history(sent=3_334), False),  # fewer than 30 % have a report
        (DeliveryCounts(days=9, sent=2_000, failed=2_000), False),  # nothing was delivered: no delivery time is known
        (DeliveryCounts(), False),
    ],
)
def test_a_thin_history_says_nothing(counts: DeliveryCounts, is_enough: bool) -> None:
    assert (usual_reports(counts, min_wait_s=300) is not None) is is_enough


@pytest.mark.parametrize(("within_s", "wait_s"), [(10, 300), (100, 300), (101, 303), (1_000, 3_000)])
def test_a_report_is_missed_after_three_times_the_usual_time_and_after_the_shortest_time_of_the_settings(
    within_s: float, wait_s: float
) -> None:
    usual = usual_reports(history(within_s=within_s), min_wait_s=300)
    assert usual
    assert usual.wait_s == pytest.approx(wait_s, rel=0.1)  # the recorded times are exact to 10 %


def test_where_reports_take_hours_silence_says_nothing() -> None:
    assert usual_reports(history(within_s=MAX_WAIT_S), min_wait_s=300) is None


def look(
    record: SilenceRecord | None, at_s: float, sent: int, reported: int = 0, *, day: date = DAY, waits: bool = False
) -> SilenceRecord:
    counts = DeliveryCounts(sent=sent, delivered=reported)
    now_ms = T0 + int(at_s * 1000)
    return watched(record, day, counts, wait_s=USUAL.wait_s, now_ms=now_ms, reports_wait=waits)


def missing(record: SilenceRecord, at_s: float) -> int:
    return missing_reports(record, USUAL, now_ms=T0 + int(at_s * 1000))


@pytest.mark.parametrize(("sent", "at_s", "expected"), [(27, 310, 27), (26, 310, 0), (27, 309.9, 0), (500, 310, 500)])
def test_reports_are_missing_when_20_were_to_be_expected_and_have_waited_long_enough(
    sent: int, at_s: float, expected: int
) -> None:
    # 80 % get a report, 95 % of them within the wait: 20.5 reports are expected for 27 messages.
    record = look(look(None, 0, 0), 10, sent)
    assert missing(look(record, at_s, 9_000), at_s) == expected


def test_one_report_ends_the_wait_for_all_messages_before_it() -> None:
    record = look(look(look(None, 0, 0), 10, 500), 305, 900, reported=1)
    assert missing(look(record, 320, 950, reported=1), 320) == 0
    assert missing(look(record, 604, 960, reported=1), 604) == 0
    record = look(look(record, 310, 960, reported=1), 610, 960, reported=1)
    assert missing(record, 610) == 60


def test_messages_before_the_first_look_and_before_midnight_count_not() -> None:
    record = look(look(None, 0, 5_000), 400, 5_000)
    assert missing(record, 400) == 0
    record = look(look(None, 0, 0), 10, 500)
    after = look(record, 400, 500, day=date(2026, 11, 21))
    assert missing(after, 400) == 0


def test_reports_that_wait_for_a_reconciler_are_no_silence() -> None:
    record = look(look(None, 0, 0), 10, 500)
    assert missing(look(record, 400, 500, waits=True), 400) == 0


@pytest.mark.parametrize(("at_s", "sent"), [(-50, 600), (400, 400)])
def test_a_clock_or_counters_that_were_set_back_begin_anew(at_s: float, sent: int) -> None:
    record = look(look(None, 0, 0), 10, 500)
    assert len(look(record, at_s, sent).samples) == 1


def test_many_looks_are_kept_as_few_samples_that_still_cover_the_wait() -> None:
    record = look(None, 0, 0)
    for number in range(1, 2_000):
        record = look(record, number * 10, number)
    assert len(record.samples) <= 60
    assert record.samples[0] == SentSample(T0, 0)
    by_then = [sample.at_ms for sample in record.samples if sample.at_ms <= T0 + (19_990 - 300) * 1000]
    assert by_then[-1] > T0 + (19_990 - 600) * 1000
    assert missing(record, 19_990) == pytest.approx(1_969, abs=15)


def test_messages_that_are_held_stay_held_over_midnight() -> None:
    record = msgspec.structs.replace(begin(DAY, DeliveryCounts(), now_ms=T0), held_day=DAY.toordinal(), held_reported=7)
    after = look(record, 40_000, 5, day=date(2026, 11, 21))
    assert (after.held_day, after.held_reported) == (DAY.toordinal(), 7)


async def _opened(ledger: Ledger, category: str, messages: int = 6, **changes: Any) -> Opened:
    campaign = await ledger.submit(
        messages, batch_size=messages, campaign=f"{category:x<8}"[:8], category=category, **changes
    )
    ref = next(ref for ref in await ledger.issue() if ref.campaign == campaign)
    return await ledger.open_block(await ledger.take(ref))


async def _probe_at(ledger: Ledger, at: float) -> None:
    field = provider_field(ProviderField.SILENCE_PROBE_US, PROVIDER)
    await ledger.redis.hset(sender_key(SENDER, SenderKey.SENDER), field, str(at))


async def test_promotional_messages_are_held_back_from_a_silent_provider_and_others_are_not(redis: Redis) -> None:
    with machine_clock(redis) as clock:  # the clock stands still: the provider is tried again in half a second
        await clock.write(redis)
        ledger = Ledger(redis)
        # The wait is short, because an issued batch waits so long.
        assert await SilenceStore(redis).hold(SENDER, PROVIDER, REASON, wait_s=0.5)
        service = await _opened(ledger, "service")
        assert isinstance(service, Block)
        assert len(service.messages) == 6
        promotional = await _opened(ledger, "promotional")
        assert isinstance(promotional, Wait)
        assert promotional.seconds == pytest.approx(0.5, abs=0.05)
        await ledger.assert_counters_add_up()


async def test_a_campaign_that_waits_for_a_silent_provider_leaves_its_turn_to_others(ledger: Ledger) -> None:
    await SilenceStore(ledger.redis).hold(SENDER, PROVIDER, REASON, wait_s=300)
    held = await ledger.submit(campaign="held0000", category="promotional")
    free = await ledger.submit(campaign="free0000", category="transactional")
    assert [ref.campaign for ref in await ledger.issue()] == [free]
    assert await ledger.redis.zscore(f"{{{SENDER}}}:blocked", held) is not None
    assert (await ledger.view(held)).reason == f"provider times is held back for promotional messages: {REASON}"
    assert (await ledger.view(free)).reason == ""


async def test_a_batch_that_is_out_when_the_silence_begins_waits_or_makes_room_for_others(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6, campaign="held0000", category="promotional")
    lease = await ledger.take()
    await SilenceStore(ledger.redis).hold(SENDER, PROVIDER, REASON, wait_s=300)
    assert isinstance(await ledger.open_block(lease), Wait)
    await ledger.submit(6, batch_size=6, campaign="alsoheld", category="promotional")
    assert isinstance(await ledger.open_block(lease), Wait)
    await ledger.submit(12, batch_size=6, campaign="free0000")
    opened = await ledger.open_block(lease)
    assert opened == BatchClosed(CloseReason.BACKING_OFF)


async def test_one_message_is_tried_and_each_later_one_after_twice_the_time(ledger: Ledger) -> None:
    await SilenceStore(ledger.redis).hold(SENDER, PROVIDER, REASON, wait_s=100)
    await ledger.submit(6, batch_size=6, category="promotional")
    await _probe_at(ledger, 0)
    lease = await ledger.take()
    waits = []
    for _ in range(5):
        await _probe_at(ledger, 0)
        block = await ledger.open(lease)
        assert len(block.messages) == 1
        await ledger.record(lease, block, b"a")
        opened = await ledger.open_block(lease)
        assert isinstance(opened, Wait)
        waits.append(opened.seconds)
    assert waits == pytest.approx([100, 200, 400, 800, 900], abs=2)


async def test_a_held_message_goes_through_the_next_provider_of_the_chain(ledger: Ledger) -> None:
    await SilenceStore(ledger.redis).hold(SENDER, PROVIDER, REASON, wait_s=300)
    opened = await _opened(ledger, "promotional", fallbacks=["other"])
    assert isinstance(opened, Block)
    assert (opened.chain_index, len(opened.messages)) == (1, 6)
    assert (await ledger.view(CampaignId("promotio"))).reason.endswith("; sending through other")


async def test_when_reports_come_held_campaigns_are_in_turn_at_once_and_the_trail_has_both(ledger: Ledger) -> None:
    store = SilenceStore(ledger.redis)
    await store.hold(SENDER, PROVIDER, REASON, wait_s=300)
    held = await ledger.submit(campaign="held0000", category="promotional")
    assert await ledger.issue() == []
    assert not await store.hold(SENDER, PROVIDER, "again", wait_s=5)
    await ledger.maintenance.take_changed(SENDER)
    assert await store.release(SENDER, PROVIDER, "reports come")
    assert not await store.release(SENDER, PROVIDER, "reports come")
    assert await ledger.maintenance.take_changed(SENDER) == [held]
    assert [ref.campaign for ref in await ledger.issue()] == [held]
    assert (await ledger.view(held)).reason == ""
    entries = await Trail(ledger.redis).newest([SENDER], limit=9)
    assert [(entry.action, entry.detail) for entry in entries] == [
        ("promotional messages held back", f"times: {REASON}"),
        ("promotional messages go on", "times: reports come"),
    ]


async def test_several_providers_are_silent_at_the_same_time(ledger: Ledger) -> None:
    store = SilenceStore(ledger.redis)
    for provider in ("times", "other", "times2"):
        await store.hold(SENDER, provider, REASON, wait_s=300)
    await store.release(SENDER, "other", "")
    silent = [provider.provider for provider in (await ledger.queries.sender(SENDER)).unavailable]
    assert silent == ["times", "times2"]
    await store.release(SENDER, "times2", "")
    await store.release(SENDER, "times", "")
    assert (await ledger.queries.sender(SENDER)).unavailable == []


async def test_a_resume_by_a_person_ends_the_silence_but_not_one_that_began_after_the_decision(ledger: Ledger) -> None:
    store = SilenceStore(ledger.redis)
    await ledger.submit(category="promotional")
    await store.hold(SENDER, PROVIDER, REASON, wait_s=300)
    assert await ledger.control.resume_sender(SENDER)
    assert (await ledger.queries.sender(SENDER)).unavailable == []
    assert len(await ledger.issue()) == 1


async def test_a_resume_that_is_repeated_ends_no_silence_that_began_after_the_decision(ledger: Ledger) -> None:
    script = Script(ledger.redis, "resume_sender")
    decided_us = await ledger.now_ms() * 1000
    await SilenceStore(ledger.redis).hold(SENDER, PROVIDER, REASON, wait_s=300)
    await script(SENDER, decided_us=decided_us, trail="")
    (silent,) = (await ledger.queries.sender(SENDER)).unavailable
    assert (silent.provider, silent.silent_why) == (PROVIDER, REASON)
    await ledger.submit(category="promotional")
    assert await ledger.issue() == []


async def test_records_are_kept_by_provider_and_those_of_another_version_are_left_out(redis: Redis) -> None:
    store, record = SilenceStore(redis), begin(DAY, DeliveryCounts(sent=5), now_ms=T0)
    await store.write(SENDER, {"times": record})
    await redis.hset(sender_key(SENDER, SenderKey.SILENCE), "other", b"{}")
    assert await store.read(SENDER) == {"times": record}
    await store.write(SENDER, {})
    await store.forget(SENDER, ["times"])
    assert await store.read(SENDER) == {}


async def test_only_one_worker_looks_at_a_time(redis: Redis) -> None:
    store = SilenceStore(redis)
    assert [await store.may_look(SENDER, every_s=30) for _ in range(2)] == [True, False]
    assert await store.may_look(SenderId("OTHERS"), every_s=30)
