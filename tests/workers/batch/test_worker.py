"""What becomes of a batch's messages, whatever the provider says and whoever intervenes."""

import asyncio
import time
from itertools import pairwise

import httpx
import pytest
from redis.asyncio import Redis

from tests.workers.conftest import CAMPAIGN, SENDER, Arrived, House, answer, provider, refused, until
from times_dispatch.ledger.leases import BatchLeases, Lease, Opened
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.states import CampaignState
from times_dispatch.provider.client import Client
from times_dispatch.provider.failures import Failure, NotSent
from times_dispatch.provider.ids import CorrelationIds
from workers.batch import worker as batch_module
from workers.batch.capacity import Capacity
from workers.batch.push_queue import PushQueue
from workers.batch.suppression_check import OptOutCache
from workers.batch.worker import Batch


async def test_every_message_of_every_batch_is_pushed_once_and_accepted(house: House) -> None:
    await house.submit(250)
    worker = await house.send()
    view = await house.view()
    assert view.state is CampaignState.FINISHED
    assert await house.states() == "a" * 250
    assert len(set(house.gateway.ids)) == len(house.gateway.ids) == 250
    assert len(worker.ended) == 3
    assert set(worker.ended) <= {"done", "finished"}
    assert await house.leases() == 0


async def test_a_push_carries_the_number_the_rendered_text_and_the_id_of_its_row(house: House) -> None:
    await house.submit(3)
    await house.send()
    ids = CorrelationIds(b"an-id-key-of-enough-bytes")
    pushed = {(push.to, push.text, push.id) for push in house.gateway.arrived}
    assert pushed == {(f"9198{row:08}", f"Dear name {row}", ids.make(CAMPAIGN, row, 0)) for row in range(3)}


async def test_a_rejected_message_is_final_and_stops_nobody_else(house: House) -> None:
    await house.submit(5)
    house.gateway.reply = lambda push: refused(2054) if push.to.endswith("3") else None
    await house.send()
    assert await house.states() == "aaara"
    assert (await house.view()).codes == {"push:2054": 1}


async def test_what_was_not_sent_goes_out_later_with_the_same_id(house: House) -> None:
    await house.submit(1)
    house.gateway.script(NotSent(Failure.REFUSED))
    await house.send()
    first, second = house.gateway.arrived
    assert first.id == second.id
    assert second.at - first.at >= 0.5  # it backed off
    assert await house.states() == "a"
    assert (await house.view()).codes == {"retry:2": 1}


async def test_what_is_in_doubt_is_never_pushed_again_and_the_campaign_finishes(house: House) -> None:
    await house.submit(4)
    house.gateway.reply = lambda push: httpx.ReadTimeout("slow") if push.to.endswith("2") else None
    await house.send()
    assert await house.states() == "aaia"
    assert len(house.gateway.ids) == 4
    assert (await house.view()).state is CampaignState.FINISHED
    assert (await house.view()).codes["push:10"] == 1


async def test_a_throttled_sender_waits_as_long_as_the_provider_asked(house: House) -> None:
    await house.submit(1)
    house.gateway.script(answer({"error": "slow down"}, 429, **{"Retry-After": "1"}))
    await house.send()
    first, second = house.gateway.arrived
    assert 1.0 <= second.at - first.at < 3
    assert first.id == second.id
    assert await house.states() == "a"


async def test_while_the_provider_is_away_one_message_at_a_time_tries_whether_it_is_back(house: House) -> None:
    await house.submit(20)
    house.gateway.script(*[NotSent(Failure.REFUSED)] * 20)
    await house.send()
    times = [push.at for push in house.gateway.arrived]
    assert times[20] - times[19] >= 0.5
    assert await house.states() == "a" * 20
    assert len(set(house.gateway.ids)) == 20


@pytest.mark.parametrize(
    ("code", "reason"), [(7001, "DLT content id missing (7001)"), (5001, "template missing or not")]
)
async def test_a_misconfigured_campaign_brakes_itself_and_goes_out_after_a_resume(
    house: House, code: int, reason: str
) -> None:
    await house.submit(30)
    house.gateway.reply = lambda _: refused(code)
    async with house.worker(max_in_flight=5) as worker:
        await house.issue(worker)
        await worker.quiet()
        view = await house.view()
        assert (view.state, view.reason[: len(reason)]) == (CampaignState.BRAKED, reason)
        assert await house.states() == "p" * 30
        assert len(house.gateway.ids) < 30

        house.gateway.reply = lambda _: None
        await house.control.campaign(SENDER, CAMPAIGN, "resume")
        await house.issue(worker)
        await worker.quiet()
    assert await house.states() == "a" * 30


