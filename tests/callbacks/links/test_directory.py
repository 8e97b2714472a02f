import asyncio

from redis.asyncio import Redis

from callbacks.links.directory import READ_AGAIN_AFTER_S, LinkDirectory
from tests.kit.callbacks import SENDER
from tests.kit.clock import FakeClock
from tests.kit.links import LINK_KEY, LinkedCampaign, submit_with_links, submit_with_links_in_lanes
from times_dispatch.ledger.keys import BatchKey, CampaignField, batch_key, campaign_key
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.queries import Queries
from times_dispatch.links.codes import index_over_lanes


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


async def test_clicks_on_one_batch_at_the_same_time_read_the_batch_once(redis: Redis, campaign: LinkedCampaign) -> None:
    directory = LinkDirectory(redis, [LINK_KEY])
    link = await directory.find(SENDER, code(campaign, 0))
    assert link
    await redis.get("nothing")  # otherwise the statistics may have no GET
    before = (await redis.info("commandstats"))["cmdstat_get"]["calls"]
    targets = await asyncio.gather(*(directory.target(link) for _ in range(50)))
    after = (await redis.info("commandstats"))["cmdstat_get"]["calls"]

    assert set(targets) == {"https://shop.example/sale?u=C%201%26x%3D2"}
    assert after - before == 1


async def test_values_that_were_read_are_not_read_again_when_many_other_batches_were_clicked(redis: Redis) -> None:
    campaign = await submit_with_links(redis, customers=[f"C{number}" for number in range(10)], batch_size=1)
    directory = LinkDirectory(redis, [LINK_KEY], max_text_bytes=70)  # one batch
    links = [await directory.find(SENDER, code(campaign, index)) for index in range(10)]
    first = [await directory.target(link) for link in links if link]
    for number in range(10):
        await redis.delete(batch_key(SENDER, campaign.id, BatchKey.RECIPIENTS, number))
    again = [await directory.target(link) for link in links if link]

    assert first == again == [f"https://shop.example/sale?u=C{number}" for number in range(10)]


async def test_no_more_bytes_of_values_are_remembered_than_allowed(redis: Redis) -> None:
    campaign = await submit_with_links(redis, customers=[f"C{number}" for number in range(10)], batch_size=1)
    directory = LinkDirectory(redis, [LINK_KEY], max_text_bytes=70, max_cut_bytes=20)  # one batch as texts
    links = [await directory.find(SENDER, code(campaign, index)) for index in range(10)]
    assert all([await directory.target(link) for link in links if link])
    for number in range(10):
        await redis.delete(batch_key(SENDER, campaign.id, BatchKey.RECIPIENTS, number))
    remembered = [bool(await directory.target(link)) for link in links if link]

    assert remembered == [False] * 6 + [True] * 4  # a batch of one short value has five bytes


async def test_values_are_forgotten_when_their_links_have_expired(redis: Redis) -> None:
    clock = FakeClock()
    ends_ms = int(clock.time() * 1000) + 60_000
    ended = await submit_with_links(redis, valid_until_ms=ends_ms)
    valid = await submit_with_links(redis, customers=["C7"])
    directory = LinkDirectory(redis, [LINK_KEY], expire_after_s=5.0, clock=clock)
    links = [await directory.find(SENDER, code(each, 0)) for each in (ended, valid)]
    first = [await directory.target(link) for link in links if link]
    for each in (ended, valid):
        await redis.delete(batch_key(SENDER, each.id, BatchKey.RECIPIENTS, 0))
    remembered = []
    for seconds in (64.9, READ_AGAIN_AFTER_S):  # just before the links expire, and after it
        await clock.advance(seconds)
        await directory.find(SENDER, code(valid, 0))
        remembered.append([bool(await directory.target(link)) for link in links if link])

    assert all(first)
    assert remembered == [[True, True], [False, True]]


async def test_a_batch_that_cannot_be_read_is_an_error_for_all_that_wait_and_is_read_again(
    redis: Redis, campaign: LinkedCampaign
) -> None:
    directory = LinkDirectory(redis, [LINK_KEY])
    link = await directory.find(SENDER, code(campaign, 0))
    assert link
    key = batch_key(SENDER, campaign.id, BatchKey.RECIPIENTS, 0)
    whole = await redis.get(key)
    assert isinstance(whole, bytes)
    await redis.set(key, b"damaged")
    results = await asyncio.gather(*(directory.target(link) for _ in range(3)), return_exceptions=True)
    await redis.set(key, whole)

    assert [type(result) for result in results] == [ValueError] * 3
    assert await directory.target(link)


async def test_a_code_names_the_message_of_its_lane(redis: Redis) -> None:
    customers = [f"C{row}" for row in range(60)]
    campaign = await submit_with_links_in_lanes(redis, lanes=4, customers=customers)
    directory = LinkDirectory(redis, [LINK_KEY])
    queries, targets = Queries(redis), list[str | None]()
    lanes = (await queries.campaign(campaign.id)).lanes
    assert [lane.plan.sender for lane in lanes] == list(lane_senders(SENDER, 4))
    for number, lane in enumerate(lanes):
        assert lane.total > 2
        for index in range(lane.total):
            over_lanes = index_over_lanes(index, lane=number, lanes=4)
            link = await directory.find(SENDER, code(campaign, over_lanes))
            assert link
            assert (link.campaign.id, link.campaign.sender, link.message) == (lane.id, lane.plan.sender, index)
            targets.append(await directory.target(link))
        beyond = index_over_lanes(lane.total, lane=number, lanes=4)
        assert await directory.find(SENDER, code(campaign, beyond)) is None, "no message of the lane has this index"
    rows = [message.line async for message in queries.messages(campaign.id)]
    assert targets == [f"https://shop.example/sale?u=C{row}" for row in rows]
    assert sorted(rows) == list(range(60))


async def test_the_links_of_a_lane_that_left_the_ledger_are_unknown_and_those_of_others_are_not(redis: Redis) -> None:
    campaign = await submit_with_links_in_lanes(redis, lanes=2, customers=[f"C{row}" for row in range(20)])
    lanes = (await Queries(redis).campaign(campaign.id)).lanes
    await redis.delete(campaign_key(lanes[1].plan.sender, lanes[1].id))
    directory = LinkDirectory(redis, [LINK_KEY])

    assert await directory.find(SENDER, code(campaign, index_over_lanes(0, lane=0, lanes=2)))
    assert await directory.find(SENDER, code(campaign, index_over_lanes(0, lane=1, lanes=2))) is None


async def test_the_lanes_of_a_campaign_are_read_once_in_ten_seconds(redis: Redis) -> None:
    campaign = await submit_with_links_in_lanes(redis, lanes=2, customers=[f"C{row}" for row in range(20)])
    directory = LinkDirectory(redis, [LINK_KEY])
    codes = [code(campaign, index_over_lanes(at // 2, lane=at % 2, lanes=2)) for at in range(6)]
    assert await directory.find(SENDER, codes[1])
    before = (await redis.info("commandstats"))["cmdstat_hmget"]["calls"]
    assert all([await directory.find(SENDER, each) for each in codes])
    assert (await redis.info("commandstats"))["cmdstat_hmget"]["calls"] == before
