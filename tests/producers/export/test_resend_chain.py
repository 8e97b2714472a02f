from decimal import Decimal

import pytest
from redis.asyncio import Redis

from producers.draft import Draft
from producers.export.resend_chain import ChainFigures, chain_figures
from producers.resend.resender import Choice, Resender
from producers.submit import submit
from tests.kit.producers import WriteFile, csv_of, people
from tests.producers.resend.test_resender import settle
from times_dispatch.archive.catalog import Catalog
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.states import MessageState
from times_dispatch.settings.model import Settings


@pytest.fixture
async def chain(write: WriteFile, settings: Settings, redis: Redis) -> list[CampaignId]:
    """A campaign of four, a resend of the three that failed, and a resend of the two that failed again."""
    draft = Draft(
        write(
            "c.toml", 'name = "bills"\nsender = "TIMESM"\ntemplate = "bill"\nvariables = ["{name}", "Rs {amount}"]\n'
        ),
        write("four.csv", csv_of(people(4))),
        settings=settings,
    )
    campaigns = [(await submit(draft, settings=settings, redis=redis)).campaign]
    await settle(redis, campaigns[0], ["d0", "f912", "f912", "f912"])
    choice = Choice(states=frozenset({MessageState.FAILED}))
    for outcomes in (["d0", "f912", "f912"], ["d0", "x0"]):
        made = await Resender(redis, settings, campaigns[-1], choice).submit()
        await settle(redis, made.campaign, outcomes)
        campaigns.append(made.campaign)
    return campaigns


@pytest.mark.parametrize("asked", [0, 1, 2])
async def test_each_recipient_of_a_chain_counts_once_whichever_campaign_is_asked(
    chain: list[CampaignId], redis: Redis, asked: int
) -> None:
    figures = await chain_figures(Catalog(redis), chain[asked])
    assert figures == ChainFigures(campaigns=chain, recipients=4, sent=4, delivered=3, parts=0, cost=Decimal(0))


async def test_a_late_delivery_of_the_first_message_counts_no_recipient_twice(
    chain: list[CampaignId], redis: Redis
) -> None:
    await settle(redis, chain[0], ["d0"])
    assert (await chain_figures(Catalog(redis), chain[0])).delivered == 4


async def test_a_campaign_without_resends_is_a_chain_of_its_own(chain: list[CampaignId], redis: Redis) -> None:
    await redis.hset(f"{{TIMESM}}:c:{chain[0]}", "total", "4")
    await redis.hdel(f"{{TIMESM}}:c:{chain[0]}", f"resend:{chain[1]}")
    assert (await chain_figures(Catalog(redis), chain[0])).delivered == 1
