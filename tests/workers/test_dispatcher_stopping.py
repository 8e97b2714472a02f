"""A stopping worker begins nothing, lets pushes in flight end, and releases its other messages at once."""

import asyncio
import signal
import time

import pytest

from tests.kit.fake_provider import FakeProvider
from tests.kit.waiting import eventually, loop_turns
from tests.kit.workers import CAMPAIGN, SENDER, Worker, WorkerRig
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.states import MessageState
from workers.batch.batch_run import BatchEnd


async def _stopped(worker: Worker) -> float:
    """Stop a worker; return how many seconds that took."""
    began = time.monotonic()
    await worker.dispatcher.stop()
    return time.monotonic() - began


async def test_pushes_in_flight_end_and_the_rest_is_another_workers_at_once(rig: WorkerRig) -> None:
    await rig.submit(10)
    rig.provider.may_answer.clear()
    async with rig.worker(max_in_flight=3, grace_s=5) as first, rig.worker() as second:
        await rig.issue(first)
        await eventually(lambda: rig.provider.in_flight == 3)
        stopping = asyncio.create_task(first.dispatcher.stop())
        for _ in range(200):  # a worker that may begin a push begins it after a few calls
            await rig.redis.ping()
        assert len(rig.provider.ids) == 3
        rig.provider.may_answer.set()
        await stopping
        assert await rig.states() == "aaappppppp"
        assert await rig.lease_count() == 0

        await rig.issue(second)
        await second.quiet()
    assert (first.ended, second.ended) == ([BatchEnd.STOPPING], [BatchEnd.DONE])
    assert await rig.states() == "a" * 10
    assert len(set(rig.provider.ids)) == len(rig.provider.ids) == 10


async def test_pushes_in_flight_after_the_grace_are_cut_short_and_in_doubt(rig: WorkerRig) -> None:
    await rig.submit(10)
    rig.provider.may_answer.clear()
    async with rig.worker(max_in_flight=3, grace_s=0.2) as worker:
        await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight == 3)
        assert 0.2 <= await _stopped(worker) < 10
        assert rig.provider.in_flight == 0
        assert await rig.states() == "iiippppppp"
        assert (await rig.view()).codes == {"push:13": 3}
        assert await rig.lease_count() == 0


async def test_without_any_grace_everything_is_still_accounted_for(rig: WorkerRig) -> None:
    await rig.submit(400)
    rig.provider.may_answer.clear()
    async with rig.worker(grace_s=0) as worker:
        await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight >= 1)
        await _stopped(worker)
    assert await rig.lease_count() == 0
    pushed = set(rig.provider.ids)
    assert await rig.count(MessageState.IN_DOUBT) == len(pushed)
    assert await rig.count(MessageState.SENDING) == 0


async def test_a_batch_that_waits_for_room_is_released_without_waiting_for_the_pushes_of_others(
    rig: WorkerRig,
) -> None:
    await rig.submit(1, campaign="holder01")
    rig.provider.may_answer.clear()
    async with rig.worker(rates={SENDER: 0, "OTHERS": 0}, max_in_flight=1, grace_s=60) as worker:
        await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight == 1)
        await rig.submit(3, campaign="waiting1", sender="OTHERS")
        await rig.issue(worker, SenderId("OTHERS"))
        await eventually(lambda: len(worker.dispatcher._batches) == 2)
        stopping = asyncio.create_task(worker.dispatcher.stop())
        await eventually(lambda: worker.ended == [BatchEnd.STOPPING], within_s=30)
        assert await rig.lease_count(SenderId("OTHERS")) == 0
        rig.provider.may_answer.set()
        await stopping
    assert len(rig.provider.ids) == 1


async def test_a_batch_that_waits_for_its_senders_limit_is_released_at_once(rig: WorkerRig) -> None:
    await rig.submit(5)
    async with rig.worker(rates={SENDER: 0.1}, grace_s=5) as worker:
        await rig.issue(worker)
        await eventually(lambda: rig.count(MessageState.ACCEPTED))
        assert await _stopped(worker) < 4.5  # the grace lasts 5 s, and the next send time is 10 s away
    assert await rig.states() == "apppp"
    assert await rig.lease_count() == 0


async def test_a_block_that_waits_for_its_send_times_is_returned_unsent(rig: WorkerRig) -> None:
    await rig.submit(2_000, batch_size=1_000)
    async with rig.worker(rates={SENDER: 100}, grace_s=30) as worker:
        await rig.issue(worker)
        await eventually(lambda: len(rig.provider.ids) >= 8)
        await worker.dispatcher.stop()
        sent = len(rig.provider.ids)
    assert sent < 1_000
    assert await rig.count(MessageState.ACCEPTED) == sent
    assert await rig.count(MessageState.PENDING) == 2_000 - sent


