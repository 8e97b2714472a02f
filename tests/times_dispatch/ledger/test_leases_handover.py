"""A sender with several providers: which provider gets a block, and which messages never go to another provider."""

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.openings import BatchClosed, Block, Wait
from times_dispatch.ledger.protocol import BackOffPolicy, BrakeTarget, ControlAction
from times_dispatch.ledger.push_results import Consequence
from times_dispatch.ledger.states import CampaignState

OTHER = CampaignId("another1")
AWAY = Consequence(BackOffPolicy.IF_NONE_ACCEPTED, reason="connection refused")
REFUSED = Consequence(brake=BrakeTarget.SENDER, reason="authentication failure (2070)")
A, B, C = range(3)


async def _lease(ledger: Ledger, messages: int = 9) -> Lease:
    """Take the batch of a campaign with the chain A, B."""
    await ledger.submit(messages, batch_size=messages, provider="A", fallbacks=["B"])
    return await ledger.take()


async def _fail(ledger: Ledger, lease: Lease, provider: int, consequence: Consequence = AWAY) -> Block:
    """Open one message for the expected provider, and record that it was not sent."""
    block = await ledger.open(lease, max_messages=1)
    assert block.chain_index == provider
    await ledger.record(lease, block, b"p", consequence)
    return block


async def test_as_long_as_the_first_provider_can_take_everything_is_for_it(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await ledger.control.brake_provider(SENDER, "B", "insufficient balance (6001)")
    assert [(await ledger.open(lease, max_messages=3)).chain_index for _ in range(3)] == [A, A, A]
    assert (await ledger.view()).reason == ""


async def test_when_the_first_provider_is_braked_the_next_block_is_for_the_second(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await _fail(ledger, lease, A, REFUSED)
    block = await ledger.open(lease)
    assert (block.chain_index, len(block.messages)) == (B, 9)
    view = await ledger.view()
    assert view.state is CampaignState.RUNNING
    assert view.reason == "provider A is braked: authentication failure (2070); sending through B"


async def test_when_the_first_provider_backs_off_the_next_block_is_for_the_second(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await _fail(ledger, lease, A)
    block = await ledger.open(lease)
    assert (block.chain_index, len(block.messages)) == (B, 9)
    assert (await ledger.view()).reason == "provider A is backing off: connection refused; sending through B"


async def test_a_message_that_was_not_sent_goes_to_the_second_with_the_same_attempt(ledger: Ledger) -> None:
    lease = await _lease(ledger, 2)
    first = await ledger.open(lease)
    await ledger.record(lease, first, b"pp", AWAY)
    second = await ledger.open(lease)
    assert (second.chain_index, second.messages) == (B, first.messages)
    await ledger.record(lease, second, b"a")
    assert await ledger.states() == "aa"


@pytest.mark.parametrize("result", list(b"iar"))
async def test_a_message_in_doubt_is_not_handed_over_and_nor_is_one_with_an_answer(ledger: Ledger, result: int) -> None:
    lease = await _lease(ledger, 3)
    block = await ledger.open(lease)
    await ledger.record(lease, block, bytes([result]) + b"pb", Consequence(BackOffPolicy.ALWAYS, reason="slow down"))
    handed_over = await ledger.open(lease)
    assert (handed_over.chain_index, handed_over.messages) == (B, [(1, 0), (2, 0)])


async def test_messages_that_a_dead_worker_had_opened_for_one_provider_are_not_sent_through_the_next(
    ledger: Ledger,
) -> None:
    lease = await _lease(ledger, 3)
    await ledger.open(lease, max_messages=2)
    await ledger.control.brake_provider(SENDER, "A", "no balance")
    await ledger.expire_leases(lease.ref)
    await ledger.maintenance.expire_leases(SENDER)
    block = await ledger.open(await ledger.take())
    assert (block.chain_index, block.messages) == (B, [(2, 0)])
    assert await ledger.states() == "iis"
    await ledger.expire_leases(lease.ref)
    await ledger.maintenance.expire_leases(SENDER)


async def test_a_provider_that_backed_off_is_tried_once_per_back_off_while_another_takes_the_rest(
    ledger: Ledger,
) -> None:
    lease = await _lease(ledger)
    await _fail(ledger, lease, A)
    assert (await ledger.open(lease, max_messages=2)).chain_index == B
    await ledger.end_back_off("A")
    probe, rest = await ledger.open(lease, max_messages=2), await ledger.open(lease, max_messages=2)
    assert (probe.chain_index, len(probe.messages)) == (A, 1)
    assert (rest.chain_index, len(rest.messages)) == (B, 2)
    assert await ledger.sender_field("probe_us@A") == pytest.approx((await ledger.now_ms() + 1_000) * 1000, abs=500_000)


async def test_a_probe_that_fails_lengthens_the_back_off_and_an_accepted_probe_ends_it(
    ledger: Ledger,
) -> None:
    lease = await _lease(ledger)
    for times in (1, 2, 3):
        await _fail(ledger, lease, A)
        assert await ledger.sender_field("back_off_count@A") == times
        assert (await ledger.open(lease, max_messages=1)).chain_index == B
        await ledger.end_back_off("A")
    probe = await ledger.open(lease)
    assert probe.chain_index == A
    await ledger.record(lease, probe, b"a")
    block = await ledger.open(lease, max_messages=3)
    assert (block.chain_index, len(block.messages)) == (A, 3)
    assert (await ledger.view()).reason == ""


async def test_a_message_that_the_second_provider_accepts_does_not_end_the_back_off_from_the_first(
    ledger: Ledger,
) -> None:
    lease = await _lease(ledger)
    await _fail(ledger, lease, A)
    await ledger.end_back_off("A")
    await _fail(ledger, lease, A)
    until, times = await ledger.sender_field("back_off_until_us@A"), await ledger.sender_field("back_off_count@A")
    await ledger.record(lease, await ledger.open(lease, max_messages=1), b"a")
    assert (
        (await ledger.sender_field("back_off_until_us@A"), await ledger.sender_field("back_off_count@A"))
        == (until, times)
        == (until, 2)
    )
    assert await ledger.sender_field("back_off_count@B") == 0


@pytest.mark.parametrize("back_offs_s", [(30.0, 8.0), (8.0, 30.0)])
async def test_when_both_providers_back_off_workers_wait_for_the_provider_that_is_free_sooner(
    ledger: Ledger, back_offs_s: tuple[float, float]
) -> None:
    lease = await _lease(ledger)
    await _fail(ledger, lease, A, AWAY._replace(at_least_s=back_offs_s[A]))
    await _fail(ledger, lease, B, AWAY._replace(at_least_s=back_offs_s[B]))
    opened = await ledger.open_block(lease)
    assert isinstance(opened, Wait)
    assert opened.reason == "backing_off"
    assert opened.seconds == pytest.approx(8, abs=0.5)
    reason = "provider A is backing off: connection refused; provider B is backing off: connection refused"
    assert (await ledger.view()).reason == reason
    await ledger.end_back_off("B")
    assert (await ledger.open(lease)).chain_index == B


async def test_when_a_provider_is_braked_and_the_other_backs_off_workers_wait(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await _fail(ledger, lease, A, REFUSED)
    await _fail(ledger, lease, B)
    assert isinstance(await ledger.open_block(lease), Wait)


async def test_when_all_providers_are_braked_the_batch_is_released_and_nothing_is_issued_until_a_resume(
    ledger: Ledger,
) -> None:
    lease = await _lease(ledger)
    await _fail(ledger, lease, A, REFUSED)
    await _fail(ledger, lease, B, Consequence(brake=BrakeTarget.SENDER, reason="insufficient balance (6001)"))
    assert await ledger.open_block(lease) == BatchClosed("provider_braked")
    await ledger.leases.release(lease)
    assert await ledger.issue() == []
    before = await ledger.dump()
    assert await ledger.issue() == []
    assert await ledger.dump() == before
    held = (await ledger.queries.sender(SENDER)).unavailable
    assert [(one.provider, one.brake) for one in held] == [
        ("A", "authentication failure (2070)"),
        ("B", "insufficient balance (6001)"),
    ]
    await ledger.control.resume_sender(SENDER)
    assert (await ledger.open(await ledger.take())).chain_index == A


async def test_a_resume_of_the_sender_lifts_what_holds_any_of_its_providers(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await _fail(ledger, lease, A)
    await _fail(ledger, lease, B, REFUSED)
    await ledger.control.resume_sender(SENDER)
    assert (await ledger.open(lease)).chain_index == A
    assert (await ledger.queries.sender(SENDER)).unavailable == []
    assert not any(b"@" in field for field in await ledger.redis.hkeys(f"{hash_tag(SENDER)}:sender"))


async def test_a_chain_is_gone_through_to_its_end(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6, provider="A", fallbacks=["B", "C"])
    lease = await ledger.take()
    await _fail(ledger, lease, A, REFUSED)
    await _fail(ledger, lease, B)
    assert (await ledger.open(lease, max_messages=1)).chain_index == C
    assert (await ledger.view()).reason == (
        "provider A is braked: authentication failure (2070); provider B is backing off: connection refused; "
        "sending through C"
    )


async def test_a_brake_at_one_sender_leaves_the_same_provider_to_the_others(ledger: Ledger) -> None:
    other = SenderId("SHOPPY")
    lease = await _lease(ledger)
    await ledger.submit(3, campaign=OTHER, sender=other, provider="A")
    await _fail(ledger, lease, A, REFUSED)
    [ref] = await ledger.issue(other)
    assert (await ledger.open(await ledger.take(ref))).chain_index == A


async def test_a_campaign_is_braked_whichever_provider_rejects_it(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await _fail(ledger, lease, A)
    await _fail(ledger, lease, B, Consequence(brake=BrakeTarget.CAMPAIGN, reason="content id missing (7001)"))
    assert await ledger.open_block(lease) == BatchClosed("braked")
    assert (await ledger.view()).reason == "content id missing (7001)"


@pytest.mark.parametrize("brakes", [True, False])
async def test_a_campaign_whose_providers_are_all_unavailable_does_not_stop_another_with_more_of_them(
    ledger: Ledger, brakes: bool
) -> None:
    await ledger.submit(3, provider="A")
    lease = await ledger.take()
    await _fail(ledger, lease, A, REFUSED if brakes else AWAY._replace(at_least_s=30.0))
    assert isinstance(await ledger.open_block(lease), BatchClosed if brakes else Wait)
    await ledger.leases.release(lease)
    await ledger.submit(3, campaign=OTHER, provider="A", fallbacks=["B"])
    [ref] = await ledger.issue()
    assert ref.campaign == OTHER
    assert (await ledger.open(await ledger.take(ref))).chain_index == B
    before = await ledger.dump()
    assert await ledger.issue() == []
    assert await ledger.dump() == before, "a skipped campaign keeps its turn"
    await ledger.control.resume_sender(SENDER)
    assert [ref.campaign for ref in await ledger.issue()] == [CAMPAIGN]


@pytest.mark.parametrize("own_rate_per_s", [0.0, 100.0])
async def test_a_campaign_that_waits_long_for_its_providers_makes_room_for_another(
    ledger: Ledger, own_rate_per_s: float
) -> None:
    await ledger.control.configure_rate(SENDER, 1)  # two batches may be out
    await ledger.submit(300, batch_size=150, provider="A", rate_per_s=own_rate_per_s)
    refs = await ledger.issue()
    leases = [await ledger.take(ref) for ref in refs]
    await _fail(ledger, leases[0], A, AWAY._replace(at_least_s=30.0))
    assert isinstance(await ledger.open_block(leases[0]), Wait), "no other campaign waits"
    await ledger.submit(3, campaign="another2", provider="A", rate_per_s=own_rate_per_s)
    assert isinstance(await ledger.open_block(leases[0]), Wait), "the other campaign could not be sent either"
    await ledger.submit(3, campaign=OTHER, provider="A", fallbacks=["B"], rate_per_s=own_rate_per_s)
    for lease in leases:
        assert await ledger.open_block(lease) == BatchClosed("backing_off")
        await ledger.leases.release(lease)
    assert [ref.campaign for ref in await ledger.issue()] == [OTHER]
    await ledger.end_back_off("A")
    assert next(ref.campaign for ref in await ledger.issue()) == "another2"


async def test_a_campaign_that_waits_shortly_for_a_provider_keeps_its_turn(ledger: Ledger) -> None:
    await ledger.submit(6, batch_size=6, provider="A")
    lease = await ledger.take()
    await _fail(ledger, lease, A, AWAY._replace(jitter=0.5))
    await ledger.submit(3, campaign=OTHER, provider="A", fallbacks=["B"])
    assert isinstance(await ledger.open_block(lease), Wait)


async def test_many_blocked_campaigns_are_passed_over_and_have_their_turns_in_order_afterwards(ledger: Ledger) -> None:
    await ledger.control.brake_provider(SENDER, "A", "no balance")
    names = [f"heldup{number:02}" for number in range(12)]
    for name in names:
        await ledger.submit(3, campaign=name, provider="A")
    await ledger.submit(6, provider="A", fallbacks=["B"])
    assert [ref.campaign for ref in await ledger.issue()] == [CAMPAIGN, CAMPAIGN]
    await ledger.control.resume_sender(SENDER)
    assert [ref.campaign for ref in await ledger.issue()] == names


async def test_a_blocked_campaign_that_was_cancelled_or_is_over_loses_its_turn(ledger: Ledger) -> None:
    await ledger.control.brake_provider(SENDER, "A", "no balance")
    await ledger.submit(3, provider="A")
    await ledger.end_validity()
    assert await ledger.issue() == []
    assert await ledger.redis.zcard(f"{hash_tag(SENDER)}:rotation") == 0


async def test_a_blocked_campaign_whose_time_has_not_come_waits_for_its_time(ledger: Ledger) -> None:
    await ledger.control.brake_provider(SENDER, "A", "no balance")
    await ledger.submit(3, provider="A", start_at_ms=await ledger.now_ms() + 60_000)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
    await ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
    assert await ledger.issue() == []
    assert await ledger.redis.zscore(f"{hash_tag(SENDER)}:waiting", CAMPAIGN) == float(await ledger.field("start_ms"))
    assert await ledger.redis.zcard(f"{hash_tag(SENDER)}:rotation") == 0


async def test_the_same_operation_gets_the_block_of_the_same_provider_again(ledger: Ledger) -> None:
    lease = await _lease(ledger, 3)
    await ledger.control.brake_provider(SENDER, "A", "no balance")
    block = await ledger.leases.open_block(lease, max_messages=3, operation="same")
    await ledger.control.resume_sender(SENDER)
    assert await ledger.leases.open_block(lease, max_messages=3, operation="same") == block
    assert isinstance(block, Block)
    assert block.chain_index == B
