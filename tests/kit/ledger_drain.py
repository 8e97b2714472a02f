"""Finishes all campaigns of a random sequence: whatever was done before, no message may be lost."""

from tests.kit.ledger import SENDER, Ledger
from tests.kit.ledger_model import Model
from times_dispatch.ledger.model import BatchRef, CampaignId
from times_dispatch.ledger.openings import Block
from times_dispatch.ledger.protocol import ControlAction


async def finish_all(ledger: Ledger, model: Model) -> None:
    """Lift all holds, send the remaining messages, and fail unless every campaign ends with balanced counters."""
    await ledger.assert_counters_add_up()
    await ledger.control.resume_sender(SENDER)
    now_ms = await ledger.now_ms()
    for name, campaign in model.campaigns.items():
        if campaign.max_parts:
            await ledger.control.set_budget(SENDER, CampaignId(name), 1_000_000)
        if campaign.shut:
            window = {"opens_ms": now_ms - 1_000, "closes_ms": now_ms + 3_600_000}
            await ledger.maintenance.set_send_window(SENDER, CampaignId(name), **window)
        await ledger.control.campaign(SENDER, CampaignId(name), ControlAction.RESUME)
    await ledger.expire_leases(*(BatchRef(SENDER, CampaignId(name), number) for name, number in model.out))
    for ready in (await ledger.maintenance.expire_leases(SENDER)).ready:
        if lease := await ledger.leases.take(ready.ref):
            await ledger.leases.release(lease)
    await ledger.maintenance.end_pending(SENDER)
    while refs := await ledger.issue():
        for ref in refs:
            lease = await ledger.take(ref)
            while isinstance(block := await ledger.open_block(lease), Block):
                await ledger.record(lease, block, b"a")
            await ledger.leases.release(lease)
    await ledger.maintenance.end_pending(SENDER)
    for view in await ledger.queries.campaigns():
        assert view.unsent == 0
        assert view.state in {"finished", "cancelled"}
    await ledger.assert_counters_add_up()
