import asyncio
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from producers.draft import Draft
from producers.errors import CommandFailed, InputInvalid
from producers.resend.resender import Choice, Resender
from producers.submit import submit
from tests.kit.producers import ProcessDied
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import LedgerError
from times_dispatch.ledger.keys import BatchKey, CampaignField, batch_key, campaign_key
from times_dispatch.ledger.model import CampaignId, CampaignView, LinkTarget, Recipients, SenderId, TrackedLinks
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import LaneQueries, MessageView, Queries
from times_dispatch.ledger.records import MessageRecord, pack_records, unpack_recipients
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.submission import Submissions
from times_dispatch.ledger.trail import Trail
from times_dispatch.settings.model import Settings
from times_dispatch.settings.values.secrets import SecretBytes

NOW = datetime.now(UTC).replace(microsecond=0)
"""The time now, because campaigns are created at the time of Redis' clock."""
FAILED = Choice(states=frozenset({MessageState.FAILED}))
ODD_FAILED_912 = ["d0", "f912"]
"""States and codes of the messages, which repeat: every second message failed."""


async def settle(redis: Redis, campaign: CampaignId, outcomes: list[str]) -> None:
    """Write outcomes such as ``f912`` into the records of a campaign; the list repeats until the last message."""
    whole = await Queries(redis).campaign(campaign)
    for view in whole.lanes or [whole]:
        counts = dict.fromkeys(MessageState, 0)
        for number in range(view.batches):
            records = list[MessageRecord]()
            async for message in LaneQueries(redis).batch(view, number):
                outcome = outcomes[message.index % len(outcomes)]
                state = MessageState(outcome[0])
                counts[state] += 1
                records.append(MessageRecord(message.record.index, state, 0, int(outcome[1:]), 5, 0, "77"))
            await redis.set(batch_key(view.plan.sender, view.id, BatchKey.MESSAGES, number), pack_records(records))
        for state, messages in counts.items():
            await redis.hset(campaign_key(view.plan.sender, view.id), state.value, str(messages))


async def stored(redis: Redis, campaign: CampaignId) -> list[MessageView]:
    return [message async for message in Queries(redis).messages(campaign)]


async def lines(redis: Redis, campaign: CampaignId) -> list[int]:
    return [message.line for message in await stored(redis, campaign)]


async def resends(redis: Redis, parent: CampaignId) -> list[CampaignId]:
    return (await Queries(redis).campaign(parent)).resends


def die_after(batches: int) -> Callable[[int], None]:
    def progress(stored_batches: int) -> None:
        if stored_batches == batches:
            raise ProcessDied

    return progress


@pytest.fixture
async def parent(campaign: Path, recipients: Path, settings: Settings, redis: Redis) -> CampaignId:
    """A campaign of 25 messages in three batches; the messages with odd indexes failed with 912."""
    draft = Draft(campaign, recipients, settings=settings)
    made = await submit(draft, settings=settings, redis=redis, batch_size=10, now=NOW)
    await settle(redis, made.campaign, ODD_FAILED_912)
    return made.campaign


async def test_a_resend_has_just_the_chosen_messages_with_their_values_and_lines(
    parent: CampaignId, settings: Settings, redis: Redis
) -> None:
    resender = Resender(redis, settings, parent, FAILED)

    survey = await resender.survey()
    result = await resender.submit(batch_size=5, now=NOW, actor="asha@host")

    assert (survey.messages, survey.parts, survey.resent_before) == (12, 12, 0)
    view = await Queries(redis).campaign(result.campaign)
    assert (view.state, view.total, view.batches) == (CampaignState.RUNNING, 12, 3)
    originals = {message.line: message for message in await stored(redis, parent)}
    messages = await stored(redis, result.campaign)
    assert [message.index for message in messages] == list(range(12))
    assert [message.line for message in messages] == [index + 2 for index in range(1, 25, 2)]
    assert all((each.to, each.slots) == (originals[each.line].to, originals[each.line].slots) for each in messages)
    old = await Queries(redis).campaign(parent)
    assert (view.plan.resend_of, view.plan.resend_choice, old.resends) == (parent, "failed", [view.id])
    same = msgspec.structs.replace(
        view.plan, resend_of="", resend_choice="", valid_until_ms=old.plan.valid_until_ms, start_at_ms=0
    )
    assert same == old.plan
    trail = await Trail(redis).newest([view.plan.sender], limit=10)
    noted = [(entry.action, entry.campaign) for entry in trail if entry.actor == "asha@host"]
    assert noted == [("resent", parent), ("submitted", result.campaign)]


