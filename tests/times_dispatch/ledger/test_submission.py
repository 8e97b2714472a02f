from collections.abc import Awaitable, Callable

import pytest
from redis.exceptions import ResponseError

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger, plan, recipients
from times_dispatch.ledger.errors import SubmissionRefused
from times_dispatch.ledger.keys import CAMPAIGNS, campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.submission import BrakeRule

OTHER = CampaignId("another1")
KEY = campaign_key(SENDER, CAMPAIGN)


async def test_a_new_submit_gets_the_new_id(ledger: Ledger) -> None:
    assert await ledger.submissions.claim("fingerprint", SENDER, CAMPAIGN) == CAMPAIGN
    assert await ledger.queries.sender_of(CAMPAIGN) == SENDER
    assert await ledger.queries.senders() == [SENDER]


async def test_the_same_submit_gets_the_same_id_again(ledger: Ledger) -> None:
    await ledger.submissions.claim("fingerprint", SENDER, CAMPAIGN)
    assert await ledger.submissions.claim("fingerprint", SENDER, OTHER) == CAMPAIGN
    assert await ledger.submissions.claim("another file", SENDER, OTHER) == OTHER


async def test_a_submit_that_died_between_two_steps_of_its_claim_is_finished_by_the_next(ledger: Ledger) -> None:
    await ledger.submissions.claim("fingerprint", SENDER, CAMPAIGN)
    await ledger.redis.delete(CAMPAIGNS)
    assert await ledger.submissions.claim("fingerprint", SENDER, OTHER) == CAMPAIGN
    assert await ledger.queries.sender_of(CAMPAIGN) == SENDER


async def test_an_id_that_another_submit_has_is_refused_and_the_submit_may_try_again(ledger: Ledger) -> None:
    await ledger.submissions.claim("fingerprint", SENDER, CAMPAIGN)
    with pytest.raises(SubmissionRefused, match="the id is taken; submit again"):
        await ledger.submissions.claim("another file", SenderId("SHOPPY"), CAMPAIGN)
    assert await ledger.submissions.claim("another file", SenderId("SHOPPY"), OTHER) == OTHER


async def test_a_begun_campaign_holds_nothing_and_sends_nothing(ledger: Ledger) -> None:
    begun = await ledger.submissions.begin(CAMPAIGN, plan(), batch_size=3)
    assert (begun.created, begun.state, begun.batches, begun.batch_size) == (True, CampaignState.SUBMITTING, 0, 3)
    assert begun.plan == plan()
    assert await ledger.issue() == []


async def test_a_campaign_that_is_begun_again_says_how_far_it_came_and_keeps_its_first_plan(ledger: Ledger) -> None:
    await ledger.submit(6, sealed=False)
    begun = await ledger.submissions.begin(CAMPAIGN, plan(name="renamed"), batch_size=500)
    assert (begun.created, begun.state, begun.batches, begun.batch_size) == (False, CampaignState.SUBMITTING, 2, 3)
    assert begun.plan.name == "diwali-sale"


async def test_the_campaign_holds_the_fields_of_the_plan_that_the_scripts_need(ledger: Ledger) -> None:
    made = plan(
        rate_per_s=7.5,
        cost_unit="parts",
        start_at_ms=5,
        report_wait_s=60,
        urgent=True,
        in_doubt="resend",
        fallbacks=["other"],
    )
    brake = BrakeRule(pushes=100, rejected_share=0.25, reports=50, failed_share=0.5)
    await ledger.submissions.begin(CAMPAIGN, made, batch_size=3, brake=brake)
    names = {
        "rate": "7.5",
        "cost_unit": "parts",
        "start_ms": "5",
        "until_ms": str(made.valid_until_ms),
        "report_wait_ms": "60000",
        "urgent": "1",
        "in_doubt": "resend",
        "chain": "times other",
        "brake_push_last": "100",
        "brake_push_share": "0.25",
        "brake_report_last": "50",
        "brake_report_share": "0.5",
    }
    assert {name: await ledger.field(name) for name in names} == names


