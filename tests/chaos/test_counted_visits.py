"""Chaos reads the counted visits from the ledger, and the answered visits from the journal."""

import random
from pathlib import Path

import msgspec
from redis.asyncio import Redis

from tests.chaos.counted_visits import answered_visits, counted_visits
from tests.kit.callbacks import ID_KEY, SENDER, send_campaign
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportApplier
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.sandbox.bookkeeping.entries import Refusal, ReportEntry


async def test_the_ids_of_the_counted_visits_are_read_from_the_ledger(redis: Redis) -> None:
    sent = await send_campaign(redis, CorrelationIds(ID_KEY.encode()))
    numbers = [0, 1, 8, 1_023, 1_024, 70_000, *random.Random(1).sample(range(100_000), 200)]
    ids = {f"{process:016x}-{number}" for number in numbers for process in (1, 0xABCDEF)}
    reports = [DeliveryReport(sent.campaign, 3, 0, "clicked", 0, 1_795_300_000, visit=visit) for visit in ids]
    await ReportApplier(redis).apply(reports)
    assert await counted_visits(redis, SENDER, sent.campaign) == ids


def test_the_answered_visits_are_read_from_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "books.jsonl"
    entries = [
        ReportEntry("clicked", "campaign000000", "", "own", "a-1"),
        Refusal("TIMESM", 2054),
        ReportEntry("clicked", "diwali01000000", "", "own", "a-2"),
        ReportEntry("delivered", "diwali01000000", "", "own"),
    ]
    unfinished = msgspec.json.encode(ReportEntry("clicked", "diwali01000000", "", "own", "a-3"))
    journal.write_bytes(msgspec.json.Encoder().encode_lines(entries) + unfinished)
    assert answered_visits(journal) == {"campaign": {"a-1"}, "diwali01": {"a-2"}}
