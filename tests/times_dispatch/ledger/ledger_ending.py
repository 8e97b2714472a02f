"""The end of a random sequence: whatever was done before, a ledger that is let go on loses nothing."""

from tests.times_dispatch.ledger.conftest import SENDER, Ledger
from tests.times_dispatch.ledger.ledger_model import Model
from times_dispatch.ledger.leases import Block
from times_dispatch.ledger.model import BatchRef, CampaignId


async def come_to_an_end(ledger: Ledger, model: Model) -> None:
    """Lift what holds anything up, send what is left, and fail unless every campaign ends with balanced books."""
    await ledger.balance()
    await ledger.control.resume_sender(SENDER)
    now_ms = await ledger.now_ms()
    for name, campaign in model.campaigns.items():
        if campaign.most_parts:
            await ledger.control.set_budget(SENDER, CampaignId(name), 1_000_000)
        if campaign.shut:
            hours = {"opens_ms": now_ms - 1_000, "closes_ms": now_ms + 3_600_000}
            await ledger.repair.set_next_hours(SENDER, CampaignId(name), **hours)
        await ledger.control.campaign(SENDER, CampaignId(name), "resume")
    await ledger.run_out(*(BatchRef(SENDER, CampaignId(name), number) for name, number in model.out))
    for ring in (await ledger.repair.expire_leases(SENDER)).ready:
        if lease := await ledger.work.take(ring.ref):
            await ledger.work.release(lease)
    await ledger.repair.end_pending(SENDER)
    while refs := await ledger.issue():
        for ref in refs:
            lease = await ledger.take(ref)
            while isinstance(block := await ledger.ask(lease), Block):
                await ledger.record(lease, block, b"a")
            await ledger.work.release(lease)
    await ledger.repair.end_pending(SENDER)
    for view in await ledger.views.campaigns():
        assert view.unsent == 0
        assert view.state in {"finished", "cancelled"}
    await ledger.balance()
