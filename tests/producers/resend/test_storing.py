"""Resends for senders with lanes: each message once, in the lane of its number, also after an interruption."""

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from redis.asyncio import Redis

from producers.draft import Draft
from producers.errors import CommandFailed, InputInvalid
from producers.resend.resender import Choice, Resender
from producers.submit import submit
from tests.kit.producers import SETTINGS, ProcessDied, WriteFile, csv_of, load_settings, people
from tests.producers.resend.test_resender import FAILED, NOW, ODD_FAILED_912, die_after, resends, settle
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import LedgerError
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.lanes.names import lane_senders
from times_dispatch.ledger.lanes.split import lane_of_number
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import LaneQueries, Queries
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.ledger.trail import Trail
from times_dispatch.settings.model import Settings

ROWS = 60
SENDER = SenderId("TIMESM")


@pytest.fixture
def laned(write: WriteFile, redis_url: str) -> Settings:
    return load_settings(
        write("dispatch.toml", SETTINGS.replace("rate_per_s = 500", "rate_per_s = 500\nlanes = 3")), redis_url
    )


@pytest.fixture
async def parent(campaign: Path, write: WriteFile, laned: Settings, redis: Redis) -> CampaignId:
    """A campaign of 60 messages in three lanes; every second message of each lane failed with 912."""
    recipients = write("customers.csv", csv_of(people(ROWS)))
    made = await submit(Draft(campaign, recipients, settings=laned), settings=laned, redis=redis, batch_size=10)
    await settle(redis, made.campaign, ODD_FAILED_912)
    return made.campaign


async def failed_lines(redis: Redis, campaign: CampaignId) -> list[int]:
    messages = [message async for message in Queries(redis).messages(campaign)]
    return sorted(message.line for message in messages if message.record.state is MessageState.FAILED)


async def sent_lines(redis: Redis, campaign: CampaignId) -> list[int]:
    """Check that each message of a campaign is in the lane of its number; return the lines of the messages."""
    view, lines = await Queries(redis).campaign(campaign), list[int]()
    for number, lane in enumerate(view.lanes):
        for batch in range(lane.batches):
            async for message in LaneQueries(redis).batch(lane, batch):
                assert lane_of_number(message.to, len(view.lanes)) == number
                lines.append(message.line)
    return sorted(lines)


async def test_a_resend_has_the_chosen_messages_in_the_lanes_of_their_numbers(
    parent: CampaignId, laned: Settings, redis: Redis
) -> None:
    resender = Resender(redis, laned, parent, FAILED)
    survey = await resender.survey()
    result = await resender.submit(batch_size=4, now=NOW, actor="asha@host")

    chosen = await failed_lines(redis, parent)
    assert survey.messages == result.messages == len(chosen)
    assert await sent_lines(redis, result.campaign) == chosen
    view = await Queries(redis).campaign(result.campaign)
    assert (view.id, view.state, view.total) == (result.campaign, CampaignState.RUNNING, len(chosen))
    assert [lane.plan.sender for lane in view.lanes] == list(lane_senders(SENDER, 3))
    assert view.plan.lane_campaigns[0] == view.id
    assert (view.plan.resend_of, view.plan.resend_choice) == (parent, "failed")
    assert await resends(redis, parent) == [view.id]
    trail = await Trail(redis).newest(list(lane_senders(SENDER, 3)), limit=10)
    noted = [(entry.action, entry.campaign) for entry in trail if entry.actor == "asha@host"]
    assert noted == [("resent", parent), ("submitted", view.id)], "each entry once, not in each lane"
    keys = [str(key) for key in await redis.keys("{TIMESM/*}:c:*")]
    assert not [key for key in keys if parent in key], "no other lane has a key of the parent's first lane"


