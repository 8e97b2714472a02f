"""The budget of a campaign and the daily cap of a sender, in SMS parts: opened messages never exceed these limits."""

import asyncio

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.errors import CampaignUnknown
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.openings import BatchClosed, Block, Drained, Wait
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import CampaignState

OTHER = CampaignId("another1")


async def test_a_campaign_stops_itself_when_its_budget_is_spent_and_goes_on_with_a_larger_one(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6, parts=[1, 2, 1, 2, 1, 1], max_parts=5)
    lease = await ledger.take()
    block = await ledger.open(lease)
    assert [index for index, _ in block.messages] == [0, 1, 2]  # the next message has two parts, and one part is left
    await ledger.record(lease, block, b"aaa")
    assert await ledger.open_block(lease) == BatchClosed("budget_spent")
    view = await ledger.view()
    assert (view.state, view.reason) == (CampaignState.BRAKED, "its budget of 5 parts is spent")
    await ledger.leases.release(lease)

    await ledger.control.set_budget(SENDER, CAMPAIGN, 7)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    lease = await ledger.take()
    assert [index for index, _ in (await ledger.open(lease)).messages] == [3, 4]


async def test_a_budget_that_is_just_enough_is_enough(ledger: Ledger) -> None:
    await ledger.submit(3, max_parts=3)
    await ledger.send_all()
    assert await ledger.state() is CampaignState.FINISHED


@pytest.mark.parametrize("results", [b"rrr", b"ppp", b"bbb"])
async def test_messages_that_the_provider_did_not_take_cost_nothing(ledger: Ledger, results: bytes) -> None:
    await ledger.submit(6, batch_size=6, max_parts=3, parts=[1, 1, 1, 1, 1, 1])
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=3), results)
    block = await ledger.open(lease, max_messages=6)
    assert len(block.messages) == 3


async def test_messages_in_doubt_cost_parts(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6, max_parts=3)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=3), b"iia")
    assert await ledger.open_block(lease) == BatchClosed("budget_spent")


async def test_while_something_is_being_sent_that_may_be_rejected_it_waits(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6, max_parts=3)
    lease = await ledger.take()
    block = await ledger.open(lease)
    assert isinstance(await ledger.open_block(lease), Wait)
    assert await ledger.state() is CampaignState.RUNNING
    await ledger.record(lease, block, b"rar")
    assert len((await ledger.open(lease)).messages) == 2


async def test_workers_side_by_side_cannot_pass_a_budget_together(ledger: Ledger) -> None:
    await ledger.submit(60, batch_size=6, max_parts=20)
    leases = [await ledger.take(ref) for ref in await ledger.issue()]
    opened = await asyncio.gather(*(ledger.open_block(lease, max_messages=5) for _ in range(3) for lease in leases))
    assert sum(len(block.messages) for block in opened if isinstance(block, Block)) == 20


async def test_a_repeated_outcome_gives_its_parts_back_once(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6, max_parts=3)
    lease = await ledger.take()
    block = await ledger.open(lease, max_messages=3)
    for _ in range(3):
        await ledger.record(lease, block, b"raa")
    assert await ledger.field("parts_out") == "2"


async def test_a_budget_that_is_set_later_counts_what_was_handed_over_before(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=4), b"aaaa")
    await ledger.control.set_budget(SENDER, CAMPAIGN, 5)
    assert len((await ledger.open(lease)).messages) == 1
    with pytest.raises(CampaignUnknown):
        await ledger.control.set_budget(SENDER, CampaignId("nobody00"), 5)


async def test_the_cap_of_a_day_holds_for_all_campaigns_of_a_sender_and_the_rest_goes_the_next_day(
    ledger: Ledger,
) -> None:
    await ledger.control.configure_daily_cap(SENDER, 4)
    await ledger.submit(3, parts=[1, 1, 1])
    await ledger.submit(3, campaign=OTHER, parts=[1, 2, 1])
    first, second = [await ledger.take(ref) for ref in await ledger.issue()]
    await ledger.record(first, await ledger.open(first), b"aaa")
    block = await ledger.open(second)
    assert len(block.messages) == 1
    await ledger.record(second, block, b"a")
    assert await ledger.open_block(second) == BatchClosed("day_used_up")
    await ledger.leases.release(second)
    assert await ledger.issue() == []
    assert (await ledger.view(OTHER)).reason == "the sender has used up its parts of the day"
    sender = await ledger.queries.sender(SENDER)
    assert (sender.parts_today, sender.max_parts_per_day, sender.day_is_used_up) == (4, 4, True)

    await ledger.end_day()
    assert await ledger.states(OTHER) == "app"
    assert not (await ledger.queries.sender(SENDER)).day_is_used_up
    lease = await ledger.take()
    assert len((await ledger.open(lease)).messages) == 2


async def test_parts_of_the_day_come_back_and_other_senders_do_not_care(ledger: Ledger) -> None:
    await ledger.control.configure_daily_cap(SENDER, 2)
    await ledger.submit(3)
    await ledger.submit(3, campaign=OTHER, sender=SenderId("SHOPPY"))
    lease = await ledger.take()
    block = await ledger.open(lease)
    assert isinstance(await ledger.open_block(lease), Wait), "an opened message may yet be suppressed and free parts"
    await ledger.record(lease, block, b"ra")
    block = await ledger.open(lease)
    assert len(block.messages) == 1
    await ledger.record(lease, block, b"a")
    other = await ledger.take((await ledger.issue(SenderId("SHOPPY")))[0])
    assert len((await ledger.open(other)).messages) == 3


async def test_messages_opened_yesterday_return_no_parts_to_today(ledger: Ledger) -> None:
    await ledger.control.configure_daily_cap(SENDER, 3)
    await ledger.submit(9, batch_size=9)
    lease = await ledger.take()
    block = await ledger.open(lease)
    await ledger.redis.hincrby(f"{hash_tag(SENDER)}:c:{CAMPAIGN}", "created_ms", -86_400_000)
    await ledger.end_day()
    second = await ledger.open(lease)
    await ledger.record(lease, block, b"rrr")
    await ledger.record(lease, second, b"aaa")
    assert isinstance(await ledger.open_block(lease), BatchClosed)
    assert len(second.messages) == 3


async def test_a_higher_cap_acts_at_once(ledger: Ledger) -> None:
    await ledger.control.configure_daily_cap(SENDER, 1)
    await ledger.submit(3)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease), b"a")
    assert isinstance(await ledger.open_block(lease), BatchClosed)
    await ledger.control.configure_daily_cap(SENDER, 0)
    assert len((await ledger.open(lease)).messages) == 2
    assert await ledger.open_block(lease) == Drained()