async def test_only_messages_with_a_chosen_code_are_resent(
    parent: CampaignId, settings: Settings, redis: Redis
) -> None:
    await settle(redis, parent, ["f910", "f912", "r2054", "i0", "g0"])
    choice = Choice(states=frozenset({MessageState.FAILED}), codes=frozenset({912, 914}))
    result = await Resender(redis, settings, parent, choice).submit(now=NOW)
    assert await lines(redis, result.campaign) == [3, 8, 13, 18, 23]


async def test_a_later_start_moves_the_validity(parent: CampaignId, settings: Settings, redis: Redis) -> None:
    result = await Resender(redis, settings, parent, FAILED).submit(after_s=3600, now=NOW)
    assert result.plan.start_at_ms == (NOW + timedelta(hours=1)).timestamp() * 1000
    old = await Queries(redis).campaign(parent)
    length = old.plan.valid_until_ms - max(old.plan.start_at_ms, old.created_ms)
    assert result.plan.valid_until_ms - result.plan.start_at_ms == length


async def test_a_second_resend_leaves_out_what_an_earlier_resend_contains(
    parent: CampaignId, settings: Settings, redis: Redis
) -> None:
    resender = Resender(redis, settings, parent, FAILED)
    first = await resender.submit(now=NOW)
    survey = await resender.survey()
    assert (survey.messages, survey.resent_before) == (0, 12)
    with pytest.raises(CommandFailed, match="no message is left to resend"):
        await resender.submit(now=NOW)
    await settle(redis, parent, ["f912"])
    second = await resender.submit(now=NOW)
    assert await lines(redis, second.campaign) == [index + 2 for index in range(0, 25, 2)]
    assert await resends(redis, parent) == [first.campaign, second.campaign]


async def test_a_resend_again_with_the_same_salt_makes_one_campaign(
    parent: CampaignId, settings: Settings, redis: Redis
) -> None:
    first = await Resender(redis, settings, parent, FAILED).submit(now=NOW)
    again = msgspec.structs.replace(FAILED, again=True, salt="ab12")
    second = await Resender(redis, settings, parent, again).submit(now=NOW)
    repeated = Resender(redis, settings, parent, again)
    done = (await repeated.survey()).done
    assert done
    assert done.id == second.campaign != first.campaign
    assert (await repeated.submit(now=NOW)).already_submitted
    assert second.messages == 12
    assert len(await resends(redis, parent)) == 2


@pytest.mark.parametrize("batches", [1, 2])
async def test_a_resend_that_breaks_off_is_finished_by_the_same_command(
    parent: CampaignId, settings: Settings, redis: Redis, batches: int
) -> None:
    resender = Resender(redis, settings, parent, FAILED)
    with pytest.raises(ProcessDied):
        await resender.submit(batch_size=5, now=NOW, progress=die_after(batches))
    [broken_off] = await resends(redis, parent)
    assert (await Queries(redis).campaign(broken_off)).state is CampaignState.SUBMITTING
    # Between the two calls more messages fail: the stored batches stay, and the second call stores only later messages.
    await settle(redis, parent, ["f912"])

    result = await resender.submit(now=NOW + timedelta(minutes=5))

    assert (result.campaign, result.state) == (broken_off, CampaignState.RUNNING)
    sent = await lines(redis, broken_off)
    kept = [index + 2 for index in range(1, 25, 2)][: 5 * batches]
    assert sent == kept + list(range(kept[-1] + 1, 27))
    assert await resends(redis, parent) == [broken_off]