async def test_an_unknown_sender_brakes_all_its_campaigns_and_no_other_sender(house: House) -> None:
    await house.submit(3)
    await house.submit(3, campaign="diwali02", text="Hello {#var#}")
    await house.submit(3, campaign="others01", sender="OTHERS")
    house.gateway.reply = lambda push: refused(2051) if push.id.startswith("diwali") else None
    async with house.worker(rates={SENDER: 0, "OTHERS": 0}) as worker:
        await house.issue(worker)
        await house.issue(worker, SenderId("OTHERS"))
        await worker.quiet()
    assert [held.brake for held in (await house.views.sender(SENDER)).held] == ["sender id not registered (2051)"]
    assert await house.states() == await house.states(CampaignId("diwali02")) == "ppp"
    assert await house.states(CampaignId("others01")) == "aaa"
    assert (await house.view()).reason == (
        "provider times is braked: sender id not registered (2051); when that is mended: dispatch sender resume TIMESM"
    )


async def test_a_refused_account_brakes_every_sender_of_its_provider_until_it_is_resumed(house: House) -> None:
    await house.submit(3)
    await house.submit(3, campaign="others01", sender="OTHERS")
    house.gateway.reply = lambda _: refused(2070)
    async with house.worker(rates={SENDER: 0, "OTHERS": 0}) as worker:
        await house.issue(worker)
        await worker.quiet()
        (held,) = (await house.views.sender(SenderId("OTHERS"))).held
        assert (held.provider, held.brake) == ("times", "authentication failure (2070)")
        assert await house.issue(worker, SenderId("OTHERS")) == []

        house.gateway.reply = lambda _: None
        for sender in (SENDER, SenderId("OTHERS")):
            await house.control.resume_sender(sender)
            await house.issue(worker, sender)
        await worker.quiet()
    assert await house.states() == await house.states(CampaignId("others01")) == "aaa"


async def test_the_gateways_own_count_of_parts_is_compared_with_ours(house: House) -> None:
    await house.submit(3)
    house.gateway.script(answer({"state": "SUBMIT_ACCEPTED", "statusCode": 200, "transactionId": 1, "pdu": 4}))
    await house.send()
    view = await house.view()
    assert (view.stats["part_disagreements"], view.parts) == (1, 3)


async def test_a_lost_lease_starts_no_push_and_writes_nothing(house: House) -> None:
    await house.submit(6)
    house.gateway.gate.clear()
    async with house.worker(max_in_flight=2) as worker:
        (ref,) = await house.issue(worker)
        await until(lambda: house.gateway.in_flight == 2)
        await house.run_out(ref)
        assert await house.states() == "iipppp"
        zombie = house.gateway.ids.copy()
        house.gateway.gate.set()
        await worker.quiet()
    assert worker.ended == ["lease lost", "done"]  # and then the batch was handed out again
    assert await house.states() == "iiaaaa"
    assert set(house.gateway.ids[2:]).isdisjoint(zombie)
    assert len(set(house.gateway.ids)) == 6
    assert (await house.view()).codes == {"push:13": 2}


async def test_a_worker_learns_at_the_next_renewal_that_its_lease_has_gone(house: House) -> None:
    await house.submit(6)
    house.gateway.gate.clear()
    async with house.worker(max_in_flight=2, lease_s=1) as worker:
        (ref,) = await house.issue(worker)
        await until(lambda: house.gateway.in_flight == 2)
        await house.control.campaign(SENDER, CAMPAIGN, "pause")
        await house.run_out(ref)
        (batch,) = worker.dispatcher._batches
        await until(lambda: batch._lost, within_s=2)
        house.gateway.gate.set()
        await worker.quiet()
    assert worker.ended == ["lease lost"]
    assert await house.states() == "iipppp"


