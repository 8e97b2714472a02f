"""Visits of tracked links with ids: each visit counts once, and takes one bit."""

import random

import pytest
from redis.asyncio import Redis

from tests.kit.callbacks import SENDER, SentCampaign, send_campaign
from times_dispatch.ledger.keys import CampaignKey, campaign_key
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportApplier
from times_dispatch.provider.correlation_ids import CorrelationIds

PROCESS = "0123456789abcdef"


@pytest.fixture
async def sent(redis: Redis) -> SentCampaign:
    return await send_campaign(redis, CorrelationIds(b"an-id-key-of-enough-bytes"))


def visits(sent: SentCampaign, numbers: list[int], process: str = PROCESS) -> list[DeliveryReport]:
    return [
        DeliveryReport(sent.campaign, number % sent.total, 0, "clicked", 0, 1_795_300_000, visit=f"{process}-{number}")
        for number in numbers
    ]


async def test_each_visit_counts_once_in_any_order_and_however_often_it_is_reported(
    redis: Redis, sent: SentCampaign
) -> None:
    numbers = [0, 1, 7, 8, 9, 1_023, 1_024, 1_025, 5_000, 999_999_999, *range(2_000, 2_100)]
    twice = random.Random(1).sample(numbers * 2, k=2 * len(numbers))
    applier = ReportApplier(redis)
    for first in range(0, len(twice), 30):
        await applier.apply(visits(sent, twice[first : first + 30]))
    assert await sent.stat("clicked") == len(numbers)


async def test_the_visits_of_two_processes_are_told_apart(redis: Redis, sent: SentCampaign) -> None:
    applier = ReportApplier(redis)
    for process in (PROCESS, "f" * 16, PROCESS):
        await applier.apply(visits(sent, [0, 1], process))
    assert await sent.stat("clicked") == 4


async def test_ten_thousand_visits_take_less_than_four_thousand_bytes(redis: Redis, sent: SentCampaign) -> None:
    await ReportApplier(redis).apply(visits(sent, list(range(10_000))))
    assert await sent.stat("clicked") == 10_000
    used = await redis.memory_usage(f"{campaign_key(SENDER, sent.campaign)}:{CampaignKey.VISITS}")
    assert used is not None
    assert used < 4_000