async def test_a_resend_that_breaks_off_before_its_seal_is_sealed_as_it_is(
    parent: CampaignId, settings: Settings, redis: Redis
) -> None:
    resender = Resender(redis, settings, parent, FAILED)
    with pytest.raises(ProcessDied):
        await resender.submit(batch_size=5, now=NOW, progress=die_after(3))
    await settle(redis, parent, ["f912"])
    result = await resender.submit(now=NOW)
    assert result.messages == 12
    assert (await resender.survey()).messages == 13


async def test_another_choice_is_refused_while_a_resend_is_unfinished(
    parent: CampaignId, settings: Settings, redis: Redis
) -> None:
    with pytest.raises(ProcessDied):
        await Resender(redis, settings, parent, FAILED).submit(batch_size=5, now=NOW, progress=die_after(1))
    [broken_off] = await resends(redis, parent)
    other = Choice(states=frozenset({MessageState.FAILED}), codes=frozenset({912}))
    with pytest.raises(InputInvalid, match=f"campaign {broken_off}: the submit of this resend .failed. is unfinished"):
        await Resender(redis, settings, parent, other).survey()
    view = await Queries(redis).campaign(broken_off)
    await Control(redis).campaign(view.plan.sender, broken_off, ControlAction.CANCEL)
    result = await Resender(redis, settings, parent, other).submit(now=NOW)
    assert (result.messages, result.campaign != broken_off) == (12, True)


async def test_two_commands_at_once_never_send_a_message_twice(
    parent: CampaignId, settings: Settings, redis: Redis
) -> None:
    commands = [Resender(redis, settings, parent, FAILED).submit(batch_size=3, now=NOW) for _ in range(2)]
    ends = await asyncio.gather(*commands, return_exceptions=True)
    assert all(not isinstance(end, Exception) or isinstance(end, CommandFailed | LedgerError) for end in ends)
    views: list[CampaignView] = [await Queries(redis).campaign(child) for child in await resends(redis, parent)]
    sent = [line for view in views if view.sealed_ms for line in await lines(redis, view.id)]
    assert len(sent) == len(set(sent))


