"""The results of a batch's messages, for all answers of a provider and all actions of people."""

import asyncio
import time
from itertools import pairwise
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.kit.clock import FakeClock
from tests.kit.fake_provider import Arrived, answer, refused
from tests.kit.waiting import eventually
from tests.kit.workers import CAMPAIGN, SENDER, WorkerRig
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.leases import BatchLeases, Lease
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.openings import Opened
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.states import CampaignState
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.push_errors import NotSent
from workers.batch.batch_run import BatchEnd


async def test_every_message_of_every_batch_is_pushed_once_and_accepted(rig: WorkerRig) -> None:
    await rig.submit(250)
    worker = await rig.send()
    view = await rig.view()
    assert view.state is CampaignState.FINISHED
    assert await rig.states() == "a" * 250
    assert len(set(rig.provider.ids)) == len(rig.provider.ids) == 250
    assert len(worker.ended) == 3
    assert set(worker.ended) <= {BatchEnd.DONE, CampaignState.FINISHED}
    assert await rig.lease_count() == 0


async def test_a_push_carries_the_number_the_rendered_text_and_the_id_of_its_row(rig: WorkerRig) -> None:
    await rig.submit(3)
    await rig.send()
    ids = CorrelationIds(b"an-id-key-of-enough-bytes")
    pushed = {(push.to, push.text, push.id) for push in rig.provider.arrived}
    assert pushed == {(f"9198{row:08}", f"Dear name {row}", ids.make(CAMPAIGN, row, 0)) for row in range(3)}


async def test_a_rejected_message_is_final_and_stops_nobody_else(rig: WorkerRig) -> None:
    await rig.submit(5)
    rig.provider.reply = lambda push: refused(2054) if push.to.endswith("3") else None
    await rig.send()
    assert await rig.states() == "aaara"
    assert (await rig.view()).codes == {"push:2054": 1}


async def test_messages_that_were_not_sent_are_sent_later_with_the_same_id(rig: WorkerRig) -> None:
    await rig.submit(1)
    rig.provider.script(NotSent(Failure.REFUSED))
    await rig.send()
    first, second = rig.provider.arrived
    assert first.id == second.id
    assert second.at - first.at >= 0.5  # the sender backed off
    assert await rig.states() == "a"
    assert (await rig.view()).codes == {"retry:2": 1}


async def test_messages_in_doubt_are_never_pushed_again_and_the_campaign_finishes(rig: WorkerRig) -> None:
    await rig.submit(4)
    rig.provider.reply = lambda push: httpx.ReadTimeout("slow") if push.to.endswith("2") else None
    await rig.send()
    assert await rig.states() == "aaia"
    assert len(rig.provider.ids) == 4
    assert (await rig.view()).state is CampaignState.FINISHED
    assert (await rig.view()).codes["push:10"] == 1


async def test_a_throttled_sender_waits_as_long_as_the_provider_asked(rig: WorkerRig) -> None:
    await rig.submit(1)
    rig.provider.script(answer({"error": "slow down"}, 429, **{"Retry-After": "1"}))
    await rig.send()
    first, second = rig.provider.arrived
    assert 1.0 <= second.at - first.at < 10
    assert first.id == second.id
    assert await rig.states() == "a"


async def test_while_the_provider_is_away_one_message_at_a_time_tries_whether_it_is_back(rig: WorkerRig) -> None:
    await rig.submit(20)
    rig.provider.script(*[NotSent(Failure.REFUSED)] * 20)
    await rig.send()
    times = [push.at for push in rig.provider.arrived]
    assert times[20] - times[19] >= 0.5
    assert await rig.states() == "a" * 20
    assert len(set(rig.provider.ids)) == 20


@pytest.mark.parametrize(
    ("code", "reason"), [(7001, "DLT content id missing (7001)"), (5001, "template missing or not")]
)
async def test_a_misconfigured_campaign_brakes_itself_and_goes_out_after_a_resume(
    rig: WorkerRig, code: int, reason: str
) -> None:
    await rig.submit(30)
    rig.provider.reply = lambda _: refused(code)
    async with rig.worker(max_in_flight=5) as worker:
        await rig.issue(worker)
        await worker.quiet()
        view = await rig.view()
        assert (view.state, view.reason[: len(reason)]) == (CampaignState.BRAKED, reason)
        assert await rig.states() == "p" * 30
        assert len(rig.provider.ids) < 30

        rig.provider.reply = lambda _: None
        await rig.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
        await rig.issue(worker)
        await worker.quiet()
    assert await rig.states() == "a" * 30


