"""While Redis is away or restarted, or loses an answer, no message is sent, and no message is sent twice afterwards."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis import exceptions
from redis.asyncio import Redis

from tests.kit.clock import FakeClock, SkippingClock
from tests.kit.fake_provider import FakeProvider
from tests.kit.waiting import eventually
from tests.kit.workers import CAMPAIGN, SENDER, WorkerRig
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.errors import LedgerDeadlinePassed
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.model import BatchRef
from times_dispatch.ledger.states import CampaignState, MessageState
from workers.batch.batch_run import BatchEnd, BatchRun
from workers.batch.ledger_retry import LedgerRetry
from workers.batch.timings import BatchTimings

REF = BatchRef(SENDER, CAMPAIGN, 0)


class Unsteady:
    """A call that raises these errors, one after the other, and then answers."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return "answer"


def _retry(clock: FakeClock) -> tuple[LedgerRetry, BatchRun]:
    run = BatchRun(lease_deadline=float("inf"), clock=clock)
    return LedgerRetry(REF, run, max_wait_s=0.25, clock=clock, rng=random.Random(1)), run


async def test_a_call_is_repeated_every_quarter_of_a_second_or_sooner_until_it_is_answered() -> None:
    clock = FakeClock(auto=True)
    ledger_retry, _ = _retry(clock)
    call = Unsteady(*[exceptions.ConnectionError()] * 20, exceptions.ReadOnlyError(), ConnectionResetError())
    assert await ledger_retry.call(call) == "answer"
    assert call.calls == 23
    assert all(0.125 <= wait_s <= 0.25 for wait_s in clock.slept)
    assert len(set(clock.slept)) > 10


async def test_an_error_that_waiting_does_not_end_is_raised_at_once() -> None:
    ledger_retry, _ = _retry(FakeClock(auto=True))
    call = Unsteady(exceptions.ResponseError("WRONGTYPE Operation against a key"))
    with pytest.raises(exceptions.ResponseError):
        await ledger_retry.call(call)
    assert call.calls == 1


async def test_after_a_stop_the_first_failure_after_the_grace_ends_the_batch() -> None:
    clock = FakeClock(auto=True)
    ledger_retry, run = _retry(clock)
    run.stop(grace_s=1.0)
    call = Unsteady(*[exceptions.ConnectionError()] * 20)
    with pytest.raises(LedgerDeadlinePassed):
        await ledger_retry.call(call)
    assert 1.0 <= sum(clock.slept) < 1.25


async def _assert_nothing_is_sent(provider: FakeProvider, clock: SkippingClock, *, of: int = 50) -> None:
    """Wait until no push was sent for a while: messages that were opened earlier must not be pushed any more."""
    clock.skip(BatchTimings().start_within_s)
    sent = -1
    async with asyncio.timeout(120):
        while len(provider.ids) != sent:
            sent = len(provider.ids)
            await asyncio.sleep(0.3)
    assert sent < of, "the whole campaign was sent"


@pytest.fixture
def durable() -> Iterator[EmbeddedServer]:
    """A Redis server of this test alone, which keeps all writes that it confirmed."""
    with EmbeddedServer(appendonly=True, appendfsync="always") as server:
        yield server


@pytest.fixture
async def durable_rig(durable: EmbeddedServer, provider: FakeProvider) -> AsyncIterator[WorkerRig]:
    async with connect(durable.url, retries=0) as redis:
        rig = WorkerRig(redis, provider)
        yield rig
        await rig.check_counters()


