"""Finishes all campaigns at the end of a random sequence of steps, to check that no message is lost."""

from tests.kit.ledger import SENDER, Ledger
from tests.kit.ledger_machine.clock import MachineClock
from times_dispatch.ledger.keys import SenderKey, sender_key, split_batch_member
from times_dispatch.ledger.model import BatchRef
from times_dispatch.ledger.openings import Block, Wait
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.scripts import text

PAUSE_US = 61_000_000
"""Longer than any wait after which a campaign or batch gets its next turn, in microseconds."""
MAX_ROUNDS = 5
MAX_OPENINGS = 2_000


async def finish_all(ledger: Ledger, clock: MachineClock) -> None:
    """Lift all limits and stops, send the remaining messages, and fail unless every campaign ends."""
    await ledger.assert_counters_add_up()
    await ledger.control.resume_sender(SENDER)
    await ledger.control.configure_daily_cap(SENDER, 0)
    for view in await ledger.queries.campaigns():
        await ledger.control.set_budget(SENDER, view.id, 0)
        await ledger.control.campaign(SENDER, view.id, ControlAction.RESUME)
    members = await ledger.redis.zrange(sender_key(SENDER, SenderKey.LEASES), 0, -1)
    batches = [split_batch_member(text(member)) for member in members]
    await ledger.expire_leases(*(BatchRef(SENDER, campaign, int(number)) for campaign, number in batches))
    for ready in (await ledger.maintenance.expire_leases(SENDER)).ready:
        if lease := await ledger.leases.take(ready.ref):
            await ledger.leases.release(lease)
    for _ in range(MAX_ROUNDS):
        await _pass(ledger, clock, PAUSE_US)
        await ledger.maintenance.end_pending(SENDER)
        for closed in await ledger.maintenance.closed_send_windows(SENDER):
            window = {"opens_ms": closed.now_ms, "closes_ms": closed.now_ms + 3_600_000}
            await ledger.maintenance.set_send_window(SENDER, closed.campaign, **window)
        await _send_all(ledger, clock)
        await ledger.maintenance.end_pending(SENDER)
    for view in await ledger.queries.campaigns():
        if view.plan.retry:  # a campaign with second tries waits for its reports
            await ledger.end_validity(view.id)
            await ledger.maintenance.end_pending(SENDER)
    for view in await ledger.queries.campaigns():
        assert view.unsent == 0, f"{view.id} is {view.state}, but {view.unsent} of its messages are not sent"
        assert view.state in {"finished", "cancelled"}
    await ledger.assert_counters_add_up()


async def _send_all(ledger: Ledger, clock: MachineClock) -> None:
    openings = 0
    while refs := await ledger.issue():
        for ref in refs:
            openings += 1
            assert openings < MAX_OPENINGS, "the campaigns do not end"
            lease = await ledger.take(ref)
            while isinstance(opened := await ledger.open_block(lease), Block | Wait):
                openings += 1
                assert openings < MAX_OPENINGS, "the campaigns do not end"
                if isinstance(opened, Wait):
                    await _pass(ledger, clock, int(opened.seconds * 1e6))
                else:
                    await ledger.record(lease, opened, b"a")
            await ledger.leases.release(lease)


async def _pass(ledger: Ledger, clock: MachineClock, microseconds: int) -> None:
    clock.now_us += microseconds
    await clock.write(ledger.redis)