async def test_batches_are_counted_as_pending_messages(ledger: Ledger) -> None:
    await ledger.submit(5, batch_size=3, sealed=False)
    view = await ledger.view()
    assert (view.total, view.batches, view.unsent) == (5, 2, 5)
    assert await ledger.states() == "ppppp"


async def test_a_batch_that_is_stored_already_is_left_as_it_is(ledger: Ledger) -> None:
    await ledger.submit(6, sealed=False)
    await ledger.submissions.add_batch(CAMPAIGN, SENDER, 0, recipients(100, 3))
    assert (await ledger.view()).total == 6
    assert (await ledger.messages())[0].to == "919800000000"


async def test_a_batch_cannot_follow_a_gap(ledger: Ledger) -> None:
    await ledger.submit(3, sealed=False)
    with pytest.raises(SubmissionRefused, match="batch 2 cannot follow 1 batches"):
        await ledger.submissions.add_batch(CAMPAIGN, SENDER, 2, recipients(6, 3))


async def test_a_batch_cannot_follow_a_short_one(ledger: Ledger) -> None:
    await ledger.submit(2, batch_size=3, sealed=False)
    with pytest.raises(SubmissionRefused, match="only the last batch may be short"):
        await ledger.submissions.add_batch(CAMPAIGN, SENDER, 1, recipients(2, 3))


@pytest.mark.parametrize("count", [0, 4])
async def test_a_batch_that_is_empty_or_longer_than_the_campaigns_batches_is_refused(
    ledger: Ledger, count: int
) -> None:
    await ledger.submit(3, sealed=False)
    with pytest.raises(SubmissionRefused, match=f"a batch of {count} messages where 1 to 3 fit"):
        await ledger.submissions.add_batch(CAMPAIGN, SENDER, 1, recipients(3, count))


@pytest.mark.parametrize("count", [1, 3])
async def test_a_batch_may_be_of_any_length_up_to_that_of_the_campaigns_batches(ledger: Ledger, count: int) -> None:
    await ledger.submit(3, sealed=False)
    await ledger.submissions.add_batch(CAMPAIGN, SENDER, 1, recipients(3, count))
    assert (await ledger.view()).total == 3 + count


async def test_a_sealed_campaign_takes_no_batch(ledger: Ledger) -> None:
    await ledger.submit(3)
    with pytest.raises(SubmissionRefused, match="the campaign is running"):
        await ledger.submissions.add_batch(CAMPAIGN, SENDER, 1, recipients(3, 3))


async def test_a_campaign_that_was_never_begun_takes_no_batch_and_no_seal(ledger: Ledger) -> None:
    with pytest.raises(SubmissionRefused, match="the campaign does not exist"):
        await ledger.submissions.add_batch(CAMPAIGN, SENDER, 0, recipients(0, 3))
    with pytest.raises(SubmissionRefused, match="the campaign does not exist"):
        await ledger.submissions.seal(CAMPAIGN, SENDER, total=3, batches=1)
    assert await ledger.redis.keys(f"{KEY}*") == []


@pytest.mark.parametrize(
    ("parts", "stored"),
    [((1, 1, 1), None), ((1, 2, 1), b"\x01\x02\x01"), ((255, 256, 1), b"\xff\xff\x01")],
)
async def test_parts_are_stored_only_where_a_text_has_several(
    ledger: Ledger, parts: tuple[int, ...], stored: bytes | None
) -> None:
    await ledger.submit(3, parts=parts)
    assert await ledger.redis.get(f"{KEY}:k:0") == stored


async def test_who_opted_out_before_the_submit_is_suppressed_from_the_start(ledger: Ledger) -> None:
    await ledger.submit(7, opted_out=[0, 2, 5])
    assert await ledger.states() == "upuppup"
    assert (await ledger.view()).codes == {"suppressed:31": 3}
    assert [message.record.code for message in await ledger.messages()] == [31, 0, 31, 0, 0, 31, 0]
    await ledger.send_all()
    assert await ledger.states() == "uauaaua"
    assert await ledger.state() is CampaignState.FINISHED


