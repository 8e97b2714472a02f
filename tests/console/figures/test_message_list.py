import pytest
from redis.asyncio import Redis

from console.figures.message_list import MessageFilter, PageLimits, list_messages, masked_text
from tests.kit.lanes import people, submit_in_lanes
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import MessageState

USUAL = PageLimits()


async def _indexes(
    redis: Redis, ledger: Ledger, wanted: MessageFilter, *, count: int = 100, limits: PageLimits = USUAL
) -> list[int]:
    """Return the indexes of all messages that match a filter, page by page.

    Args:
        redis: the Redis of the ledger.
        ledger: the ledger with one campaign.
        wanted: the filter.
        count: how many messages a page has at most.
        limits: how many batches one page reads at most.
    """
    view, indexes, after = await ledger.view(), list[int](), -1
    while True:
        page = await list_messages(redis, view, wanted, after=after, count=count, shows_people=False, limits=limits)
        indexes += [message.index for message in page.messages]
        if page.next is None:
            return indexes
        assert page.next > after
        after = page.next


@pytest.mark.parametrize("count", [1, 4, 5, 100])
async def test_pages_hold_each_message_once_in_the_order_of_the_campaign(
    redis: Redis, ledger: Ledger, count: int
) -> None:
    await ledger.submit(17, batch_size=5)
    assert await _indexes(redis, ledger, MessageFilter(), count=count) == list(range(17))


async def test_a_rare_state_is_searched_in_pages_of_bounded_work(redis: Redis, ledger: Ledger) -> None:
    limits = PageLimits(max_searched=2, max_unpacked=1)
    await ledger.submit(20, batch_size=2)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease), b"ra")
    pending = MessageFilter(states=frozenset({MessageState.PENDING}))
    assert await _indexes(redis, ledger, MessageFilter(states=frozenset({MessageState.REJECTED})), limits=limits) == [0]
    assert await _indexes(redis, ledger, pending, limits=limits) == list(range(2, 20))
    page = await list_messages(redis, await ledger.view(), pending, shows_people=False, limits=limits)
    assert page.is_cut


async def test_filters_choose_by_code_hour_and_day(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(4, batch_size=4)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease), b"raia")
    assert await _indexes(redis, ledger, MessageFilter(code=2054)) == [0]
    assert await _indexes(redis, ledger, MessageFilter(code=10)) == [2]
    assert await _indexes(redis, ledger, MessageFilter(code=999)) == []
    assert await _indexes(redis, ledger, MessageFilter(hour=1)) == []
    assert await _indexes(redis, ledger, MessageFilter(day=1)) == []
    midnight_ms = 20_000 * 86_400_000 - 19_800_000  # in India
    key = campaign_key(SENDER, CAMPAIGN)
    [message, *_] = (await list_messages(redis, await ledger.view(), MessageFilter(), shows_people=False)).messages
    after_ms = message.sent_ms - int((await redis.hget(key, "created_ms")) or 0)
    await redis.hset(key, "created_ms", midnight_ms - after_ms)
    assert 0 in await _indexes(redis, ledger, MessageFilter(day=20_000))
    await redis.hset(key, "created_ms", midnight_ms - after_ms - 1)
    assert 0 not in await _indexes(redis, ledger, MessageFilter(day=20_000))
    assert 0 in await _indexes(redis, ledger, MessageFilter(day=19_999))


async def test_people_are_listed_masked_or_not_at_all(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(1)
    view = await ledger.view()
    [seen] = (await list_messages(redis, view, MessageFilter(), shows_people=True)).messages
    [hidden] = (await list_messages(redis, view, MessageFilter(), shows_people=False)).messages
    assert (seen.number, seen.text) == ("9198*****000", "Dear name 0")
    assert (hidden.number, hidden.text) == ("", "")


async def test_long_numbers_in_texts_are_masked(ledger: Ledger) -> None:
    await ledger.submit(1, campaign=CAMPAIGN, text="Call {#var#} about 12345")
    assert masked_text(await ledger.view(), ["9876543210"]) == "Call *** about 12345"
    assert masked_text(await ledger.view(), []) == "Call  about 12345"


@pytest.mark.parametrize("count", [1, 7, 100])
async def test_pages_of_a_campaign_in_lanes_hold_each_message_once(redis: Redis, count: int) -> None:
    view = await Queries(redis).campaign(await submit_in_lanes(redis, people(40), lanes=3, batch_size=5))
    lines, indexes, after = list[int](), list[int](), -1
    while True:
        page = await list_messages(redis, view, MessageFilter(), after=after, count=count, shows_people=False)
        lines += [message.line for message in page.messages]
        indexes += [message.index for message in page.messages]
        if page.next is None:
            break
        assert page.next > after
        after = page.next
    assert indexes == list(range(40))
    assert sorted(lines) == people(40).lines
