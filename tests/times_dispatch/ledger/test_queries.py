"""The views of the ledger for people; the counters are checked at the end of every test of the ledger."""

from collections.abc import Awaitable, Callable

import pytest

from tests.kit.ledger import CAMPAIGN, PROVIDER, SENDER, Ledger, plan
from times_dispatch.ledger.errors import CampaignUnknown
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import BackOffPolicy, ControlAction
from times_dispatch.ledger.push_results import Consequence
from times_dispatch.ledger.queries import MessageView
from times_dispatch.ledger.records import MessageRecord
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import CampaignState, MessageState

OTHER = CampaignId("another1")


async def test_a_new_campaign_is_seen_as_it_was_submitted(ledger: Ledger) -> None:
    await ledger.submit(5, sealed=False)
    view = await ledger.view()
    assert (view.id, view.state, view.reason, view.plan) == (CAMPAIGN, CampaignState.SUBMITTING, "", plan())
    assert (view.total, view.batches, view.unsent, view.done) == (5, 2, 5, 0)
    assert view.created_ms == pytest.approx(await ledger.now_ms(), abs=1_000)
    assert (view.sealed_ms, view.first_sent_ms, view.last_sent_ms, view.finished_ms) == (0, 0, 0, 0)
    assert (view.codes, view.stats, view.parts) == ({}, {}, 0)


async def test_a_campaign_that_was_sent_says_when_and_what_became_of_it(ledger: Ledger) -> None:
    await ledger.submit(6)
    await ledger.send_all(b"ari")
    view = await ledger.view()
    assert (view.state, view.unsent, view.done) == (CampaignState.FINISHED, 0, 6)
    times = [view.created_ms, view.sealed_ms, view.first_sent_ms, view.last_sent_ms, view.finished_ms]
    assert times == sorted(times)
    assert view.counts[MessageState.REJECTED] == 2
    assert view.codes == {"push:10": 2, "push:2054": 2}
    assert list(view.codes) == sorted(view.codes)