async def test_a_campaign_without_lanes_is_resent_in_the_lanes_that_its_sender_has_now(
    campaign: Path, recipients: Path, settings: Settings, laned: Settings, redis: Redis
) -> None:
    made = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis, batch_size=10)
    await settle(redis, made.campaign, ODD_FAILED_912)

    result = await Resender(redis, laned, made.campaign, FAILED).submit(batch_size=4, now=NOW)

    assert await sent_lines(redis, result.campaign) == await failed_lines(redis, made.campaign)
    lanes = (await Queries(redis).campaign(result.campaign)).lanes
    assert len(lanes) == 3
    rates = [(await LaneQueries(redis).sender(lane.plan.sender)).rate_per_s for lane in lanes]
    assert sum(Decimal(str(rate)) for rate in rates) == 500


async def test_a_second_resend_leaves_out_what_the_first_contains_in_any_lane(
    parent: CampaignId, laned: Settings, redis: Redis
) -> None:
    first = await Resender(redis, laned, parent, FAILED).submit(now=NOW)
    with pytest.raises(CommandFailed, match="no message is left to resend"):
        await Resender(redis, laned, parent, FAILED).submit(now=NOW)
    await settle(redis, parent, ["f912"])
    second = await Resender(redis, laned, parent, FAILED).submit(now=NOW)

    both = await sent_lines(redis, first.campaign) + await sent_lines(redis, second.campaign)
    assert sorted(both) == list(range(2, ROWS + 2))


@pytest.mark.parametrize("batches", range(1, 9))
async def test_a_resend_in_lanes_that_breaks_off_is_finished_by_the_same_command(
    parent: CampaignId, laned: Settings, redis: Redis, batches: int
) -> None:
    resender, chosen = Resender(redis, laned, parent, FAILED), await failed_lines(redis, parent)
    with pytest.raises(ProcessDied):
        await resender.submit(batch_size=4, now=NOW, progress=die_after(batches))
    [broken_off] = await resends(redis, parent)
    assert {lane.state for lane in (await Queries(redis).campaign(broken_off)).lanes} == {CampaignState.SUBMITTING}
    kept = await sent_lines(redis, broken_off)
    await settle(redis, parent, ["f912"])  # stored messages stay, and messages that failed meanwhile may follow

    result = await resender.submit(now=NOW)

    assert (result.campaign, result.state) == (broken_off, CampaignState.RUNNING)
    assert await resends(redis, parent) == [broken_off]
    sent = await sent_lines(redis, broken_off)
    assert max(Counter(sent).values()) == 1
    assert set(kept) | set(chosen) <= set(sent)
    assert result.messages == len(sent)


