"""Back-off: results of pushes that let a sender wait for its provider, and probes that end the wait."""

import pytest

from tests.kit.ledger import PROVIDER, SENDER, Ledger
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.openings import Block, Wait
from times_dispatch.ledger.protocol import BackOffPolicy
from times_dispatch.ledger.push_results import Consequence
from times_dispatch.ledger.submission import BrakeRule

BACK_OFF = Consequence(BackOffPolicy.ALWAYS, reason="the provider is overloaded")


async def _lease(ledger: Ledger, messages: int = 6, brake: BrakeRule | None = None) -> Lease:
    await ledger.submit(messages, batch_size=messages, brake=brake)
    return await ledger.take()


async def _back_off(ledger: Ledger, lease: Lease, consequence: Consequence, result: bytes = b"p") -> float:
    """Record the result of one message with a consequence; return the seconds for which the sender backs off."""
    await ledger.record(lease, await ledger.open(lease, max_messages=1), result, consequence)
    opened = await ledger.open_block(lease, max_messages=1)
    if isinstance(opened, Block):
        await ledger.record(lease, opened, b"b")
        return 0.0
    assert isinstance(opened, Wait), opened
    return opened.seconds


async def test_a_throttled_sender_backs_off_and_longer_each_time(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    waits = []
    for _ in range(8):
        waits.append(await _back_off(ledger, lease, BACK_OFF))
        await ledger.end_back_off()
    assert waits == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60], abs=0.2)


async def test_jitter_shortens_the_backing_off(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    assert await _back_off(ledger, lease, BACK_OFF._replace(jitter=0.5)) == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("asked_s", [30.0, 90.0])
async def test_a_sender_backs_off_as_long_as_the_provider_asked(ledger: Ledger, asked_s: float) -> None:
    lease = await _lease(ledger)
    asked = BACK_OFF._replace(at_least_s=asked_s)
    assert await _back_off(ledger, lease, asked) == pytest.approx(asked_s, abs=0.2)


async def test_the_wait_that_a_provider_asks_for_counts_also_while_the_sender_backs_off(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    first, second = await ledger.open(lease, max_messages=1), await ledger.open(lease, max_messages=1)
    await ledger.record(lease, first, b"p", BACK_OFF)
    await ledger.record(lease, second, b"p", BACK_OFF._replace(at_least_s=30.0))
    opened = await ledger.open_block(lease)
    assert isinstance(opened, Wait)
    assert opened.seconds == pytest.approx(30, abs=0.2)
    assert await ledger.sender_field(f"back_off_count@{PROVIDER}") == 1


async def test_failures_during_a_back_off_do_not_lengthen_it(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    first, second = await ledger.open(lease, max_messages=1), await ledger.open(lease, max_messages=1)
    await ledger.record(lease, first, b"p", BACK_OFF)
    until = await ledger.sender_field(f"back_off_until_us@{PROVIDER}")
    await ledger.record(lease, second, b"p", BACK_OFF)
    assert (
        await ledger.sender_field(f"back_off_until_us@{PROVIDER}"),
        await ledger.sender_field(f"back_off_count@{PROVIDER}"),
    ) == (
        until,
        1,
    )


@pytest.mark.parametrize(("results", "waits"), [(b"pp", True), (b"pi", True), (b"pa", False)])
async def test_failures_among_accepted_messages_are_no_reason_to_back_off(
    ledger: Ledger, results: bytes, waits: bool
) -> None:
    lease = await _lease(ledger)
    await ledger.record(
        lease,
        await ledger.open(lease, max_messages=2),
        results,
        Consequence(BackOffPolicy.IF_NONE_ACCEPTED, reason="refused"),
    )
    assert isinstance(await ledger.open_block(lease), Wait) is waits


async def test_a_throttle_answer_among_accepted_messages_is_a_reason_to_back_off(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await ledger.record(lease, await ledger.open(lease, max_messages=2), b"ap", BACK_OFF)
    assert isinstance(await ledger.open_block(lease), Wait)


async def test_after_the_back_off_one_message_at_a_time_tries_the_provider(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await _back_off(ledger, lease, BACK_OFF)
    await ledger.end_back_off()
    assert len((await ledger.open(lease)).messages) == 1
    opened = await ledger.open_block(lease)
    assert isinstance(opened, Wait)
    assert opened.reason == "backing_off"
    assert opened.seconds == pytest.approx(1, abs=0.2)
    await ledger.end_back_off()
    assert len((await ledger.open(lease)).messages) == 1


async def test_an_accepted_probe_ends_the_backing_off(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await _back_off(ledger, lease, BACK_OFF)
    await ledger.end_back_off()
    await ledger.record(lease, await ledger.open(lease), b"a")
    assert len((await ledger.open(lease)).messages) == 5
    assert (await ledger.queries.sender(SENDER)).unavailable == []


async def test_an_answer_that_was_on_its_way_does_not_end_the_backing_off(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    first, second = await ledger.open(lease, max_messages=1), await ledger.open(lease, max_messages=1)
    await ledger.record(lease, first, b"p", BACK_OFF)
    await ledger.record(lease, second, b"a")
    assert isinstance(await ledger.open_block(lease), Wait)


async def test_a_probe_that_says_nothing_about_the_provider_leaves_the_sender_probing(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await _back_off(ledger, lease, BACK_OFF)
    await ledger.end_back_off()
    await ledger.record(lease, await ledger.open(lease), b"b")
    await ledger.end_back_off()
    assert len((await ledger.open(lease)).messages) == 1


async def test_a_resumed_sender_does_not_back_off_any_more(ledger: Ledger) -> None:
    lease = await _lease(ledger)
    await _back_off(ledger, lease, BACK_OFF)
    await ledger.control.resume_sender(SENDER)
    assert len((await ledger.open(lease)).messages) == 6


async def test_a_suppressed_message_proves_nothing_about_the_provider_and_leaves_the_probe_to_the_next(
    ledger: Ledger,
) -> None:
    lease = await _lease(ledger, 6)
    await _back_off(ledger, lease, BACK_OFF)
    await ledger.end_back_off()
    await ledger.record(lease, await ledger.open(lease), b"u")
    assert await ledger.sender_field("back_off_count@times") == 1
    assert len((await ledger.open(lease)).messages) == 1  # the block is a probe