async def test_errors_that_were_taken_back_are_not_shown(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.send_all(b"i")
    await ledger.report("delivered")
    assert await ledger.redis.hget(f"{campaign_key(SENDER, CAMPAIGN)}:codes", "push:10") == b"0"
    assert (await ledger.view()).codes == {}


async def test_an_unknown_campaign_is_an_error_that_names_the_campaign(ledger: Ledger) -> None:
    with pytest.raises(CampaignUnknown, match="campaign nobody00: no campaign has this id or name"):
        await ledger.view(CampaignId("nobody00"))
    with pytest.raises(CampaignUnknown):
        await ledger.messages(CampaignId("nobody00"))


async def test_an_id_whose_submit_died_before_it_began_is_no_campaign_yet(ledger: Ledger) -> None:
    await ledger.submissions.claim("fingerprint", SENDER, OTHER)
    await ledger.submit(1)
    with pytest.raises(CampaignUnknown):
        await ledger.view(OTHER)
    assert [view.id for view in await ledger.queries.campaigns()] == [CAMPAIGN]


async def test_campaigns_are_listed_with_the_newest_first(ledger: Ledger) -> None:
    created_ms = {"b-oldest": 1_000, "c-newest": 3_000, "a-middle": 2_000, "d-middle": 2_000}
    for campaign, at_ms in created_ms.items():
        await ledger.submit(1, campaign=campaign)
        await ledger.redis.hset(campaign_key(SENDER, CampaignId(campaign)), "created_ms", at_ms)
    listed = [view.id for view in await ledger.queries.campaigns()]
    assert listed == ["c-newest", "a-middle", "d-middle", "b-oldest"]


async def _end(ledger: Ledger, campaign: str, created_ms: int) -> None:
    """Submit a campaign that was created at the given time, and cancel the campaign."""
    await ledger.submit(1, campaign=campaign)
    await ledger.redis.hset(campaign_key(SENDER, CampaignId(campaign)), "created_ms", created_ms)
    await ledger.control.campaign(SENDER, CampaignId(campaign), ControlAction.CANCEL)
    await ledger.maintenance.end_pending(SENDER)


async def test_live_campaigns_are_listed_with_the_newest_that_ended(ledger: Ledger) -> None:
    for number in range(5):
        await _end(ledger, f"ended00{number}", 1_000 * number)
    await ledger.submit(1)
    await ledger.submit(1, campaign="another1", sender="OTHERS")
    listed, left_out = await ledger.queries.live_and_ended(max_ended=2)
    assert sorted(view.id for view in listed[:2]) == ["another1", CAMPAIGN]
    assert [view.id for view in listed[2:]] == ["ended004", "ended003"]
    assert left_out == 3
    assert [view.id for view in await ledger.queries.live(SENDER)] == [CAMPAIGN]
    listed, left_out = await ledger.queries.live_and_ended(max_ended=0)
    assert (len(listed), left_out) == (2, 5)


async def test_a_campaign_is_live_until_it_finishes_and_again_when_it_is_sent_again(ledger: Ledger) -> None:
    async def is_live() -> bool:
        return bool(await ledger.queries.live(SENDER))

    await ledger.submit(3, sealed=False)
    assert await is_live()
    await ledger.submissions.seal(CAMPAIGN, SENDER, total=3, batches=1)
    assert await is_live()
    await ledger.send_all(b"i")
    assert not await is_live()
    await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    assert await is_live()
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    assert await is_live()
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    assert not await is_live()


async def test_ended_campaigns_add_no_cost_to_a_list_or_to_a_look_at_live_campaigns(ledger: Ledger) -> None:
    async def commands(call: Callable[[], Awaitable[object]]) -> int:
        before = (await ledger.redis.info("stats"))["total_commands_processed"]
        await call()
        return int((await ledger.redis.info("stats"))["total_commands_processed"]) - int(before)

    async def look() -> tuple[int, int]:
        return (
            await commands(lambda: ledger.queries.live(SENDER)),
            await commands(lambda: ledger.queries.live_and_ended(max_ended=1)),
        )

    await ledger.submit(1)
    await _end(ledger, "ended", 1)
    few = await look()
    for number in range(40):
        await _end(ledger, f"ended{number:03}", number)
    assert await look() == few


async def test_an_empty_ledger_has_nothing_to_list(ledger: Ledger) -> None:
    assert await ledger.queries.campaigns() == []
    assert await ledger.queries.live_and_ended(max_ended=9) == ([], 0)
    assert await ledger.queries.senders() == []
    assert await ledger.queries.of_sender(SENDER, []) == []


async def test_campaigns_of_a_sender_are_read_as_asked_for_but_for_those_that_are_gone(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.submit(2, campaign=OTHER)
    views = await ledger.queries.of_sender(SENDER, [OTHER, CampaignId("nobody00"), CAMPAIGN])
    assert [(view.id, view.total) for view in views] == [(OTHER, 2), (CAMPAIGN, 1)]


async def test_senders_are_listed_in_order(ledger: Ledger) -> None:
    for name in ("SHOPPY", "ABCDEF"):
        await ledger.submit(1, sender=SenderId(name), campaign=name.lower())
    assert await ledger.queries.senders() == ["ABCDEF", "SHOPPY"]


async def test_a_sender_that_is_unknown_has_no_limit_and_nothing_to_do(ledger: Ledger) -> None:
    assert await ledger.queries.sender(SENDER) == SenderView(
        id=SENDER,
        rate_per_s=0,
        paused=False,
        unavailable=[],
        batches_out=0,
        campaigns_in_turn=0,
    )


async def test_a_sender_says_its_limit_and_how_much_is_out(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SENDER, 1.5)
    await ledger.submit(9)
    await ledger.submit(9, campaign=OTHER, rate_per_s=1.0)
    await ledger.issue()
    view = await ledger.queries.sender(SENDER)
    assert (view.rate_per_s, view.batches_out, view.campaigns_in_turn) == (1.5, 4, 1)


async def test_a_paused_sender_is_the_reason_on_its_running_campaigns_only(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.submit(1, campaign=OTHER)
    await ledger.control.campaign(SENDER, OTHER, ControlAction.PAUSE, reason="lunch")
    await ledger.control.pause_sender(SENDER)
    assert (await ledger.queries.sender(SENDER)).paused
    assert (await ledger.view()).reason == "the sender is paused: dispatch sender resume TIMESM"
    assert (await ledger.view(OTHER)).reason == "lunch"


async def test_a_braked_sender_is_the_reason_on_its_campaigns(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.control.brake_provider(SENDER, PROVIDER, "insufficient balance (6001)")
    assert (await ledger.view()).reason == (
        "provider times is braked: insufficient balance (6001); when that is fixed: dispatch sender resume TIMESM"
    )


async def test_a_sender_that_backs_off_says_why_and_until_when(ledger: Ledger) -> None:
    await ledger.submit(2)
    lease = await ledger.take()
    overloaded = Consequence(BackOffPolicy.ALWAYS, 5.0, reason="the provider is overloaded")
    await ledger.record(lease, await ledger.open(lease, max_messages=1), b"p", overloaded)
    assert (await ledger.view()).reason == "provider times is backing off: the provider is overloaded"
    (unavailable,) = (await ledger.queries.sender(SENDER)).unavailable
    assert (unavailable.provider, unavailable.brake) == (PROVIDER, "")
    assert unavailable.backing_off_why == "the provider is overloaded"
    assert unavailable.backing_off_until_ms == pytest.approx(await ledger.now_ms() + 5_000, abs=500)
    await ledger.end_back_off()
    await ledger.record(lease, await ledger.open(lease), b"a")
    assert (await ledger.view()).reason == ""
    assert (await ledger.queries.sender(SENDER)).unavailable == []


async def test_messages_are_seen_with_their_rows(ledger: Ledger) -> None:
    await ledger.submit(4)
    lease = await ledger.take()
    await ledger.record(lease, await ledger.open(lease, max_messages=2), b"ra")
    messages = await ledger.messages()
    assert [message.index for message in messages] == [0, 1, 2, 3]
    assert [message.record.state.label for message in messages] == ["rejected", "accepted", "pending", "pending"]
    assert messages[3] == MessageView(
        index=3,
        line=5,
        to="919800000003",
        slots=["name 3"],
        record=MessageRecord(0, MessageState.PENDING, 0, 0, 0, 0, ""),
    )
    assert (messages[1].record.code, messages[1].record.transaction_id) == (200, "1001")


async def test_looking_changes_nothing(ledger: Ledger) -> None:
    await ledger.submit(4)
    await ledger.send_all()
    before = await ledger.dump()
    await ledger.messages()
    await ledger.queries.campaigns()
    await ledger.queries.sender(SENDER)
    assert await ledger.dump() == before


async def test_keys_of_a_sender_share_its_hash_tag(ledger: Ledger) -> None:
    await ledger.submit(4, parts=[1, 2, 1, 1], cost_unit="parts")
    await ledger.send_all()
    everybodys = {"campaigns", "senders", "submissions"}
    assert all(key.startswith(hash_tag(SENDER)) for key in await ledger.dump() if key not in everybodys)


async def test_fields_of_a_hash_in_any_order_are_seen_in_one_order(ledger: Ledger) -> None:
    await ledger.submit()
    key = campaign_key(SENDER, CAMPAIGN)
    stats, resends = [f"reaction{number}" for number in range(9)], [f"resend0{number}" for number in range(9)]
    for name in (*(f"stat:{name}" for name in reversed(stats)), *(f"resend:{name}" for name in reversed(resends))):
        await ledger.redis.hset(key, name, 7)
    view = await ledger.queries.campaign(CAMPAIGN)
    assert (list(view.stats), view.resends) == (stats, resends)