async def test_a_share_whose_ledger_is_away_lacks_no_permits(rig: WorkerRig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.submit(200, batch_size=200)
    lacking, open_block = list[bool](), BatchLeases.open_block
    async with rig.worker(max_in_flight=20, clock=SkippingClock()) as worker:
        capacity = worker.dispatcher._context.capacity

        async def fail_twice(self: BatchLeases, *args: Any, **kwargs: Any) -> Any:
            lacking.append(bool(capacity._lacking))
            if len(lacking) <= 2:
                raise exceptions.ConnectionError
            return await open_block(self, *args, **kwargs)

        monkeypatch.setattr(BatchLeases, "open_block", fail_twice)
        await rig.issue(worker)
        await worker.quiet()
    assert lacking[:3] == [True, False, False]
    assert await rig.states() == "a" * 200


@pytest.mark.processes
async def test_nothing_is_sent_while_the_ledger_is_unavailable_and_sending_goes_on_by_itself(
    durable: EmbeddedServer, durable_rig: WorkerRig
) -> None:
    rig, provider = durable_rig, durable_rig.provider
    await rig.submit(300)
    clock = SkippingClock()
    async with rig.worker(rates={SENDER: 300}, clock=clock) as worker:
        await rig.issue(worker)
        await eventually(lambda: len(provider.ids) >= 50)
        durable.kill()
        await _assert_nothing_is_sent(provider, clock, of=300)
        durable.restart()
        await worker.quiet()
    assert await rig.states() == "a" * 300
    assert len(set(provider.ids)) == len(provider.ids) == 300
    assert (await rig.view()).state is CampaignState.FINISHED


@pytest.mark.processes
async def test_outcomes_that_come_while_the_ledger_is_away_are_written_when_it_is_back(
    durable: EmbeddedServer, durable_rig: WorkerRig
) -> None:
    rig, provider = durable_rig, durable_rig.provider
    await rig.submit(40)
    provider.may_answer.clear()
    async with rig.worker() as worker:
        await rig.issue(worker)
        await eventually(lambda: provider.in_flight == 40)
        durable.kill()
        provider.may_answer.set()
        await eventually(lambda: provider.in_flight == 0)
        await asyncio.sleep(0.3)
        durable.restart()
        await worker.quiet()
    assert await rig.states() == "a" * 40
    assert len(provider.ids) == 40


@pytest.mark.processes
async def test_a_ledger_that_forgot_everything_is_no_reason_to_push(provider: FakeProvider) -> None:
    with EmbeddedServer() as server:
        async with connect(server.url, retries=0) as redis:
            rig = WorkerRig(redis, provider)
            await rig.submit(100)
            async with rig.worker(rates={SENDER: 100}) as worker:
                await rig.issue(worker)
                await eventually(lambda: len(provider.ids) >= 5)
                server.restart()
                await worker.quiet()
                sent = len(provider.ids)
            assert worker.ended == [BatchEnd.LEASE_LOST]
    assert sent < 100


class Lossy:
    """A ledger that loses the answers of this many calls, after the script has run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> None:
        self.calls: list[dict[str, Any]] = []
        self._left = times
        self._inner: Callable[..., Awaitable[Any]] = getattr(BatchLeases, name)
        monkeypatch.setattr(BatchLeases, name, self._call_of())

    def _call_of(self) -> Callable[..., Awaitable[Any]]:
        async def call(leases: BatchLeases, *arguments: Any, **named: Any) -> Any:
            self.calls.append(named)
            answer = await self._inner(leases, *arguments, **named)
            if self._left > 0:
                self._left -= 1
                raise exceptions.ConnectionError("Connection lost")
            return answer

        return call


async def test_an_opening_whose_answer_is_lost_is_asked_again_by_its_own_id_and_nothing_stays_sending(
    rig: WorkerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    lossy = Lossy(monkeypatch, "open_block", 2)
    await rig.submit(5)
    await rig.send()
    operations = [call["operation"] for call in lossy.calls]
    assert operations[0] == operations[1] == operations[2] != operations[3]
    assert await rig.states() == "aaaaa"
    assert len(rig.provider.ids) == 5
    assert await rig.count(MessageState.SENDING) == 0


async def test_outcomes_whose_answer_is_lost_count_once(rig: WorkerRig, monkeypatch: pytest.MonkeyPatch) -> None:
    lossy = Lossy(monkeypatch, "record", 2)
    await rig.submit(5)
    await rig.send()
    assert len(lossy.calls) == 3
    view = await rig.view()
    assert (view.parts, view.counts[MessageState.ACCEPTED]) == (5, 5)


async def test_a_release_whose_answer_is_lost_counts_as_done(rig: WorkerRig, monkeypatch: pytest.MonkeyPatch) -> None:
    Lossy(monkeypatch, "release", 1)
    await rig.submit(5)
    worker = await rig.send()
    assert worker.ended == [BatchEnd.DONE]
    assert await rig.lease_count() == 0
    assert (await rig.view()).state is CampaignState.FINISHED


async def test_a_ledger_without_memory_is_waited_for(rig: WorkerRig, redis: Redis) -> None:
    await rig.submit(50)
    clock = SkippingClock()
    async with rig.worker(rates={SENDER: 100}, clock=clock) as worker:
        await rig.issue(worker)
        await eventually(lambda: len(rig.provider.ids) >= 5)
        await redis.config_set("maxmemory", 1)
        try:
            await _assert_nothing_is_sent(rig.provider, clock)
        finally:
            await redis.config_set("maxmemory", 0)
        await worker.quiet()
    assert await rig.states() == "a" * 50
    assert len(rig.provider.ids) == 50


async def test_a_ledger_that_became_a_replica_is_waited_for(rig: WorkerRig, redis: Redis, unused_tcp_port: int) -> None:
    await rig.submit(50)
    clock = SkippingClock()
    async with rig.worker(rates={SENDER: 100}, clock=clock) as worker:
        await rig.issue(worker)
        await eventually(lambda: len(rig.provider.ids) >= 5)
        await redis.replicaof("127.0.0.1", unused_tcp_port)
        try:
            await _assert_nothing_is_sent(rig.provider, clock)
        finally:
            await redis.replicaof("NO", "ONE")
        await worker.quiet()
    assert await rig.states() == "a" * 50