async def test_an_unknown_sender_brakes_all_its_campaigns_and_no_other_sender(rig: WorkerRig) -> None:
    await rig.submit(3)
    await rig.submit(3, campaign="diwali02", text="Hello {#var#}")
    await rig.submit(3, campaign="others01", sender="OTHERS")
    rig.provider.reply = lambda push: refused(2051) if push.id.startswith("diwali") else None
    async with rig.worker(rates={SENDER: 0, "OTHERS": 0}) as worker:
        await rig.issue(worker)
        await rig.issue(worker, SenderId("OTHERS"))
        await worker.quiet()
    assert [held.brake for held in (await rig.queries.sender(SENDER)).unavailable] == [
        "sender id not registered (2051)"
    ]
    assert await rig.states() == await rig.states(CampaignId("diwali02")) == "ppp"
    assert await rig.states(CampaignId("others01")) == "aaa"
    assert (await rig.view()).reason == (
        "provider times is braked: sender id not registered (2051); when that is fixed: dispatch sender resume TIMESM"
    )


async def test_a_refused_account_brakes_every_sender_of_its_provider_until_it_is_resumed(rig: WorkerRig) -> None:
    await rig.submit(3)
    await rig.submit(3, campaign="others01", sender="OTHERS")
    rig.provider.reply = lambda _: refused(2070)
    async with rig.worker(rates={SENDER: 0, "OTHERS": 0}) as worker:
        await rig.issue(worker)
        await worker.quiet()
        (held,) = (await rig.queries.sender(SenderId("OTHERS"))).unavailable
        assert (held.provider, held.brake) == ("times", "authentication failure (2070)")
        assert await rig.issue(worker, SenderId("OTHERS")) == []

        rig.provider.reply = lambda _: None
        for sender in (SENDER, SenderId("OTHERS")):
            await rig.control.resume_sender(sender)
            await rig.issue(worker, sender)
        await worker.quiet()
    assert await rig.states() == await rig.states(CampaignId("others01")) == "aaa"


async def test_the_gateways_own_count_of_parts_is_compared_with_ours(rig: WorkerRig) -> None:
    await rig.submit(3)
    rig.provider.script(answer({"state": "SUBMIT_ACCEPTED", "statusCode": 200, "transactionId": 1, "pdu": 4}))
    await rig.send()
    view = await rig.view()
    assert (view.stats["part_disagreements"], view.parts) == (1, 3)


async def test_a_lost_lease_starts_no_push_and_writes_nothing(rig: WorkerRig) -> None:
    await rig.submit(6)
    rig.provider.may_answer.clear()
    async with rig.worker(max_in_flight=2) as worker:
        (ref,) = await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight == 2)
        await rig.expire_leases(ref)
        assert await rig.states() == "iipppp"
        zombie = rig.provider.ids.copy()
        rig.provider.may_answer.set()
        await worker.quiet()
    assert worker.ended == [BatchEnd.LEASE_LOST, BatchEnd.DONE]  # after the lost lease, the batch was issued again
    assert await rig.states() == "iiaaaa"
    assert set(rig.provider.ids[2:]).isdisjoint(zombie)
    assert len(set(rig.provider.ids)) == 6
    assert (await rig.view()).codes == {"push:13": 2}


async def test_a_worker_learns_at_the_next_renewal_that_its_lease_has_gone(rig: WorkerRig) -> None:
    await rig.submit(6)
    rig.provider.may_answer.clear()
    async with rig.worker(max_in_flight=2, lease_s=1) as worker:
        (ref,) = await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight == 2)
        await rig.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
        await rig.expire_leases(ref)
        (batch,) = worker.dispatcher._batches
        await eventually(lambda: not batch.may_write)
        rig.provider.may_answer.set()
        await worker.quiet()
    assert worker.ended == [BatchEnd.LEASE_LOST]
    assert await rig.states() == "iipppp"


