"""The order of work: small campaigns beside large ones, urgent ones first, and batches after a death or an error."""

import asyncio
import time
from collections import Counter

import pytest

from tests.kit.fake_provider import Arrived
from tests.kit.waiting import eventually
from tests.kit.workers import CAMPAIGN, SENDER, Worker, WorkerRig
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.maintenance import Maintenance
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.states import CampaignState, MessageState
from workers.batch.batch_run import BatchEnd

pytestmark = pytest.mark.slow

HUGE, SMALL, URGENT = CampaignId("huge0001"), CampaignId("small001"), CampaignId("urgent01")
OTP = SenderId("TIMOTP")
OTHER_TEXT = "Your code is {#var#}"
"""The numbers are those of the large campaign, and the same text would not be sent again."""


def _pushes_of(rig: WorkerRig, campaign: CampaignId) -> list[Arrived]:
    return [push for push in rig.provider.arrived if push.id.startswith(campaign)]


def _before_first(rig: WorkerRig, campaign: CampaignId, *, of: CampaignId) -> int:
    """Return how many pushes of another campaign came before the first of a campaign."""
    ids = [push.id for push in rig.provider.arrived]
    first = next(index for index, one in enumerate(ids) if one.startswith(campaign))
    return sum(one.startswith(of) for one in ids[:first])


@pytest.mark.parametrize("rate_per_s", [10.0, 50.0, 1_000.0])
async def test_a_small_campaign_is_begun_within_five_seconds_behind_a_huge_one(
    rig: WorkerRig, rate_per_s: float
) -> None:
    await rig.submit(12_000, batch_size=1_000, campaign=HUGE)
    async with rig.worker(rates={SENDER: rate_per_s}) as worker:
        await rig.issue(worker)
        await eventually(lambda: _pushes_of(rig, HUGE))
        await rig.submit(3, campaign=SMALL, text=OTHER_TEXT)
        huge_before = len(_pushes_of(rig, HUGE))
        await rig.issue(worker)
        await eventually(lambda: _pushes_of(rig, SMALL))
        # The limit is five seconds by the sender's own rate, which no delay of the machine shortens.
        assert _before_first(rig, SMALL, of=HUGE) - huge_before <= 5 * rate_per_s
    assert await rig.count(MessageState.IN_DOUBT, HUGE) == 0


async def test_urgent_work_begins_at_once_in_a_worker_full_of_slow_bulk(rig: WorkerRig) -> None:
    slow = ("SLOWAA", "SLOWBB", "SLOWCC")
    async with rig.worker(rates={**dict.fromkeys(slow, 5.0), OTP: 0.0}, max_batches=4) as worker:
        for sender in slow:
            await rig.submit(180, batch_size=60, campaign=f"{sender.lower()}01", sender=sender)
            await rig.issue(worker, SenderId(sender))
        await eventually(worker.dispatcher.is_full)
        assert not worker.dispatcher.is_full(is_urgent=True)
        await rig.submit(1, campaign=URGENT, sender=OTP, urgent=True)
        bulk_before = len(rig.provider.arrived)
        await rig.issue(worker, OTP)
        await eventually(lambda: _pushes_of(rig, URGENT))
        # The bulk campaigns need 12 s more at 15/s together; half a second of them would be 8 messages.
        assert [push.id.startswith(URGENT) for push in rig.provider.arrived].index(True) - bulk_before <= 30


async def test_urgent_work_is_pushed_while_the_provider_answers_nothing_to_bulk(rig: WorkerRig) -> None:
    rig.provider.may_answer.clear()
    rig.provider.is_held = lambda push: not push.id.startswith(URGENT)
    await rig.submit(400, campaign=HUGE)
    async with rig.worker(rates={SENDER: 0.0, OTP: 0.0}, max_in_flight=50) as worker:
        await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight == 49)  # one permit is kept free
        await rig.submit(5, campaign=URGENT, sender=OTP, urgent=True)
        await rig.issue(worker, OTP)
        await eventually(lambda: rig.count(MessageState.ACCEPTED, URGENT))
        await eventually(lambda: len(_pushes_of(rig, URGENT)) == 5)
        rig.provider.may_answer.set()
        await worker.quiet()
    assert await rig.states(HUGE) == "a" * 400


async def test_a_lowered_rate_frees_the_places_of_batches_for_other_senders(rig: WorkerRig) -> None:
    rig.provider.may_answer.clear()
    await rig.submit(1_600, campaign=HUGE)
    async with rig.worker(rates={SENDER: 0.0, OTP: 0.0}, max_batches=8, max_in_flight=80) as worker:
        await rig.issue(worker)
        await eventually(worker.dispatcher.is_full)
        await eventually(lambda: rig.provider.in_flight >= 70)
        await rig.control.set_rate(SENDER, 5.0)
        rig.provider.may_answer.set()
        await rig.submit(1, campaign=SMALL, sender=OTP, text=OTHER_TEXT)
        huge_before = len(_pushes_of(rig, HUGE))
        await rig.issue(worker, OTP)
        await eventually(lambda: _pushes_of(rig, SMALL))
        assert _before_first(rig, SMALL, of=HUGE) - huge_before <= 9 * 5  # of 1,500 at 5/s


