"""Pacing by SMS parts, for senders whose rate counts parts."""

from typing import Any

import pytest

from tests.kit.ledger import SENDER, Ledger
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.openings import TOLERANCE_US, Wait


async def _lease(ledger: Ledger, sender_rate_per_s: float, *, messages: int = 500, **changes: Any) -> Lease:
    await ledger.control.configure_rate(SENDER, sender_rate_per_s)
    await ledger.submit(messages, batch_size=500, **changes)
    return await ledger.take()


async def test_parts_are_what_costs_where_parts_are_counted(ledger: Ledger) -> None:
    lease = await _lease(ledger, 100, messages=4, parts=(3, 1, 2, 1), cost_unit="parts")
    assert [index for index, _ in (await ledger.open(lease)).messages] == [0, 1, 2]
    opened = await ledger.open_block(lease)
    assert isinstance(opened, Wait)
    sent = [message.record.sent_ms for message in (await ledger.messages())[:3]]
    late_ms = TOLERANCE_US / 1000  # how far in the past the first send time may be
    assert [at - sent[0] for at in sent] == pytest.approx([0, 30 - late_ms, 40 - late_ms], abs=1)


async def test_parts_cost_nothing_where_messages_are_counted(ledger: Ledger) -> None:
    lease = await _lease(ledger, 100, messages=4, parts=(3, 1, 2, 1))
    assert len((await ledger.open(lease)).messages) == 4


async def test_parts_of_one_each_cost_as_much_as_messages(ledger: Ledger) -> None:
    lease = await _lease(ledger, 100, cost_unit="parts")
    assert len((await ledger.open(lease)).messages) == 6