async def test_a_lease_is_renewed_as_long_as_a_push_takes_and_the_work_goes_on_after_it(house: House) -> None:
    await house.submit(2)
    house.gateway.gate.clear()
    async with house.worker(lease_s=1, max_in_flight=1) as worker:
        await house.issue(worker)
        until_s = time.monotonic() + 1.2
        while time.monotonic() < until_s:
            assert (await house.repair.expire_leases(SENDER)).reclaimed == 0
            await asyncio.sleep(0.02)
        house.gateway.gate.set()
        await worker.quiet()
    assert await house.states() == "aa"


async def test_no_push_starts_after_the_deadline_of_the_lease_on_the_workers_own_clock(house: House) -> None:
    await house.submit(5)
    batch = await _batch(house, lease_deadline=time.monotonic() - 0.001)
    run = asyncio.create_task(batch.run())
    await asyncio.sleep(0.25)  # time in which it must do nothing
    assert house.gateway.ids == []
    assert await house.states() == "ppppp"
    batch.lease_deadline = time.monotonic() + 15  # renewed after all
    await run
    assert await house.states() == "aaaaa"


async def test_a_worker_frozen_between_opening_and_pushing_gives_back_what_it_did_not_begin(house: House) -> None:
    await house.submit(5)
    batch = await _batch(house, lease_deadline=time.monotonic() + 0.3)

    def freeze(_: Arrived) -> None:
        batch.lease_deadline = time.monotonic()

    house.gateway.reply = freeze
    run = asyncio.create_task(batch.run())
    await until(lambda: batch.verdicts["never_begun"] > 0)
    begun = len(house.gateway.ids)
    await until(lambda: _are(house, "a" * begun + "p" * (5 - begun)))
    assert begun < 5
    batch.stop(grace_s=1)
    await run
    assert await house.states() == "a" * begun + "p" * (5 - begun)


async def test_a_block_whose_answer_took_too_long_is_given_back_and_opened_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_module, "_START_WITHIN_S", 0.1)
    await house.submit(5)
    work = SlowOnce(house.redis, answer_takes_s=0.15)
    batch = await _batch(house, work=work)
    await batch.run()
    assert batch.verdicts == {"never_begun": 5, "accepted": 5}
    assert min(push.at for push in house.gateway.arrived) >= work.answered_at
    assert await house.states() == "aaaaa"


async def test_a_pause_acts_within_the_time_of_a_block_and_a_resume_goes_on_where_it_stopped(house: House) -> None:
    await house.submit(60)
    async with house.worker(rates={SENDER: 100}) as worker:
        await house.issue(worker)
        await until(lambda: len(house.gateway.ids) >= 20)
        await house.control.campaign(SENDER, CAMPAIGN, "pause")
        paused_at = time.monotonic()
        await worker.quiet()
        assert worker.ended == ["paused"]
        sent = len(house.gateway.ids)
        assert sent < 60
        assert house.gateway.arrived[-1].at <= paused_at + 0.75
        assert sorted(await house.states()) == ["a"] * sent + ["p"] * (60 - sent)

        await house.control.campaign(SENDER, CAMPAIGN, "resume")
        await house.issue(worker)
        await worker.quiet()
    assert await house.states() == "a" * 60
    assert len(set(house.gateway.ids)) == len(house.gateway.ids) == 60


async def test_pushes_of_a_paced_sender_start_at_their_slots(house: House) -> None:
    await house.submit(40)
    await house.send(rates={SENDER: 100})
    late_ms, steps_ms = await _pace(house)
    assert min(late_ms) > -5  # none before its slot; both clocks are read in milliseconds
    assert sorted(late_ms)[20] < 100
    assert sum(steps_ms) >= 39 * 10 - 15


async def test_parts_take_their_time_when_the_rate_counts_them(house: House) -> None:
    await house.submit(20, parts=4, cost_unit="parts")
    await house.send(rates={SENDER: 200})
    late_ms, steps_ms = await _pace(house)
    assert min(late_ms) > -5
    assert sum(steps_ms) >= 19 * 20 - 15
    assert await house.states() == "a" * 20


