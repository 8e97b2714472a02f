from typing import Any

import pytest
from redis.asyncio import Redis

from console.figures.message_list import MessageFilter, PageLimits, list_messages
from console.figures.message_marks import CLICKED_LINKS, MessageMark, batches_with, marked_positions, tried_again
from tests.kit.ledger import CAMPAIGN, Ledger
from times_dispatch.ledger.batch_columns import read_batches
from times_dispatch.ledger.keys import CampaignKey
from times_dispatch.ledger.model import RetryRule
from times_dispatch.ledger.reports.report_applier import DeliveryReport
from times_dispatch.links.codes import MAX_LINKS

NOW_S = 1_795_000_000


async def _react(ledger: Ledger, kind: Any, *indexes: int, asks_to_stop: bool = False) -> None:
    reports = [
        DeliveryReport(CAMPAIGN, index, 0, kind, 0, NOW_S, index.to_bytes(8, "big"), asks_to_stop=asks_to_stop)
        for index in indexes
    ]
    await ledger.report_applier.apply(reports)


async def _listed(redis: Redis, ledger: Ledger, **wanted: Any) -> list[int]:
    page = await list_messages(redis, await ledger.view(), MessageFilter(**wanted), shows_people=False)
    assert page.next is None
    return [message.index for message in page.messages]


@pytest.mark.parametrize("size", [1, 3, 5, 8, 16, 40])
async def test_each_batch_has_its_marks_whatever_its_size(redis: Redis, ledger: Ledger, size: int) -> None:
    await ledger.submit(37, batch_size=size)
    await ledger.send_all()
    marked = {0, 4, 7, 8, 9, 15, 16, 31, 36}
    await _react(ledger, "replied", *marked)
    view, found, numbers = await ledger.view(), set[int](), list[int]()
    async for batch in read_batches(redis, view):
        positions = await marked_positions(redis, view, batch, MessageMark.REPLIED)
        found |= {batch.recipients.first + at for at in positions}
        numbers += [batch.recipients.first // size] * bool(positions)
    assert found == marked
    chosen = await batches_with(redis, view, [MessageMark.REPLIED], range(view.batches), batch_size=size)
    assert set(numbers) <= set(chosen)  # a byte may have the bits of two batches
    assert await batches_with(redis, view, [MessageMark.OPTED_OUT], range(view.batches), batch_size=size) == []


async def test_lists_have_the_messages_with_a_reaction_and_those_without(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(12, batch_size=5)
    await ledger.send_all()
    await _react(ledger, "replied", 2, 5, 11)
    await _react(ledger, "replied", 5, 7, asks_to_stop=True)
    await _react(ledger, "clicked", 3)
    assert await _listed(redis, ledger, marks={MessageMark.REPLIED: True}) == [2, 5, 7, 11]
    assert await _listed(redis, ledger, marks={MessageMark.OPTED_OUT: True}) == [5, 7]
    assert await _listed(redis, ledger, marks={MessageMark.CLICKED: True}) == [3]
    assert await _listed(redis, ledger, marks={MessageMark.REPLIED: True, MessageMark.OPTED_OUT: False}) == [2, 11]
    assert await _listed(redis, ledger, marks={MessageMark.REPLIED: True, MessageMark.CLICKED: True}) == []
    assert await _listed(redis, ledger, marks={MessageMark.WAITING: True}) == []


async def test_lists_have_the_messages_in_which_a_link_was_clicked(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(12, batch_size=5)
    await ledger.send_all()
    clicks = {1: [3, 11], 2: [3], MAX_LINKS: [6], 0: [7]}
    reports = [
        DeliveryReport(CAMPAIGN, index, 0, "clicked", 0, NOW_S, bytes([link, index]).rjust(8, b"-"), link=link)
        for link, indexes in clicks.items()
        for index in indexes
    ]
    await ledger.report_applier.apply(reports)
    for link, mark in enumerate(CLICKED_LINKS):
        assert await _listed(redis, ledger, marks={mark: True}) == clicks.get(link, []), link
    assert await _listed(redis, ledger, marks={MessageMark.CLICKED: True}) == [3, 6, 7, 11]
    assert await _listed(redis, ledger, marks={MessageMark.CLICKED_1: True, MessageMark.CLICKED_2: False}) == [11]


async def test_batches_without_a_mark_are_not_unpacked(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(80, batch_size=8)
    await ledger.send_all()
    await _react(ledger, "replied", 79)
    wanted = MessageFilter(marks={MessageMark.REPLIED: True})
    page = await list_messages(
        redis, await ledger.view(), wanted, shows_people=False, limits=PageLimits(max_unpacked=1)
    )
    assert ([message.index for message in page.messages], page.next) == ([79], None)


async def test_second_tries_are_listed_by_what_became_of_them(redis: Redis, ledger: Ledger) -> None:
    await ledger.submit(4, batch_size=4, retry=RetryRule(codes=[912], after_s=[60], at_most=1))
    await ledger.send_all()
    await ledger.report("failed", index=1, code=912)
    await ledger.report("failed", index=3, code=901)
    assert await _listed(redis, ledger, marks={MessageMark.WAITING: True}) == [1]
    assert (await ledger.view()).retries_waiting == 1
    assert await _listed(redis, ledger, tries=1) == []
    assert await _listed(redis, ledger, recovered=True) == []
    view = await ledger.view()
    [batch] = [batch async for batch in read_batches(redis, view)]
    # Two attempts: the first attempt failed and was tried again; the provider accepted both attempts.
    key = f"{{TIMESM}}:c:{CAMPAIGN}:{CampaignKey.ATTEMPTS}"
    await redis.hset(key, "1", bytes([0, 0, 0, 1, 3, 1, 0, 0, 1, 1]))
    assert await tried_again(redis, view, batch, tries=1, recovered=False) == {1}
    assert await tried_again(redis, view, batch, tries=2, recovered=False) == set()
    assert await tried_again(redis, view, batch, tries=None, recovered=True) == set()  # the message is not delivered
