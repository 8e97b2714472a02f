"""The figures of a campaign are those of the ledger."""

from redis.asyncio import Redis

from console.figures.campaign_figures import read_campaign
from tests.kit.ledger import CAMPAIGN, Ledger


async def test_a_campaign_has_its_view_its_statistics_and_its_sender(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(3)
    figures = await read_campaign(redis, CAMPAIGN)
    assert (figures.view.total, figures.stub) == (3, None)
    assert figures.sender.id == figures.view.plan.sender
    assert figures.statistics.sent == 0