async def test_a_lease_is_renewed_as_long_as_a_push_takes_and_the_work_goes_on_after_it(rig: WorkerRig) -> None:
    await rig.submit(2)
    rig.provider.may_answer.clear()
    async with rig.worker(lease_s=5, max_in_flight=1) as worker:
        await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight)
        first_ends_ms = await _lease_ends_ms(rig)
        await eventually(lambda: _outlasts(rig, first_ends_ms + 1_200))
        assert (await rig.maintenance.expire_leases(SENDER)).reclaimed == 0
        rig.provider.may_answer.set()
        await worker.quiet()
    assert await rig.states() == "aa"


async def test_no_push_starts_after_the_deadline_of_the_lease_on_the_workers_own_clock(rig: WorkerRig) -> None:
    await rig.submit(5)
    clock = FakeClock()
    batch = await rig.batch(lease_deadline=clock.monotonic(), clock=clock)
    run = asyncio.create_task(batch.work())
    await clock.advance(10)
    assert rig.provider.ids == []
    assert await rig.states() == "ppppp"
    batch.on_lease_renewed(lease_deadline=clock.monotonic() + 15)
    async with asyncio.timeout(30):
        while not run.done():  # the clock advances between two answers of Redis
            await clock.advance(0.01)
    assert await rig.states() == "aaaaa"


async def test_a_worker_frozen_between_opening_and_pushing_returns_messages_that_it_did_not_begin(
    rig: WorkerRig,
) -> None:
    await rig.submit(5)
    batch = await rig.batch(lease_deadline=time.monotonic() + 0.3)

    def freeze(_: Arrived) -> None:
        batch.on_lease_renewed(lease_deadline=time.monotonic())

    rig.provider.reply = freeze
    run = asyncio.create_task(batch.work())
    await eventually(lambda: batch.counts.get("never_begun"))
    begun = len(rig.provider.ids)
    await eventually(lambda: _are(rig, "a" * begun + "p" * (5 - begun)))
    assert begun < 5
    batch.stop(grace_s=1)
    await run
    assert await rig.states() == "a" * begun + "p" * (5 - begun)


async def test_a_pause_acts_within_the_time_of_a_block_and_a_resume_goes_on_where_it_stopped(rig: WorkerRig) -> None:
    await rig.submit(150, batch_size=150)
    async with rig.worker(rates={SENDER: 100}) as worker:
        await rig.issue(worker)
        await eventually(lambda: len(rig.provider.ids) >= 20)
        await rig.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE)
        before = len(rig.provider.ids)
        await worker.quiet()
        assert worker.ended == [CampaignState.PAUSED]
        sent = len(rig.provider.ids)
        assert sent - before <= 75  # two blocks of 0.35 s by the sender's rate, which no delay of the machine shortens
        assert sorted(await rig.states()) == ["a"] * sent + ["p"] * (150 - sent)

        await rig.control.campaign(SENDER, CAMPAIGN, ControlAction.RESUME)
        await rig.issue(worker)
        await worker.quiet()
    assert await rig.states() == "a" * 150
    assert len(set(rig.provider.ids)) == len(rig.provider.ids) == 150


async def test_pushes_of_a_paced_sender_start_at_their_send_times(rig: WorkerRig) -> None:
    await rig.submit(40)
    await rig.send(rates={SENDER: 100})
    late_ms, steps_ms = await _pace(rig)
    assert min(late_ms) > -5  # no push before its send time; both clocks are read in milliseconds
    assert sorted(late_ms)[20] < 100
    assert sum(steps_ms) >= 39 * 10 - 15


async def test_parts_take_their_time_when_the_rate_counts_them(rig: WorkerRig) -> None:
    await rig.submit(20, parts=4, cost_unit="parts")
    await rig.send(rates={SENDER: 200})
    late_ms, steps_ms = await _pace(rig)
    assert min(late_ms) > -5
    assert sum(steps_ms) >= 19 * 20 - 15
    assert await rig.states() == "a" * 20


async def test_the_next_batches_are_issued_when_nothing_is_left_to_open_and_not_when_all_is_answered(
    rig: WorkerRig,
) -> None:
    await rig.submit(20, batch_size=1)
    rig.provider.may_answer.clear()
    async with rig.worker() as worker:
        assert len(await rig.issue(worker)) == 16
        await eventually(lambda: rig.provider.in_flight == 20)
        assert {batch.ref.number for batch in rig.woken} == set(range(16, 20))
        rig.provider.may_answer.set()
        await worker.quiet()
    assert (await rig.view()).state is CampaignState.FINISHED


