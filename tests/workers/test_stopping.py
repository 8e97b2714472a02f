"""A worker that is told to stop: nothing new, what is in flight ends, and the rest is another's at once."""

import asyncio
import signal
import time

import pytest

from tests.workers.conftest import CAMPAIGN, SENDER, Gateway, House, Worker, until
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.states import MessageState


async def _stopped(worker: Worker) -> float:
    """Stop a worker; return how many seconds that took."""
    began = time.monotonic()
    await worker.dispatcher.stop()
    return time.monotonic() - began


async def test_pushes_in_flight_end_and_the_rest_is_another_workers_at_once(house: House) -> None:
    await house.submit(10)
    house.gateway.gate.clear()
    async with house.worker(max_in_flight=3, grace_s=5) as first, house.worker() as second:
        await house.issue(first)
        await until(lambda: house.gateway.in_flight == 3)
        stopping = asyncio.create_task(first.dispatcher.stop())
        await asyncio.sleep(0.05)  # time in which it must not begin anything
        assert len(house.gateway.ids) == 3
        house.gateway.gate.set()
        await stopping
        assert await house.states() == "aaappppppp"
        assert await house.leases() == 0

        await house.issue(second)
        await second.quiet()
    assert (first.ended, second.ended) == (["stopping"], ["done"])
    assert await house.states() == "a" * 10
    assert len(set(house.gateway.ids)) == len(house.gateway.ids) == 10


async def test_what_is_in_flight_after_the_grace_is_cut_short_and_in_doubt(house: House) -> None:
    await house.submit(10)
    house.gateway.gate.clear()
    async with house.worker(max_in_flight=3, grace_s=0.2) as worker:
        await house.issue(worker)
        await until(lambda: house.gateway.in_flight == 3)
        assert 0.2 <= await _stopped(worker) < 2
        assert house.gateway.in_flight == 0
        assert await house.states() == "iiippppppp"
        assert (await house.view()).codes == {"push:13": 3}
        assert await house.leases() == 0


async def test_without_any_grace_everything_is_still_accounted_for(house: House) -> None:
    await house.submit(400)
    house.gateway.gate.clear()
    async with house.worker(grace_s=0) as worker:
        await house.issue(worker)
        await until(lambda: house.gateway.in_flight >= 1)
        await _stopped(worker)
    assert await house.leases() == 0
    pushed = set(house.gateway.ids)
    assert await house.count(MessageState.IN_DOUBT) == len(pushed)
    assert await house.count(MessageState.SENDING) == 0


async def test_a_batch_that_waits_for_room_is_handed_back_without_waiting_for_the_pushes_of_others(
    house: House,
) -> None:
    await house.submit(1, campaign="holder01")
    house.gateway.gate.clear()
    async with house.worker(rates={SENDER: 0, "OTHERS": 0}, max_in_flight=1, grace_s=5) as worker:
        await house.issue(worker)
        await until(lambda: house.gateway.in_flight == 1)
        await house.submit(3, campaign="waiting1", sender="OTHERS")
        await house.issue(worker, SenderId("OTHERS"))
        await until(lambda: len(worker.dispatcher._batches) == 2)
        stopping = asyncio.create_task(worker.dispatcher.stop())
        await until(lambda: worker.ended == ["stopping"], within_s=1)
        assert await house.leases(SenderId("OTHERS")) == 0
        house.gateway.gate.set()
        await stopping
    assert len(house.gateway.ids) == 1


async def test_a_batch_that_waits_for_its_senders_limit_is_handed_back_at_once(house: House) -> None:
    await house.submit(5)
    async with house.worker(rates={SENDER: 0.1}, grace_s=5) as worker:
        await house.issue(worker)
        await until(lambda: house.count(MessageState.ACCEPTED))
        assert await _stopped(worker) < 1
    assert await house.states() == "apppp"
    assert await house.leases() == 0


async def test_a_block_that_waits_for_its_slots_is_given_back(house: House) -> None:
    await house.submit(100)
    async with house.worker(rates={SENDER: 100}, grace_s=5) as worker:
        await house.issue(worker)
        await until(lambda: len(house.gateway.ids) >= 8)
        assert await _stopped(worker) < 1
        sent = len(house.gateway.ids)
    assert await house.count(MessageState.ACCEPTED) == sent
    assert await house.count(MessageState.PENDING) == 100 - sent