@pytest.mark.processes
@pytest.mark.parametrize("grace_s", [0, 0.3])
async def test_a_batch_that_waits_for_the_ledger_is_given_up_when_the_grace_is_over(
    provider: FakeProvider, grace_s: float
) -> None:
    with EmbeddedServer() as server:
        async with connect(server.url, retries=0) as redis:
            rig = WorkerRig(redis, provider)
            await rig.submit(50)
            async with rig.worker(rates={SENDER: 50}, grace_s=grace_s) as worker:
                await rig.issue(worker)
                await eventually(lambda: len(provider.ids) >= 5)
                server.kill()
                pushed_by = len(provider.ids)
                assert await _stopped(worker) < grace_s + 8
                await worker.quiet()
    assert len(provider.ids) <= pushed_by + 5  # only messages of the open block
    assert worker.ended == [BatchEnd.LEDGER_DEADLINE_PASSED]


@pytest.mark.processes
async def test_a_ledger_that_does_not_answer_at_all_does_not_hold_up_the_stop(provider: FakeProvider) -> None:
    with EmbeddedServer() as server:
        async with connect(server.url) as redis:
            rig = WorkerRig(redis, provider)
            await rig.submit(50)
            async with rig.worker(rates={SENDER: 50}, grace_s=0.2) as worker:
                await rig.issue(worker)
                await eventually(lambda: len(provider.ids) >= 5)
                server.send(signal.SIGSTOP)
                assert await _stopped(worker) < 10
                server.send(signal.SIGCONT)


async def test_a_batch_that_comes_while_stopping_is_released(rig: WorkerRig) -> None:
    await rig.submit(3)
    async with rig.worker() as worker:
        await worker.dispatcher.stop()
        (ref,) = await rig.issue(worker)
        await worker.quiet()
        assert worker.ended == [BatchEnd.STOPPING]
        assert await rig.lease_count() == 0
        assert await rig.issue() == [ref]  # the next round of upkeep would wake a worker for it
    assert rig.provider.ids == []


async def test_batches_for_which_there_was_no_room_are_released(rig: WorkerRig) -> None:
    await rig.submit(3, batch_size=1)
    rig.provider.may_answer.clear()
    async with rig.worker(max_batches=1, grace_s=0.1) as worker:
        await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight == 1)
        await _stopped(worker)
    assert await rig.lease_count() == 0
    assert await rig.states() == "ipp"


async def test_a_stop_in_the_middle_of_taking_hands_the_batch_back(
    rig: WorkerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.submit(3)
    take, taking, worker_stops = BatchLeases.take, asyncio.Event(), asyncio.Event()

    async def slow(self: BatchLeases, *arguments: object) -> object:
        taking.set()
        await worker_stops.wait()
        return await take(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(BatchLeases, "take", slow)
    async with rig.worker() as worker:
        await rig.issue(worker)
        await taking.wait()
        stopping = asyncio.create_task(_stopped(worker))
        await loop_turns()
        worker_stops.set()
        await stopping
        assert await rig.lease_count() == 0
    assert worker.ended == [BatchEnd.STOPPING]
    assert rig.provider.ids == []


async def test_many_batches_are_cut_short_together_and_not_one_after_the_other(rig: WorkerRig) -> None:
    await rig.submit(30, batch_size=2)
    rig.provider.may_answer.clear()
    async with rig.worker(grace_s=0.6) as worker:
        await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight == 30)
        assert await _stopped(worker) < 15 * 0.6  # less than the grace of 15 batches one after another
    assert await rig.states() == "i" * 30


async def test_stopping_twice_or_with_nothing_to_do_is_quick(rig: WorkerRig) -> None:
    async with rig.worker(grace_s=5) as worker:
        assert await _stopped(worker) < 4.5
        assert await _stopped(worker) < 4.5


async def test_a_stopping_worker_wakes_nobody(rig: WorkerRig) -> None:
    await rig.submit(20, batch_size=1)
    rig.provider.may_answer.clear()
    async with rig.worker(grace_s=0.1, max_in_flight=4) as worker:
        await rig.issue(worker)
        await eventually(lambda: rig.provider.in_flight == 4)
        woken = len(rig.woken)
        await _stopped(worker)
        assert len(rig.woken) == woken
    assert (await rig.view(CAMPAIGN)).counts[MessageState.PENDING] == 16
