"""The figures of a campaign equal the figures of the ledger."""

from datetime import date

from redis.asyncio import Redis

from console.figures.campaign_figures import read_campaign
from tests.kit.clock import FakeClock
from tests.kit.ledger import CAMPAIGN, Ledger


async def test_a_campaign_has_its_view_its_statistics_and_its_trail(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(3)
    figures = await read_campaign(redis, CAMPAIGN)
    assert (figures.view.total, figures.stub) == (3, None)
    assert figures.statistics.sent == 0


async def test_nothing_tells_two_readings_apart_but_a_change_and_the_day_in_india(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(3)
    clock = FakeClock(epoch=1_800_036_000)  # 15 January 2027, 11:30 pm in India
    first = await read_campaign(redis, CAMPAIGN, clock=clock)
    assert first.day == date(2027, 1, 15)
    assert await read_campaign(redis, CAMPAIGN, clock=clock) == first
    await clock.advance(3600)
    tomorrow = await read_campaign(redis, CAMPAIGN, clock=clock)
    assert tomorrow.day == date(2027, 1, 16)
    await ledger.open(await ledger.take(), max_messages=1)
    assert await read_campaign(redis, CAMPAIGN, clock=clock) != tomorrow
