"""A primary that is cut off from its replica opens nothing, with the settings that docs/guarantees.md names."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from tests.kit.ledger import Ledger
from tests.kit.waiting import eventually
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import RedisUnavailable, check, connect
from times_dispatch.ledger.errors import is_transient
from times_dispatch.ledger.leases import BatchLeases
from times_dispatch.ledger.openings import Block, Wait, new_operation

pytestmark = pytest.mark.processes


@pytest.fixture
def servers() -> Iterator[tuple[EmbeddedServer, EmbeddedServer]]:
    """A primary and its replica."""
    with (
        EmbeddedServer(options={"repl-diskless-sync-delay": "0"}) as primary,
        EmbeddedServer(options={"replicaof": f"127.0.0.1 {primary.port}"}) as replica,
    ):
        yield primary, replica


@pytest.fixture
async def primary(servers: tuple[EmbeddedServer, EmbeddedServer]) -> AsyncIterator[Redis]:
    """The primary, after the replica has connected."""
    async with connect(servers[0].url) as redis:

        async def has_replica() -> bool:
            return bool((await redis.info("replication"))["connected_slaves"]) and await redis.wait(1, 100) == 1

        await redis.set("first", 1)
        await eventually(has_replica)
        yield redis


@pytest.fixture
async def replica(servers: tuple[EmbeddedServer, EmbeddedServer], primary: Redis) -> AsyncIterator[Redis]:
    async with connect(servers[1].url) as redis:
        yield redis


async def _cut_off(replica: Redis) -> None:
    """Promote the replica; the old primary does not notice, and still serves clients."""
    await replica.replicaof("NO", "ONE")


async def test_check_warns_of_replicas_without_min_replicas_to_write(primary: Redis) -> None:
    assert any("min-replicas-to-write" in warning for warning in await check(primary))
    await primary.config_set("min-replicas-to-write", 1)
    assert not any("min-replicas-to-write" in warning for warning in await check(primary))


async def test_a_lonely_primary_with_min_replicas_to_write_opens_nothing(primary: Redis, replica: Redis) -> None:
    await primary.config_set("min-replicas-to-write", 1)
    ledger, promoted = Ledger(primary), Ledger(replica)
    await ledger.submit(6)
    first, second = await ledger.issue()
    lease = await ledger.take(first)
    assert await primary.wait(1, 1_000) == 1
    await _cut_off(replica)
    async with asyncio.timeout(60):  # the primary notices within a second or two that its replica is gone
        while (await primary.info("replication"))["min_slaves_good_slaves"]:
            await asyncio.sleep(0.05)
    with pytest.raises(ResponseError, match="NOREPLICAS") as refused:
        await ledger.open_block(lease)
    assert is_transient(refused.value), "the ledger is unavailable: the worker waits, and no batch is damaged"
    with pytest.raises(RedisUnavailable, match="too few replicas"):
        await check(primary)
    assert await ledger.states() == "pppppp"
    block = await promoted.open(await promoted.take(second))
    assert len(block.messages) == 3, "the new primary opens blocks"


@pytest.fixture
def waiting(primary: Redis) -> BatchLeases:
    return BatchLeases(primary, wait_for_replicas=1, replicas_within_s=0.1)


async def test_a_block_that_a_replica_has_is_opened(primary: Redis, replica: Redis, waiting: BatchLeases) -> None:
    ledger = Ledger(primary)
    await ledger.submit(3)
    lease, operation = await ledger.take(), new_operation()
    opened = await waiting.open_block(lease, max_messages=3, operation=operation)
    assert isinstance(opened, Block)
    assert await Ledger(replica).states() == "sss"
    again = await waiting.open_block(lease, max_messages=3, operation=operation)
    assert isinstance(again, Block)
    assert again.messages == opened.messages


async def test_a_block_that_no_replica_has_in_time_is_returned_unsent(
    primary: Redis, replica: Redis, waiting: BatchLeases
) -> None:
    ledger = Ledger(primary)
    await ledger.submit(3)
    lease = await ledger.take()
    await _cut_off(replica)
    assert await waiting.open_block(lease, max_messages=3, operation=new_operation()) == Wait(1.0, "replicas")
    assert await ledger.states() == "ppp"
    assert isinstance(await ledger.open_block(lease), Block), "the refused call left the batch ready to open"


async def test_the_repetition_of_an_opening_on_another_connection_waits_as_well(
    primary: Redis, replica: Redis, waiting: BatchLeases
) -> None:
    """A repeated script writes nothing, and WAIT counts only the writes of its own connection."""
    ledger = Ledger(primary)
    await ledger.submit(3)
    lease, operation = await ledger.take(), new_operation()
    await _cut_off(replica)
    assert isinstance(await ledger.leases.open_block(lease, max_messages=3, operation=operation), Block)
    await primary.connection_pool.disconnect()
    assert await waiting.open_block(lease, max_messages=3, operation=operation) == Wait(1.0, "replicas")
    assert await ledger.states() == "ppp"


async def test_a_block_that_could_not_be_returned_is_returned_by_the_repetition(
    primary: Redis, replica: Redis, waiting: BatchLeases, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(primary)
    await ledger.submit(3)
    lease, operation = await ledger.take(), new_operation()
    await _cut_off(replica)

    async def fail(*_: object, **__: object) -> int:
        raise ConnectionError

    monkeypatch.setattr(waiting, "record", fail)
    with pytest.raises(ConnectionError):
        await waiting.open_block(lease, max_messages=3, operation=operation)
    monkeypatch.undo()
    assert await waiting.open_block(lease, max_messages=3, operation=operation) == Wait(1.0, "replicas")
    assert await ledger.states() == "ppp"
