"""Recording results of pushes, and the brakes that such results cause; back-off is in test_leases_back_off.py."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kit.ledger import CAMPAIGN, PROVIDER, SENDER, Ledger
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.openings import BatchClosed
from times_dispatch.ledger.protocol import BackOffPolicy, BrakeTarget, ControlAction
from times_dispatch.ledger.push_results import Consequence, Result
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.submission import BrakeRule

KEY = campaign_key(SENDER, CAMPAIGN)


async def _lease(ledger: Ledger, messages: int = 6, brake: BrakeRule | None = None) -> Lease:
    await ledger.submit(messages, batch_size=messages, brake=brake)
    return await ledger.take()


async def test_every_result_moves_its_message(ledger: Ledger) -> None:
    lease = await _lease(ledger, 6)
    assert await ledger.record(lease, await ledger.open(lease), b"aripbu") == 6
    assert await ledger.states() == "arippu"
    assert (await ledger.view()).codes == {"push:10": 1, "push:2054": 1, "retry:429": 1, "suppressed:31": 1}


async def test_a_suppressed_message_is_final(ledger: Ledger) -> None:
    lease = await _lease(ledger, 2)
    block = await ledger.open(lease)
    await ledger.record(lease, block, b"u")
    assert await ledger.record(lease, block, b"a") == 0
    await ledger.leases.release(lease)
    assert await ledger.states() == "uu"
    assert await ledger.state() is CampaignState.FINISHED
    assert await ledger.control.resolve(SENDER, CAMPAIGN, "resend") == 0


async def test_an_accepted_message_keeps_its_code_and_transaction_and_the_time_of_sending(ledger: Ledger) -> None:
    lease = await _lease(ledger, 2)
    block = await ledger.open(lease)
    before = [message.record for message in await ledger.messages()]
    results = [
        Result(0, block.number, b"a", 200, "205538399", 2),
        Result(1, block.number, b"a", 200, "not-a-number", 1),
    ]
    await ledger.leases.record(lease, results, provider=PROVIDER)
    after = [message.record for message in await ledger.messages()]
    assert [(record.code, record.transaction_id) for record in after] == [(200, "205538399"), (200, "")]
    assert [record.sent_ms for record in after] == [record.sent_ms for record in before]
    assert (await ledger.view()).parts == 3


async def test_a_campaign_of_which_outcomes_were_written_is_one_on_which_something_happened(ledger: Ledger) -> None:
    lease = await _lease(ledger, 1)
    block = await ledger.open(lease)
    await ledger.maintenance.take_changed(SENDER)
    await ledger.record(lease, block, b"a")
    assert await ledger.maintenance.take_changed(SENDER) == [CAMPAIGN]


async def test_a_code_that_does_not_fit_is_cut_to_the_greatest(ledger: Ledger) -> None:
    lease = await _lease(ledger, 1)
    block = await ledger.open(lease)
    await ledger.leases.record(lease, [Result(0, block.number, b"r", 70_000)], provider=PROVIDER)
    assert (await ledger.view()).codes == {"push:65535": 1}


@settings(
    max_examples=min(25, settings().max_examples),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(outcomes=st.dictionaries(st.integers(0, 59), st.sampled_from("arip"), min_size=1), chance=st.randoms())
async def test_outcomes_far_and_near_change_their_own_messages_and_no_others(
    ledger: Ledger, outcomes: dict[int, str], chance: Random
) -> None:
    await ledger.redis.flushall()
    lease = await _lease(ledger, 60)
    block = await ledger.open(lease)
    before = [message.record for message in await ledger.messages()]
    in_any_order = chance.sample(sorted(outcomes), len(outcomes))
    results = [Result(index, block.number, outcomes[index].encode(), 300 + index, "7") for index in in_any_order]
    assert await ledger.leases.record(lease, results, provider=PROVIDER) == len(outcomes)
    for index, message in enumerate(await ledger.messages()):
        if index not in outcomes:
            assert message.record == before[index]
            continue
        record = message.record
        assert (record.state.value, record.code) == (outcomes[index], 300 + index)
        assert (record.attempt, record.sent_ms) == (before[index].attempt, before[index].sent_ms)
        assert record.transaction_id == ("7" if outcomes[index] == "a" else "")


async def test_only_accepted_messages_count_parts(ledger: Ledger) -> None:
    lease = await _lease(ledger, 4)
    await ledger.record(lease, await ledger.open(lease), b"ripa")
    assert (await ledger.view()).parts == 1


async def test_disagreements_about_parts_are_counted_once(ledger: Ledger) -> None:
    lease = await _lease(ledger, 2)
    block = await ledger.open(lease)
    await ledger.record(lease, block, b"a", part_disagreements=2)
    await ledger.record(lease, block, b"a", part_disagreements=2)
    assert await ledger.stat("part_disagreements") == 2


@pytest.mark.parametrize("back_off", BackOffPolicy)
@pytest.mark.parametrize("results", [b"aripb", b"aaaaa", b"ppppp", b"iiiii"])
async def test_outcomes_that_are_written_twice_count_once(
    ledger: Ledger, results: bytes, back_off: BackOffPolicy
) -> None:
    lease = await _lease(ledger, 5)
    block = await ledger.open(lease)
    consequence = Consequence(back_off, reason="away")
    await ledger.record(lease, block, results, consequence, part_disagreements=1)
    before = await ledger.dump()
    assert await ledger.record(lease, block, results, consequence, part_disagreements=1) == 0
    assert await ledger.dump() == before
    await ledger.end_back_off()
    before = await ledger.dump()
    assert await ledger.record(lease, block, results, consequence, part_disagreements=1) == 0
    assert await ledger.dump() == before, "the sender backed off again"


@pytest.mark.parametrize("again", list(b"arip"))
async def test_an_outcome_repeated_after_its_message_was_opened_again_does_nothing(ledger: Ledger, again: int) -> None:
    lease = await _lease(ledger, 2)
    first = await ledger.open(lease)
    await ledger.record(lease, first, b"p")
    second = await ledger.open(lease)
    assert await ledger.record(lease, first, bytes([again])) == 0
    assert await ledger.states() == "ss"
    assert await ledger.record(lease, second, b"a") == 2


async def test_an_outcome_of_a_block_that_never_was_does_nothing(ledger: Ledger) -> None:
    lease = await _lease(ledger, 2)
    await ledger.open(lease, max_messages=1)
    results = [Result(0, 2, b"a", 200), Result(1, 0, b"a", 200)]
    assert await ledger.leases.record(lease, results, provider=PROVIDER) == 0
    assert await ledger.states() == "sp"


@pytest.mark.parametrize("kind", ["delivered", "failed"])
async def test_an_answer_after_its_report_only_fills_in_the_transaction(ledger: Ledger, kind: str) -> None:
    lease = await _lease(ledger, 1)
    block = await ledger.open(lease)
    await ledger.report(kind)
    assert await ledger.record(lease, block, b"a") == 0
    [message] = await ledger.messages()
    assert (message.record.state.label, message.record.transaction_id) == (kind, "1000")
    assert message.record.code == (901 if kind == "failed" else 0)
    assert message.record.reported_s == 1_795_000_000
    assert (await ledger.view()).parts == 1
    before = await ledger.dump()
    assert await ledger.record(lease, block, b"a") == 0
    assert await ledger.dump() == before


@pytest.mark.parametrize("result", list(b"ripb"))
async def test_any_other_outcome_after_a_report_does_nothing(ledger: Ledger, result: int) -> None:
    lease = await _lease(ledger, 1)
    block = await ledger.open(lease)
    await ledger.report("delivered")
    assert await ledger.record(lease, block, bytes([result])) == 0
    assert await ledger.states() == "d"
    assert (await ledger.view()).codes == {}


async def test_an_error_of_the_whole_campaign_brakes_it_and_its_messages_go_out_after_a_resume(ledger: Ledger) -> None:
    lease = await _lease(ledger, 3)
    block = await ledger.open(lease, max_messages=2)
    brake = Consequence(brake=BrakeTarget.CAMPAIGN, reason="content id missing (7001)")
    await ledger.record(lease, block, b"p", brake)
    assert (await ledger.view()).reason == "content id missing (7001)"
    assert await ledger.open_block(lease) == BatchClosed("braked")
    await ledger.leases.release(lease)
    assert await ledger.issue() == []
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    assert len((await ledger.open(await ledger.take())).messages) == 3


async def test_an_outcome_repeated_after_a_resume_does_not_brake_again(ledger: Ledger) -> None:
    lease = await _lease(ledger, 3)
    block = await ledger.open(lease, max_messages=2)
    await ledger.record(lease, block, b"p", Consequence(brake=BrakeTarget.CAMPAIGN, reason="content id missing (7001)"))
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    await ledger.record(lease, block, b"p", Consequence(brake=BrakeTarget.CAMPAIGN, reason="content id missing (7001)"))
    assert await ledger.state() is CampaignState.RUNNING


async def test_an_error_of_the_whole_sender_brakes_it_and_the_first_reason_stays(ledger: Ledger) -> None:
    lease = await _lease(ledger, 3)
    first, second = await ledger.open(lease, max_messages=1), await ledger.open(lease, max_messages=1)
    await ledger.record(
        lease, first, b"p", Consequence(brake=BrakeTarget.SENDER, reason="authentication failure (2070)")
    )
    await ledger.record(
        lease, second, b"p", Consequence(brake=BrakeTarget.SENDER, reason="insufficient balance (6001)")
    )
    assert (await ledger.queries.sender(SENDER)).unavailable[0].brake == "authentication failure (2070)"
    assert await ledger.open_block(lease) == BatchClosed("provider_braked")
    assert await ledger.state() is CampaignState.RUNNING
    await ledger.control.resume_sender(SENDER)
    assert (await ledger.open(lease)).messages


async def test_a_brake_does_not_touch_a_campaign_that_a_person_paused(ledger: Ledger) -> None:
    lease = await _lease(ledger, 3)
    block = await ledger.open(lease)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE, reason="lunch")
    await ledger.record(lease, block, b"p", Consequence(brake=BrakeTarget.CAMPAIGN, reason="content id missing (7001)"))
    view = await ledger.view()
    assert (view.state, view.reason) == (CampaignState.PAUSED, "lunch")


REJECTED = BrakeRule(pushes=4, rejected_share=0.5)


@pytest.mark.parametrize(
    ("results", "braked"),
    [
        (b"rrr", False),
        (b"rraa", False),
        (b"rrra", True),
        (b"rrri", False),
        (b"rrrpb", False),
        (b"rrriiiir", True),
        (b"rraaaarra", False),
        (b"rraaaarrra", True),
        (b"rrruuuur", True),
        (b"rrrraaaa", False),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else "",
)
@pytest.mark.parametrize("together", [True, False])
async def test_a_campaign_brakes_when_too_many_of_the_last_pushes_were_rejected(
    ledger: Ledger, results: bytes, braked: bool, together: bool
) -> None:
    lease = await _lease(ledger, len(results), REJECTED)
    if together:
        await ledger.record(lease, await ledger.open(lease), results)
    else:
        # All messages are in flight before the first answer: a brake does not stop opened messages.
        blocks = [await ledger.open(lease, max_messages=1) for _ in results]
        for block, result in zip(blocks, results, strict=True):
            await ledger.record(lease, block, bytes([result]))
            if await ledger.state() is CampaignState.BRAKED:
                break
        braked = braked or results == b"rrrraaaa"
    assert (await ledger.state() is CampaignState.BRAKED) is braked
    assert ((await ledger.view()).reason == "too many of the last pushes were rejected") is braked


async def test_a_resume_forgets_what_was_bad(ledger: Ledger) -> None:
    lease = await _lease(ledger, 8, REJECTED)
    await ledger.record(lease, await ledger.open(lease, max_messages=4), b"r")
    assert await ledger.state() is CampaignState.BRAKED
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    await ledger.record(lease, await ledger.open(lease, max_messages=3), b"r")
    assert await ledger.state() is CampaignState.RUNNING
    await ledger.record(lease, await ledger.open(lease, max_messages=1), b"r")
    assert await ledger.state() is CampaignState.BRAKED


async def test_a_campaign_without_a_rule_never_brakes_because_of_a_share(ledger: Ledger) -> None:
    lease = await _lease(ledger, 6)
    await ledger.record(lease, await ledger.open(lease), b"r")
    assert await ledger.state() is CampaignState.RUNNING
    assert await ledger.redis.exists(f"{KEY}:recent_push") == 0


UNREADABLE = Consequence(BackOffPolicy.IF_NONE_READABLE, reason="the response cannot be read")


async def test_a_provider_whose_responses_cannot_be_read_is_braked_and_not_tried_for_ever(ledger: Ledger) -> None:
    lease = await _lease(ledger, 8)
    for tries in range(1, 8):
        await ledger.record(lease, await ledger.open(lease, max_messages=1), b"i", UNREADABLE)
        await ledger.end_back_off()
        (unavailable,) = (await ledger.queries.sender(SENDER)).unavailable
        assert bool(unavailable.brake) is (tries == 7)
    assert unavailable.brake == "the response cannot be read"
    assert await ledger.states() == "iiiiiiip"


async def test_one_unreadable_response_after_other_failures_is_no_reason_to_brake(ledger: Ledger) -> None:
    lease = await _lease(ledger, 8)
    refused = Consequence(BackOffPolicy.IF_NONE_ACCEPTED, reason="connection refused")
    for consequence in (*[refused] * 6, UNREADABLE):
        await ledger.record(lease, await ledger.open(lease, max_messages=1), b"i", consequence)
        await ledger.end_back_off()
    (unavailable,) = (await ledger.queries.sender(SENDER)).unavailable
    assert (unavailable.brake, unavailable.backing_off_why) == ("", "the response cannot be read")


async def test_an_accepted_message_begins_the_count_of_unreadable_responses_anew(ledger: Ledger) -> None:
    lease = await _lease(ledger, 14)
    for verdict in b"iiiiiiaiiiiii":
        consequence = UNREADABLE if verdict == ord("i") else Consequence()
        await ledger.record(lease, await ledger.open(lease, max_messages=1), bytes([verdict]), consequence)
        await ledger.end_back_off()
    (unavailable,) = (await ledger.queries.sender(SENDER)).unavailable
    assert unavailable.brake == ""