async def test_an_urgent_campaign_goes_before_bulk_of_the_same_sender(rig: WorkerRig) -> None:
    await rig.submit(200, campaign=HUGE)
    async with rig.worker(rates={SENDER: 20.0}) as worker:
        await rig.issue(worker)
        await eventually(lambda: len(_pushes_of(rig, HUGE)) >= 5)
        await rig.submit(10, campaign=URGENT, urgent=True, text=OTHER_TEXT)
        bulk_before = len(_pushes_of(rig, HUGE))
        await rig.issue(worker)
        await eventually(lambda: len(_pushes_of(rig, URGENT)) == 10)
        assert len(_pushes_of(rig, HUGE)) - bulk_before <= 20  # at most a block of one second, of 190 messages


async def _upkeep(
    rig: WorkerRig, maintenance: Maintenance, workers: list[Worker], woken_for: Counter[CampaignId]
) -> None:
    """Wake the workers that live, once for each fifth of a lease, and count the wake-ups of each campaign."""
    while True:
        for sender in (SENDER, OTP):
            ready = [*(await maintenance.expire_leases(sender)).ready, *(await rig.leases.issue(sender))]
            workers[0].wake_for(ready)
            woken_for.update(batch.ref.campaign for batch in ready)
        await asyncio.sleep(0.2)


async def test_a_batch_that_a_full_worker_could_not_begin_is_begun_elsewhere_one_lease_after_the_worker_died(
    rig: WorkerRig,
) -> None:
    maintenance = Maintenance(rig.redis, lease_s=1.0)
    rig.leases = BatchLeases(rig.redis, lease_s=1.0)
    await rig.submit(100, campaign="busy0001")
    options = {"rates": {SENDER: 2.0, OTP: 0.0}, "lease_s": 1.0}
    async with rig.worker(max_batches=1, **options) as dying, rig.worker(**options) as other:  # type: ignore[arg-type]
        workers, woken_for = [dying], Counter[CampaignId]()
        upkeep = asyncio.create_task(_upkeep(rig, maintenance, workers, woken_for))
        await eventually(lambda: rig.provider.ids)
        await rig.submit(1, campaign="waiting1", sender=OTP)
        await eventually(lambda: dying.dispatcher._waiting.count(is_urgent=False))
        await eventually(lambda: woken_for[CampaignId("waiting1")] >= 3)  # the full worker is woken
        dying.dispatcher._waiting.take_all()
        workers[:] = [other]
        woken_before = woken_for[CampaignId("waiting1")]
        await eventually(lambda: _pushes_of(rig, CampaignId("waiting1")))
        upkeep.cancel()
        # Workers are woken once for each lease; a second time only if the machine delays the other worker by a lease.
        assert woken_for[CampaignId("waiting1")] - woken_before <= 2


async def test_a_batch_that_waits_in_a_full_worker_is_begun_by_another_after_two_seconds(rig: WorkerRig) -> None:
    await rig.submit(100, campaign="busy0001")
    options = {"rates": {SENDER: 2.0, OTP: 0.0}}
    async with rig.worker(max_batches=1, **options) as full, rig.worker(**options) as other:  # type: ignore[arg-type]
        await rig.issue(full)
        await eventually(lambda: rig.provider.ids)
        await rig.submit(1, campaign="waiting1", sender=OTP)
        began = time.monotonic()
        full.wake_for(await rig.leases.issue(OTP))
        await eventually(lambda: full.dispatcher._waiting.count(is_urgent=False))
        full.wake_for = other.wake_for  # type: ignore[method-assign]  # all read the same queue
        await eventually(lambda: _pushes_of(rig, CampaignId("waiting1")))
        assert 1.5 < time.monotonic() - began < 25  # the full worker is full for 50 s


async def test_a_worker_reads_no_bulk_when_its_places_are_taken_and_nothing_ends(rig: WorkerRig) -> None:
    rig.provider.may_answer.clear()
    await rig.submit(3, batch_size=1)
    async with rig.worker(max_batches=3, max_in_flight=10) as worker:
        await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight == 2)
        assert worker.dispatcher.is_full()
        assert not worker.dispatcher.is_full(is_urgent=True)
        rig.provider.may_answer.set()
        await eventually(lambda: rig.count(MessageState.ACCEPTED))
        await eventually(lambda: not worker.dispatcher.is_full())
        await worker.quiet()


async def test_a_batch_on_which_one_worker_fails_is_sent_by_another(
    rig: WorkerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.submit(3)
    async with rig.worker(name="broken") as broken, rig.worker(name="sound") as sound:

        async def opted_out(_: object) -> list[bool]:
            raise KeyError

        monkeypatch.setattr(broken.dispatcher._context.opt_out_cache, "opted_out", opted_out)
        await rig.issue(broken)
        await broken.quiet()
        assert broken.ended == [BatchEnd.FAILED]
        assert (await rig.view()).state is CampaignState.RUNNING
        assert await rig.states() == "ppp"
        async with asyncio.timeout(120):
            while not sound.ended:
                await rig.keep_up(sound)
                await asyncio.sleep(0.005)
                await sound.quiet()
        assert sound.ended == [BatchEnd.DONE]
    assert await rig.states(CAMPAIGN) == "aaa"
    assert len(set(rig.provider.ids)) == len(rig.provider.ids) == 3
