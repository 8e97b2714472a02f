from redis.asyncio import Redis

from callbacks.links.directory import READ_AGAIN_AFTER_S, LinkDirectory
from tests.kit.callbacks import SENDER
from tests.kit.clock import FakeClock
from tests.kit.links import LINK_KEY, LinkedCampaign, submit_with_links
from times_dispatch.ledger.keys import BatchKey, CampaignField, batch_key, campaign_key


def code(campaign: LinkedCampaign, index: int, link: int = 0) -> str:
    return campaign.path(index, link).rpartition("/")[2]


async def test_a_code_names_message_and_link(redis: Redis, campaign: LinkedCampaign) -> None:
    link = await LinkDirectory(redis, [LINK_KEY]).find(SENDER, code(campaign, 2, 1))

    assert link
    assert (link.campaign.id, link.message, link.number) == (campaign.id, 2, 1)


async def test_the_codes_of_two_campaigns_are_told_apart(redis: Redis, campaign: LinkedCampaign) -> None:
    other = await submit_with_links(redis)
    directory = LinkDirectory(redis, [LINK_KEY])

    links = [await directory.find(SENDER, code(each, 0)) for each in (campaign, other)]

    assert [each and each.campaign.id for each in links] == [campaign.id, other.id]
    assert (campaign.number, other.number) == (1, 2)


async def test_a_longer_validity_is_known_after_some_seconds(redis: Redis, campaign: LinkedCampaign) -> None:
    clock = FakeClock()
    directory = LinkDirectory(redis, [LINK_KEY], clock=clock)
    await directory.find(SENDER, code(campaign, 0))
    await redis.hset(campaign_key(SENDER, campaign.id), CampaignField.UNTIL_MS, 4_100_000_000_000)

    await clock.advance(READ_AGAIN_AFTER_S)
    link = await directory.find(SENDER, code(campaign, 0))

    assert link
    assert link.campaign.until_ms == 4_100_000_000_000


async def test_a_campaign_that_left_the_ledger_has_no_links(redis: Redis, campaign: LinkedCampaign) -> None:
    await redis.delete(campaign_key(SENDER, campaign.id))
    assert await LinkDirectory(redis, [LINK_KEY]).find(SENDER, code(campaign, 0)) is None


async def test_a_target_is_missing_once_its_batch_left_the_ledger(redis: Redis, campaign: LinkedCampaign) -> None:
    directory = LinkDirectory(redis, [LINK_KEY])
    with_value, without = [await directory.find(SENDER, code(campaign, 0, link)) for link in (0, 1)]
    await redis.delete(batch_key(SENDER, campaign.id, BatchKey.RECIPIENTS, 0))

    assert with_value
    assert without
    assert await directory.target(with_value) is None
    assert await directory.target(without) == "https://shop.example/help"