async def test_a_resend_that_breaks_off_between_the_seals_of_two_lanes_gets_no_message_more(
    parent: CampaignId, laned: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, seal, sealed = await failed_lines(redis, parent), Submissions.seal, list[str]()

    async def die_at_the_second(self: Submissions, campaign: CampaignId, *args: object, **kwargs: object) -> object:
        if sealed:
            raise ProcessDied
        sealed.append(campaign)
        return await seal(self, campaign, *args, **kwargs)  # type: ignore[arg-type]  # passed on as they came

    with monkeypatch.context() as patch:
        patch.setattr(Submissions, "seal", die_at_the_second)
        with pytest.raises(ProcessDied):
            await Resender(redis, laned, parent, FAILED).submit(batch_size=4, now=NOW)
    [half] = await resends(redis, parent)
    assert (await Queries(redis).campaign(half)).state is CampaignState.SUBMITTING
    await settle(redis, parent, ["f912"])

    result = await Resender(redis, laned, parent, FAILED).submit(now=NOW)

    assert (result.campaign, result.state, result.already_submitted) == (half, CampaignState.RUNNING, False)
    assert await sent_lines(redis, half) == chosen


async def test_a_cancelled_resend_of_which_one_lane_was_sealed_counts_as_sent(
    parent: CampaignId, laned: Settings, redis: Redis
) -> None:
    with pytest.raises(ProcessDied):
        await Resender(redis, laned, parent, FAILED).submit(batch_size=4, now=NOW, progress=die_after(8))
    [half] = await resends(redis, parent)
    lane = (await Queries(redis).campaign(half)).lanes[1]
    await Submissions(redis).seal(lane.id, lane.plan.sender, total=lane.total, batches=lane.batches)
    await Control(redis).campaign(SENDER, half, ControlAction.CANCEL)
    assert (await Queries(redis).campaign(half)).state is CampaignState.CANCELLED
    contained = set(await sent_lines(redis, half))
    await settle(redis, parent, ["f912"])

    result = await Resender(redis, laned, parent, FAILED).submit(now=NOW)

    assert result.campaign != half
    assert not contained & set(await sent_lines(redis, result.campaign))


async def test_two_commands_at_once_never_send_a_message_twice_in_any_lane(
    parent: CampaignId, laned: Settings, redis: Redis
) -> None:
    commands = [Resender(redis, laned, parent, FAILED).submit(batch_size=3, now=NOW) for _ in range(2)]
    ends = await asyncio.gather(*commands, return_exceptions=True)
    assert all(not isinstance(end, Exception) or isinstance(end, CommandFailed | LedgerError) for end in ends)
    sent = list[int]()
    for child in await resends(redis, parent):
        if any(lane.sealed_ms for lane in (await Queries(redis).campaign(child)).lanes):
            sent += await sent_lines(redis, child)
    assert len(sent) == len(set(sent))


async def test_a_command_with_another_choice_makes_no_lane_of_a_resend_that_another_began(
    parent: CampaignId, laned: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, begin, refusals = await failed_lines(redis, parent), Submissions.begin, list[str]()
    with_code = Resender(redis, laned, parent, Choice(states=FAILED.states, codes=frozenset({912})))

    async def none_yet(_: CampaignView) -> list[CampaignView]:
        return []

    async def another_comes_after_the_first(self: Submissions, *args: object, **kwargs: object) -> object:
        begun = await begin(self, *args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        if not refusals:
            refusals.append("")
            with pytest.raises(InputInvalid) as refused:
                await with_code.submit(batch_size=4, now=NOW)
            refusals.append(str(refused.value))
        return begun

    with monkeypatch.context() as patch:
        patch.setattr(with_code, "_children", none_yet)
        patch.setattr(Submissions, "begin", another_comes_after_the_first)
        result = await Resender(redis, laned, parent, FAILED).submit(batch_size=4, now=NOW)

    assert "the submit of this resend (failed) is unfinished" in refusals[-1]
    assert result.state is CampaignState.RUNNING
    assert await resends(redis, parent) == [result.campaign]
    assert await sent_lines(redis, result.campaign) == chosen


async def test_a_choice_of_nothing_is_refused_and_makes_no_lane(
    parent: CampaignId, laned: Settings, redis: Redis
) -> None:
    nothing = Choice(states=frozenset({MessageState.EXPIRED}))
    with pytest.raises(CommandFailed, match="no message is left to resend"):
        await Resender(redis, laned, parent, nothing).submit(now=NOW)
    assert await resends(redis, parent) == []


async def test_no_message_is_resent_again_after_a_lane_of_an_earlier_resend_is_lost(
    campaign: Path, recipients: Path, settings: Settings, laned: Settings, redis: Redis
) -> None:
    made = await submit(Draft(campaign, recipients, settings=settings), settings=settings, redis=redis, batch_size=10)
    await settle(redis, made.campaign, ODD_FAILED_912)
    first = await Resender(redis, laned, made.campaign, FAILED).submit(now=NOW)
    lost = (await Queries(redis).campaign(first.campaign)).lanes[1]
    await redis.delete(campaign_key(lost.plan.sender, lost.id))
    with pytest.raises(InputInvalid, match=f"a lane of its resend {first.campaign} is not in Redis any more"):
        await Resender(redis, laned, made.campaign, FAILED).submit(now=NOW)
