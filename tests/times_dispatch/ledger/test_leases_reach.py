"""The ledger with workers that reach a provider and a worker that does not."""

import pytest

from tests.kit.ledger import PROVIDER, SENDER, Ledger
from times_dispatch.ledger.keys import ProviderField, SenderKey, provider_field, sender_key
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.openings import BatchClosed, Block, Opened, new_operation
from times_dispatch.ledger.protocol import BackOffPolicy, BrakeTarget, CloseReason, PushResult
from times_dispatch.ledger.push_results import Consequence, Result

UNREACHABLE = Consequence(BackOffPolicy.IF_NONE_ANSWERED, reason="the provider's host cannot be reached")
NO_MORE = Consequence(brake=BrakeTarget.SENDER, reason="insufficient balance (6001)")
ANSWERED = f"{ProviderField.ANSWERED_US}@{PROVIDER}"


async def _push(ledger: Ledger, lease: Lease, result: PushResult, consequence: Consequence | None = None) -> None:
    block = await ledger.open(lease, 1)
    index, _ = block.messages[0]
    await ledger.leases.record(
        lease, [Result(index, block.number, result)], consequence, provider=lease_provider(block)
    )


def lease_provider(block: Block) -> str:
    return (PROVIDER, "B")[block.chain_index]


async def _open(ledger: Ledger, lease: Lease, *, lost: tuple[str, ...] = (), tried: str = "") -> Opened:
    return await ledger.leases.open_block(lease, max_messages=100, operation=new_operation(), lost=lost, tried=tried)


async def _lease(ledger: Ledger, *, fallbacks: tuple[str, ...] = ("B",)) -> Lease:
    await ledger.submit(30, fallbacks=list(fallbacks))
    return await ledger.take()


async def _age_answer(ledger: Ledger, seconds: float) -> None:
    answered_us = (await ledger.now_ms() - seconds * 1000) * 1000
    await ledger.redis.hset(
        sender_key(SENDER, SenderKey.SENDER), provider_field(ProviderField.ANSWERED_US, PROVIDER), f"{answered_us:.0f}"
    )


@pytest.mark.parametrize("result", [PushResult.ACCEPTED, PushResult.REJECTED])
async def test_an_answer_is_noted_at_most_once_a_second(ledger: Ledger, result: PushResult) -> None:
    lease = await _lease(ledger)
    assert await ledger.sender_field(ANSWERED) == 0
    await _push(ledger, lease, result)
    first = await ledger.sender_field(ANSWERED)
    assert first > 0
    await _push(ledger, lease, result)
    assert await ledger.sender_field(ANSWERED) == first
    await _age_answer(ledger, 1.1)
    await _push(ledger, lease, result)
    assert await ledger.sender_field(ANSWERED) >= first


async def test_an_answer_of_the_future_is_noted_anew(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await _age_answer(ledger, -3_600)
    await _push(ledger, lease, PushResult.ACCEPTED)
    assert await ledger.sender_field(ANSWERED) < (await ledger.now_ms() + 1) * 1000


@pytest.mark.parametrize(("answered_s_ago", "back_offs"), [(0.5, 0), (4.0, 0), (5.5, 1), (-3_600, 1), (None, 1)])
async def test_a_worker_that_may_be_cut_off_begins_a_back_off_only_if_nobody_got_an_answer_lately(
    ledger: Ledger, answered_s_ago: float | None, back_offs: int
) -> None:
    lease = await _lease(ledger)
    if answered_s_ago is not None:
        await _age_answer(ledger, answered_s_ago)
    await _push(ledger, lease, PushResult.NOT_SENT, UNREACHABLE)
    assert await ledger.sender_field(f"back_off_count@{PROVIDER}") == back_offs


async def test_a_lost_provider_is_passed_over_while_nobody_gets_an_answer(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    opened = await _open(ledger, lease, lost=(PROVIDER,))
    assert isinstance(opened, Block)
    assert opened.chain_index == 1
    assert len(opened.messages) > 1


async def test_messages_are_left_to_workers_that_get_answers_from_a_lost_provider(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await _push(ledger, lease, PushResult.ACCEPTED)
    assert await _open(ledger, lease, lost=(PROVIDER,)) == BatchClosed(CloseReason.OUT_OF_REACH)
    await _age_answer(ledger, 5.5)
    assert isinstance(await _open(ledger, lease, lost=(PROVIDER,)), Block)


async def test_a_loss_of_a_later_provider_does_not_matter_while_the_first_takes_messages(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    opened = await _open(ledger, lease, lost=("B",))
    assert isinstance(opened, Block)
    assert opened.chain_index == 0


async def test_a_batch_is_closed_if_the_only_provider_that_is_not_braked_is_lost(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await _push(ledger, lease, PushResult.NOT_SENT, NO_MORE)
    assert await _open(ledger, lease, lost=("B",)) == BatchClosed(CloseReason.OUT_OF_REACH)


async def test_a_provider_that_is_tried_gets_one_message(ledger: Ledger) -> None:
    lease = await _lease(ledger, fallbacks=())
    opened = await _open(ledger, lease, tried=PROVIDER)
    assert isinstance(opened, Block)
    assert len(opened.messages) == 1
    assert isinstance(opened := await _open(ledger, lease, tried="B"), Block)
    assert len(opened.messages) > 1