async def test_a_resend_of_other_messages_that_another_command_made_meanwhile_is_not_taken_for_this_one(
    parent: CampaignId, settings: Settings, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settle(redis, parent, ["r2054", "f912"])
    rejected = Resender(redis, settings, parent, Choice(states=frozenset({MessageState.REJECTED})))
    children, made = rejected._children, list[CampaignId]()

    async def another_resends_afterwards(view: CampaignView) -> list[CampaignView]:
        found = await children(view)
        made.append((await Resender(redis, settings, parent, FAILED).submit(now=NOW)).campaign)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(rejected, "_children", another_resends_afterwards)
        with pytest.raises(
            CommandFailed, match=r"another command has resent other messages .*\(failed\); run this command again"
        ):
            await rejected.submit(now=NOW)

    result = await rejected.submit(now=NOW)
    assert (result.messages, result.already_submitted) == (13, False)
    assert await resends(redis, parent) == [*made, result.campaign]


async def test_numbers_on_the_opt_out_list_are_suppressed(parent: CampaignId, settings: Settings, redis: Redis) -> None:
    await OptOuts(redis).add(["919000000001"])
    result = await Resender(redis, settings, parent, FAILED).submit(now=NOW)
    view = await Queries(redis).campaign(result.campaign)
    assert (view.counts[MessageState.SUPPRESSED], view.counts[MessageState.PENDING]) == (1, 11)


async def test_a_resend_that_left_the_ledger_may_contain_any_message_so_there_is_no_further_resend(
    parent: CampaignId, settings: Settings, redis: Redis
) -> None:
    first = await Resender(redis, settings, parent, FAILED).submit(now=NOW)
    view = await Queries(redis).campaign(first.campaign)
    key = campaign_key(view.plan.sender, first.campaign)
    await redis.hset(key, CampaignField.ARCHIVE, "archived")
    await redis.hdel(key, CampaignField.STATE)
    for again in (FAILED, Choice(states=FAILED.states, codes=frozenset({912}))):
        with pytest.raises(InputInvalid, match=f"its resend {first.campaign} is archived"):
            await Resender(redis, settings, parent, again).survey()
        with pytest.raises(InputInvalid, match=f"its resend {first.campaign} is archived"):
            await Resender(redis, settings, parent, again).submit(now=NOW)


async def test_own_values_are_kept_and_tracked_links_get_another_number(
    parent: CampaignId, settings: Settings, redis: Redis
) -> None:
    links = TrackedLinks(
        prefix="https://go.brand.in/TIMESM/", targets=[LinkTarget("url", ["https://a.in/", ""], [0])], key_digest="old"
    )
    first, submissions = CampaignId("links001"), Submissions(redis)
    plan = msgspec.structs.replace((await Queries(redis).campaign(parent)).plan, tracked_links=links)
    await submissions.claim("links", plan.sender, first)
    await submissions.begin(first, plan, batch_size=10)
    rows = Recipients(
        0, ["919000000001", "919000000002"], [2, 3], [["a", "b"], ["c", "d"]], [1, 2], {"tag": ["x", "y"]}, [["p", "q"]]
    )
    await submissions.add_batch(first, plan.sender, 0, rows)
    await submissions.seal(first, plan.sender, total=2, batches=1)
    await settle(redis, first, ["d0", "f912"])
    with pytest.raises(InputInvalid, match="DISPATCH_LINK_KEY"):
        await Resender(redis, settings, first, FAILED).survey()

    with_key = dataclasses.replace(settings, link_key=SecretBytes(b"k" * 32))
    result = await Resender(redis, with_key, first, FAILED).submit(now=NOW)

    packed: Any = await redis.get(batch_key(plan.sender, result.campaign, BatchKey.RECIPIENTS, 0))
    assert unpack_recipients(packed) == Recipients(
        0, ["919000000002"], [3], [["b"], ["d"]], [2], {"tag": ["y"]}, [["q"]]
    )
    assert result.plan.tracked_links
    assert result.plan.tracked_links.number == 1
    assert result.plan.tracked_links.key_digest != "old"


async def _cancelled_half(parent: CampaignId, settings: Settings, redis: Redis) -> CampaignId:
    """Resend until the second batch is stored, then cancel; return the resend."""
    with pytest.raises(ProcessDied):
        await Resender(redis, settings, parent, FAILED).submit(batch_size=4, now=NOW, progress=die_after(2))
    [half] = await resends(redis, parent)
    await Control(redis).campaign(SenderId("TIMESM"), half, ControlAction.CANCEL)
    return half


async def test_a_resend_that_was_cancelled_before_its_seal_is_not_resent_itself(
    parent: CampaignId, settings: Settings, redis: Redis
) -> None:
    half = await _cancelled_half(parent, settings, redis)
    await settle(redis, half, ["x0"])
    cancelled = Choice(states=frozenset({MessageState.CANCELLED}))

    with pytest.raises(InputInvalid, match=f"none of its messages was sent; resend messages of campaign {parent}"):
        await Resender(redis, settings, half, cancelled).submit(now=NOW)

    result = await Resender(redis, settings, parent, FAILED).submit(now=NOW)
    assert set(await lines(redis, half)) < set(await lines(redis, result.campaign))


async def test_a_cancelled_resend_of_which_an_earlier_version_made_a_resend_counts_as_sent(
    parent: CampaignId, settings: Settings, redis: Redis
) -> None:
    half = await _cancelled_half(parent, settings, redis)
    await redis.hset(campaign_key(SenderId("TIMESM"), half), "resend:earlier-grandchild", 1)

    result = await Resender(redis, settings, parent, FAILED).submit(now=NOW)

    assert not set(await lines(redis, half)) & set(await lines(redis, result.campaign))
