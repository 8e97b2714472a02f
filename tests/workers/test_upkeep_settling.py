"""Upkeep settles overdue messages only when all stored reports are applied."""

from collections.abc import Sequence

from redis.asyncio import Redis
from structlog.testing import capture_logs

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.keys import RECONCILERS, REPORTS
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.ready_batches import BatchReady
from workers.upkeep import Upkeep


async def _wake_workers(_: Sequence[BatchReady]) -> None:
    pass


async def _show(_: list[CampaignView]) -> bool:
    return True


async def test_messages_whose_reports_wait_in_the_stream_are_not_sent_again(redis: Redis) -> None:
    ledger = Ledger(redis)
    upkeep = Upkeep(redis, lease_s=15, wake_workers=_wake_workers, update_flower=_show)
    await ledger.submit(3, in_doubt="resend")
    await ledger.send_all(b"i")
    await ledger.end_validity()
    stored = await redis.xadd(REPORTS, {"b": b"[]"})
    with capture_logs() as lines:
        for _ in range(3):
            await upkeep.round()
        assert await ledger.states() == "iii"
        await ledger.report("delivered")
        await redis.xdel(REPORTS, stored)
        await redis.xgroup_create(REPORTS, RECONCILERS, id="0", mkstream=True)
        await redis.xgroup_createconsumer(REPORTS, RECONCILERS, "one")
        await upkeep.round()
    assert await ledger.states() == "dpp"
    words = ("no message is settled before all reports are applied", "all reports are applied")
    assert len([line for line in lines if line["event"].startswith(words)]) == 2


async def test_with_callbacks_and_without_a_reconciler_nothing_is_settled(redis: Redis) -> None:
    ledger = Ledger(redis)
    upkeep = Upkeep(redis, lease_s=15, wake_workers=_wake_workers, update_flower=_show)
    await redis.xgroup_create(REPORTS, RECONCILERS, id="0", mkstream=True)
    await ledger.submit(3, campaign=CAMPAIGN)
    await ledger.send_all(b"aia")
    await ledger.end_report_wait()
    await ledger.end_validity()
    await upkeep.round()
    assert await ledger.states() == "aia"
    await redis.xgroup_createconsumer(REPORTS, RECONCILERS, "one")
    await upkeep.round()
    assert await ledger.states() == "ngn"
    assert (await ledger.queries.sender(SENDER)).paused is False