@pytest.mark.parametrize("starts_in_ms", [0, 60_000])
async def test_a_campaign_of_which_everything_is_suppressed_is_finished_when_it_is_sealed(
    ledger: Ledger, starts_in_ms: int
) -> None:
    await ledger.submit(4, opted_out=range(4), start_at_ms=await ledger.now_ms() + starts_in_ms)
    assert await ledger.states() == "uuuu"
    assert await ledger.state() is CampaignState.FINISHED
    assert await ledger.issue() == []


async def test_a_batch_that_is_stored_already_suppresses_nobody_else(ledger: Ledger) -> None:
    await ledger.submit(3, opted_out=[1], sealed=False)
    await ledger.submissions.add_batch(CAMPAIGN, SENDER, 0, recipients(0, 3), opted_out=[0, 2])
    assert await ledger.states() == "pup"


async def test_a_cancelled_campaign_leaves_what_was_suppressed_as_it_is(ledger: Ledger) -> None:
    await ledger.submit(5, opted_out=[1])
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    await ledger.maintenance.end_pending(SENDER)
    assert await ledger.states() == "xuxxx"


async def test_nothing_is_sent_before_the_seal(ledger: Ledger) -> None:
    await ledger.submit(3, sealed=False)
    assert await ledger.issue() == []
    await ledger.submissions.seal(CAMPAIGN, SENDER, total=3, batches=1)
    assert len(await ledger.issue()) == 1


@pytest.mark.parametrize(("total", "batches"), [(2, 1), (3, 2), (4, 2)])
async def test_a_seal_with_other_totals_is_refused_and_nothing_is_sent(
    ledger: Ledger, total: int, batches: int
) -> None:
    await ledger.submit(3, sealed=False)
    with pytest.raises(SubmissionRefused, match="the ledger holds 3 messages in 1 batches"):
        await ledger.submissions.seal(CAMPAIGN, SENDER, total=total, batches=batches)
    assert await ledger.state() is CampaignState.SUBMITTING


async def test_a_sealed_campaign_whose_time_has_not_come_waits(ledger: Ledger) -> None:
    await ledger.submit(3, start_at_ms=await ledger.now_ms() + 60_000)
    assert await ledger.state() is CampaignState.RUNNING
    assert await ledger.issue() == []


async def test_a_campaign_without_messages_is_finished_when_it_is_sealed(ledger: Ledger) -> None:
    await ledger.submit(0)
    assert await ledger.state() is CampaignState.FINISHED


async def test_a_campaign_that_was_cancelled_while_it_was_written_stays_cancelled(ledger: Ledger) -> None:
    await ledger.submit(3, sealed=False)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.CANCEL)
    with pytest.raises(SubmissionRefused, match="the campaign is cancelled"):
        await ledger.submissions.add_batch(CAMPAIGN, SENDER, 1, recipients(3, 3))
    await ledger.submissions.seal(CAMPAIGN, SENDER, total=3, batches=1)
    assert await ledger.state() is CampaignState.CANCELLED
    assert await ledger.issue() == []


STEPS: dict[str, Callable[[Ledger], Awaitable[object]]] = {
    "claim": lambda ledger: ledger.submissions.claim(CAMPAIGN, SENDER, CAMPAIGN),
    "begin": lambda ledger: ledger.submissions.begin(CAMPAIGN, plan(), batch_size=3),
    "add_batch": lambda ledger: ledger.submissions.add_batch(CAMPAIGN, SENDER, 0, recipients(0, 3)),
    "seal": lambda ledger: ledger.submissions.seal(CAMPAIGN, SENDER, total=3, batches=1),
}


@pytest.mark.parametrize("last", STEPS)
async def test_any_step_of_a_submit_done_twice_changes_nothing_the_second_time(ledger: Ledger, last: str) -> None:
    for name, step in STEPS.items():
        await step(ledger)
        if name == last:
            break
    before = await ledger.dump()
    await STEPS[last](ledger)
    assert await ledger.dump() == before


async def test_an_error_of_redis_itself_is_not_taken_for_a_refusal(ledger: Ledger) -> None:
    await ledger.redis.set(KEY, "not a campaign")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await ledger.submissions.add_batch(CAMPAIGN, SENDER, 0, recipients(0, 3))
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await ledger.submissions.seal(CAMPAIGN, SENDER, total=3, batches=1)
