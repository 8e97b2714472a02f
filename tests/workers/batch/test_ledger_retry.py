"""Redis away, restarted, or with an answer lost on the wire: nothing is sent meanwhile, and nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from redis import exceptions
from redis.asyncio import Redis

from tests.workers.conftest import SENDER, Gateway, House, until
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.states import CampaignState, MessageState
from workers.batch import worker as batch_module


async def _assert_nothing_is_sent(gateway: Gateway) -> None:
    """But for what was open already, which may begin until its start limit."""
    await asyncio.sleep(batch_module._START_WITHIN_S + 0.05)
    sent = len(gateway.ids)
    await asyncio.sleep(0.3)
    assert len(gateway.ids) == sent


@pytest.fixture(autouse=True)
def _short_start_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "_START_WITHIN_S", 0.25)


@pytest.fixture
def durable() -> Iterator[EmbeddedServer]:
    """A server of the test's own, which forgets nothing that it answered."""
    with EmbeddedServer(appendonly=True, appendfsync="always") as server:
        yield server


@pytest.fixture
async def durable_house(durable: EmbeddedServer, gateway: Gateway) -> AsyncIterator[House]:
    async with connect(durable.url, retries=0) as redis:
        house = House(redis, gateway)
        yield house
        await house.balance()


async def test_nothing_is_sent_while_the_ledger_is_away_and_it_goes_on_by_itself(
    durable: EmbeddedServer, durable_house: House
) -> None:
    house, gateway = durable_house, durable_house.gateway
    await house.submit(300)
    async with house.worker(rates={SENDER: 300}) as worker:
        await house.issue(worker)
        await until(lambda: len(gateway.ids) >= 50)
        durable.kill()
        await _assert_nothing_is_sent(gateway)
        durable.restart()
        await worker.quiet()
    assert await house.states() == "a" * 300
    assert len(set(gateway.ids)) == len(gateway.ids) == 300
    assert (await house.view()).state is CampaignState.FINISHED


async def test_outcomes_that_come_while_the_ledger_is_away_are_written_when_it_is_back(
    durable: EmbeddedServer, durable_house: House
) -> None:
    house, gateway = durable_house, durable_house.gateway
    await house.submit(40)
    gateway.gate.clear()
    async with house.worker() as worker:
        await house.issue(worker)
        await until(lambda: gateway.in_flight == 40)
        durable.kill()
        gateway.gate.set()
        await until(lambda: gateway.in_flight == 0)
        await asyncio.sleep(0.3)
        durable.restart()
        await worker.quiet()
    assert await house.states() == "a" * 40
    assert len(gateway.ids) == 40


async def test_a_ledger_that_forgot_everything_is_no_reason_to_push(gateway: Gateway) -> None:
    with EmbeddedServer() as server:
        async with connect(server.url, retries=0) as redis:
            house = House(redis, gateway)
            await house.submit(100)
            async with house.worker(rates={SENDER: 100}) as worker:
                await house.issue(worker)
                await until(lambda: len(gateway.ids) >= 5)
                server.restart()
                await worker.quiet()
                sent = len(gateway.ids)
            assert worker.ended == ["lease lost"]
    assert sent < 100


class Lossy:
    """Makes a call to the ledger lose its answer on the wire, so many times: the script has run by then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> None:
        self.calls: list[dict[str, Any]] = []
        self._left = times
        self._inner: Callable[..., Awaitable[Any]] = getattr(BatchLeases, name)
        monkeypatch.setattr(BatchLeases, name, self._call_of())

    def _call_of(self) -> Callable[..., Awaitable[Any]]:
        async def call(work: BatchLeases, *arguments: Any, **named: Any) -> Any:
            self.calls.append(named)
            answer = await self._inner(work, *arguments, **named)
            if self._left > 0:
                self._left -= 1
                raise exceptions.ConnectionError("Connection lost")
            return answer

        return call


async def test_an_opening_whose_answer_is_lost_is_asked_again_by_its_own_id_and_nothing_stays_sending(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    lossy = Lossy(monkeypatch, "open_block", 2)
    await house.submit(5)
    await house.send()
    operations = [call["operation"] for call in lossy.calls]
    assert operations[0] == operations[1] == operations[2] != operations[3]
    assert await house.states() == "aaaaa"
    assert len(house.gateway.ids) == 5
    assert await house.count(MessageState.SENDING) == 0


async def test_outcomes_whose_answer_is_lost_count_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    lossy = Lossy(monkeypatch, "record", 2)
    await house.submit(5)
    await house.send()
    assert len(lossy.calls) == 3
    view = await house.view()
    assert (view.parts, view.counts[MessageState.ACCEPTED]) == (5, 5)


async def test_a_release_whose_answer_is_lost_has_happened_all_the_same_and_is_told_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    Lossy(monkeypatch, "release", 1)
    await house.submit(5)
    worker = await house.send()
    assert worker.ended == ["done"]
    assert await house.leases() == 0
    assert (await house.view()).state is CampaignState.FINISHED


async def test_a_ledger_without_memory_is_waited_for(house: House, redis: Redis) -> None:
    await house.submit(50)
    async with house.worker(rates={SENDER: 100}) as worker:
        await house.issue(worker)
        await until(lambda: len(house.gateway.ids) >= 5)
        await redis.config_set("maxmemory", 1)
        try:
            await _assert_nothing_is_sent(house.gateway)
        finally:
            await redis.config_set("maxmemory", 0)
        await worker.quiet()
    assert await house.states() == "a" * 50
    assert len(house.gateway.ids) == 50


async def test_a_ledger_that_became_a_replica_is_waited_for(house: House, redis: Redis, unused_tcp_port: int) -> None:
    await house.submit(50)
    async with house.worker(rates={SENDER: 100}) as worker:
        await house.issue(worker)
        await until(lambda: len(house.gateway.ids) >= 5)
        await redis.replicaof("127.0.0.1", unused_tcp_port)
        try:
            await _assert_nothing_is_sent(house.gateway)
        finally:
            await redis.replicaof("NO", "ONE")
        await worker.quiet()
    assert await house.states() == "a" * 50