async def test_messages_that_are_pending_again_are_sent_without_waiting_for_pushes_in_flight(rig: WorkerRig) -> None:
    await rig.submit(2)
    async with rig.worker() as worker:
        rig.provider.may_answer.clear()
        rig.provider.is_held = lambda push: push.to.endswith("0")
        rig.provider.script(NotSent(Failure.POOL_TIMEOUT))
        await rig.issue(worker)
        await eventually(lambda: sum(push.to.endswith("1") for push in rig.provider.arrived) == 2)
        assert rig.provider.in_flight == 1
        rig.provider.may_answer.set()
        await worker.quiet()
    assert await rig.states() == "aa"


async def test_two_wake_ups_for_one_batch_send_it_once(rig: WorkerRig) -> None:
    await rig.submit(50)
    async with rig.worker() as worker:
        refs = await rig.issue()
        worker.wake(refs * 3)
        await worker.quiet()
    assert sorted(worker.ended) == [BatchEnd.DONE, BatchEnd.NOTHING_TO_DO, BatchEnd.NOTHING_TO_DO]
    assert len(rig.provider.ids) == 50


async def test_a_wake_up_for_an_unknown_campaign_is_nothing_owed(rig: WorkerRig) -> None:
    async with rig.worker() as worker:
        worker.wake([BatchRef(SENDER, CAMPAIGN, 0)])
        await worker.quiet()
    assert worker.ended == [BatchEnd.NOTHING_TO_DO]


async def test_a_worker_that_learns_that_the_ledger_lost_a_block_pushes_nothing_twice(rig: WorkerRig) -> None:
    await rig.submit(250, batch_size=250)
    leases = Forgetful(rig.redis)
    batch = await rig.batch(leases=leases, clock=FakeClock(auto=True))  # by this clock no call to the ledger is late
    assert await batch.work() == "blocks_lost"
    await rig.send()
    assert sorted(rig.provider.ids) == sorted(set(rig.provider.ids))
    assert await rig.states() == "a" * 250


class Forgetful(BatchLeases):
    """A ledger that loses the first block as soon as it has answered, as in a power cut."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self._client = redis
        self._has_lost = False

    async def open_block(self, lease: Lease, **more: Any) -> Opened:
        on_disk: dict[Any, Any] = {key: await self._client.dump(key) for key in await self._client.keys()}
        opened = await super().open_block(lease, **more)
        if not self._has_lost:
            self._has_lost = True
            for key, dumped in on_disk.items():
                await self._client.restore(key, 0, dumped, replace=True)
        return opened


async def _are(rig: WorkerRig, states: str) -> bool:
    return await rig.states() == states


async def _lease_ends_ms(rig: WorkerRig) -> float:
    """Return when the only lease ends, by Redis' clock; 0 if there is none."""
    leases = await rig.redis.zrange(f"{hash_tag(SENDER)}:leases", 0, -1, withscores=True)
    return float(leases[0][1]) if leases else 0.0


async def _outlasts(rig: WorkerRig, ms: float) -> bool:
    return await _lease_ends_ms(rig) > ms


async def _redis_ahead_ms(rig: WorkerRig) -> tuple[float, float]:
    """Return how many seconds the answer took, and by how many milliseconds Redis' clock is ahead of ours."""
    asked_at = time.monotonic()
    seconds, microseconds = await rig.redis.time()
    answered_at = time.monotonic()
    ahead_s = int(seconds) + int(microseconds) / 1e6 - (asked_at + answered_at) / 2
    return answered_at - asked_at, ahead_s * 1000


async def _pace(rig: WorkerRig) -> tuple[list[float], list[int]]:
    """Return how late each push was after its send time, and the gaps between the send times, in milliseconds."""
    # The fastest of some answers shows most exactly when Redis read its clock.
    _, ahead_ms = min([await _redis_ahead_ms(rig) for _ in range(20)])
    created_ms = (await rig.view()).created_ms
    sent = {f"9198{message.index:08}": message.record.sent_ms for message in await rig.messages()}
    late = [push.at * 1000 + ahead_ms - created_ms - sent[push.to] for push in rig.provider.arrived]
    return late, [after - before for before, after in pairwise(sorted(sent.values()))]