async def test_the_next_batches_are_issued_when_nothing_is_left_to_open_and_not_when_all_is_answered(
    house: House,
) -> None:
    await house.submit(20, batch_size=1)
    house.gateway.gate.clear()
    async with house.worker() as worker:
        assert len(await house.issue(worker)) == 16
        await until(lambda: house.gateway.in_flight == 20)
        assert {ring.ref.number for ring in house.rung} == set(range(16, 20))
        house.gateway.gate.set()
        await worker.quiet()
    assert (await house.view()).state is CampaignState.FINISHED


async def test_what_comes_back_while_others_are_in_flight_is_sent_without_waiting_for_them(house: House) -> None:
    await house.submit(2)
    async with house.worker() as worker:
        house.gateway.gate.clear()
        house.gateway.held = lambda push: push.to.endswith("0")
        house.gateway.script(NotSent(Failure.POOL_TIMEOUT))
        await house.issue(worker)
        await until(lambda: sum(push.to.endswith("1") for push in house.gateway.arrived) == 2)
        assert house.gateway.in_flight == 1
        house.gateway.gate.set()
        await worker.quiet()
    assert await house.states() == "aa"


async def test_two_bells_for_one_batch_send_it_once(house: House) -> None:
    await house.submit(50)
    async with house.worker() as worker:
        refs = await house.issue()
        worker.ring(refs * 3)
        await worker.quiet()
    assert sorted(worker.ended) == ["done", "nothing owed", "nothing owed"]
    assert len(house.gateway.ids) == 50


async def test_a_bell_for_a_campaign_that_nobody_knows_is_nothing_owed(house: House) -> None:
    async with house.worker() as worker:
        worker.ring([BatchRef(SENDER, CAMPAIGN, 0)])
        await worker.quiet()
    assert worker.ended == ["nothing owed"]


class SlowOnce(BatchLeases):
    """A ledger whose first answer takes a while on its way."""

    def __init__(self, redis: Redis, *, answer_takes_s: float) -> None:
        super().__init__(redis)
        self.asked = 0
        self.answered_at = 0.0
        self._takes_s = answer_takes_s

    async def open_block(self, lease: Lease, *, max_messages: int, operation: str) -> Opened:
        self.asked += 1
        opened = await super().open_block(lease, max_messages=max_messages, operation=operation)
        if self.asked == 1:
            await asyncio.sleep(self._takes_s)
            self.answered_at = time.monotonic()
        return opened


async def _are(house: House, states: str) -> bool:
    return await house.states() == states


async def _redis_ahead_ms(house: House) -> tuple[float, float]:
    """How long the answer took, and by how many milliseconds Redis' clock is ahead of ours."""
    asked_at = time.monotonic()
    seconds, microseconds = await house.redis.time()
    answered_at = time.monotonic()
    ahead_s = int(seconds) + int(microseconds) / 1e6 - (asked_at + answered_at) / 2
    return answered_at - asked_at, ahead_s * 1000


async def _pace(house: House) -> tuple[list[float], list[int]]:
    """By how many milliseconds each push came after its slot, and what lay between the slots."""
    # By the fastest of some answers, which says best when Redis read its clock.
    _, ahead_ms = min([await _redis_ahead_ms(house) for _ in range(20)])
    created_ms = (await house.view()).created_ms
    let_go = {f"9198{message.index:08}": message.record.sent_ms for message in await house.messages()}
    late = [push.at * 1000 + ahead_ms - created_ms - let_go[push.to] for push in house.gateway.arrived]
    return late, [after - before for before, after in pairwise(sorted(let_go.values()))]


async def _batch(house: House, *, lease_deadline: float = float("inf"), work: BatchLeases | None = None) -> Batch:
    """The next batch that is owed, taken, and not yet run."""
    (ref,) = await house.issue()
    lease = await house.work.take(ref)
    assert lease

    async def nothing(*_: object) -> None:
        pass

    return Batch(
        lease,
        await house.work.plan(ref.sender, ref.campaign),
        work=work or house.work,
        clients={"times": Client(provider(), house.gateway)},
        ids=CorrelationIds(b"an-id-key-of-enough-bytes"),
        capacity=Capacity(10),
        pushers=PushQueue(10),
        turnstile=asyncio.Lock(),
        screen=OptOutCache(house.redis),
        lease_deadline=lease_deadline,
        on_drained=nothing,
        on_provider_brake=nothing,
    )