@pytest.mark.parametrize("grace_s", [0, 0.3])
async def test_a_batch_that_waits_for_the_ledger_is_given_up_when_the_grace_is_over(
    gateway: Gateway, grace_s: float
) -> None:
    with EmbeddedServer() as server:
        async with connect(server.url, retries=0) as redis:
            house = House(redis, gateway)
            await house.submit(50)
            async with house.worker(rates={SENDER: 50}, grace_s=grace_s) as worker:
                await house.issue(worker)
                await until(lambda: len(gateway.ids) >= 5)
                server.kill()
                pushed_by = len(gateway.ids)
                assert await _stopped(worker) < grace_s + 2
                await worker.quiet()
    assert len(gateway.ids) <= pushed_by + 5  # those of the block that was open
    assert worker.ended == ["lease lost"]


async def test_a_ledger_that_does_not_answer_at_all_does_not_hold_up_the_stop(gateway: Gateway) -> None:
    with EmbeddedServer() as server:
        async with connect(server.url) as redis:
            house = House(redis, gateway)
            await house.submit(50)
            async with house.worker(rates={SENDER: 50}, grace_s=0.2) as worker:
                await house.issue(worker)
                await until(lambda: len(gateway.ids) >= 5)
                server.send(signal.SIGSTOP)
                assert await _stopped(worker) < 4
                server.send(signal.SIGCONT)


async def test_a_bell_that_is_heard_while_stopping_is_handed_back(house: House) -> None:
    await house.submit(3)
    async with house.worker() as worker:
        await worker.dispatcher.stop()
        (ref,) = await house.issue(worker)
        await worker.quiet()
        assert worker.ended == ["stopping"]
        assert await house.leases() == 0
        assert await house.issue() == [ref]  # the next round of upkeep would ring for it
    assert house.gateway.ids == []


async def test_bells_for_which_there_was_no_room_are_handed_back(house: House) -> None:
    await house.submit(3, batch_size=1)
    house.gateway.gate.clear()
    async with house.worker(most_batches=1, grace_s=0.1) as worker:
        await house.issue(worker)
        await until(lambda: house.gateway.in_flight == 1)
        await _stopped(worker)
    assert await house.leases() == 0
    assert await house.states() == "ipp"


async def test_a_stop_in_the_middle_of_taking_hands_the_batch_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.submit(3)
    take, taking = BatchLeases.take, asyncio.Event()

    async def slow(self: BatchLeases, *arguments: object) -> object:
        taking.set()
        await asyncio.sleep(0.05)
        return await take(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(BatchLeases, "take", slow)
    async with house.worker() as worker:
        await house.issue(worker)
        await taking.wait()
        await _stopped(worker)
        assert await house.leases() == 0
    assert worker.ended == ["stopping"]
    assert house.gateway.ids == []


async def test_many_batches_are_cut_short_together_and_not_one_after_the_other(house: House) -> None:
    await house.submit(30, batch_size=2)
    house.gateway.gate.clear()
    async with house.worker(grace_s=0.1) as worker:
        await house.issue(worker)
        await until(lambda: house.gateway.in_flight == 30)
        assert await _stopped(worker) < 1.5
    assert await house.states() == "i" * 30


async def test_stopping_twice_or_with_nothing_to_do_is_quick(house: House) -> None:
    async with house.worker(grace_s=5) as worker:
        assert await _stopped(worker) < 0.5
        assert await _stopped(worker) < 0.5


async def test_no_bell_is_rung_for_a_stopping_worker_itself(house: House) -> None:
    await house.submit(20, batch_size=1)
    house.gateway.gate.clear()
    async with house.worker(grace_s=0.1, max_in_flight=4) as worker:
        await house.issue(worker)
        await until(lambda: house.gateway.in_flight == 4)
        rung = len(house.rung)
        await _stopped(worker)
        assert len(house.rung) == rung
    assert (await house.view(CAMPAIGN)).counts[MessageState.PENDING] == 16
