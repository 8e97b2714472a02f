"""After a failover behind the same address, every connection to the old primary is replaced."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Connection, Redis, SSLConnection
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from tests.kit.failover import two_servers
from times_dispatch.ledger.connection import connect

pytestmark = pytest.mark.processes

WITHIN_S = 60.0


async def _command(redis: Redis) -> None:
    await redis.incr("writes")


async def _script(redis: Redis) -> None:
    await redis.eval("return redis.call('INCR', KEYS[1])", 1, "writes")


async def _pipeline(redis: Redis) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        pipe.incr("writes")
        pipe.get("writes")
        await pipe.execute()


async def _transaction(redis: Redis) -> None:
    async with redis.pipeline(transaction=True) as pipe:
        pipe.incr("writes")
        pipe.get("writes")
        await pipe.execute()


@pytest.mark.parametrize("write", [_command, _script, _pipeline, _transaction])
async def test_every_open_connection_goes_over_to_the_new_primary(write: Callable[[Redis], Awaitable[None]]) -> None:
    async with two_servers() as failover, connect(failover.url, max_connections=4) as redis:
        await asyncio.gather(*(write(redis) for _ in range(8)))
        await failover.happen()
        written = 0
        async with asyncio.timeout(WITHIN_S):
            while written < 20:
                done = await asyncio.gather(*(write(redis) for _ in range(4)), return_exceptions=True)
                assert all(isinstance(end, RedisError | None) for end in done), done
                written += done.count(None)
        assert await redis.get("writes") == b"%d" % (8 + written)


@pytest.mark.parametrize(("url", "kind"), [("redis://localhost", Connection), ("rediss://localhost", SSLConnection)])
@pytest.mark.parametrize(
    "refusal",
    [
        ReadOnlyError("You can't write against a read only replica."),
        # the error of a script in Redis 6.2
        ResponseError(
            "Error running script (call to f_1): @user_script:9: READONLY You can't write against a replica."
        ),
    ],
)
async def test_a_connection_of_any_kind_ends_when_its_server_says_that_it_is_a_replica(
    monkeypatch: pytest.MonkeyPatch, url: str, kind: type, refusal: ResponseError
) -> None:
    async def read_response(*_: Any, **__: Any) -> None:
        raise refusal

    ended = []

    async def disconnect(*_: Any, **__: Any) -> None:
        ended.append(True)

    monkeypatch.setattr(kind, "read_response", read_response)
    monkeypatch.setattr(kind, "disconnect", disconnect)
    pool: Any = connect(url).connection_pool
    connection: Any = pool.make_connection()
    assert issubclass(type(connection), kind)
    with pytest.raises(ReadOnlyError):
        await connection.read_response()
    assert ended


async def test_another_refusal_leaves_the_connection_open(redis: Redis) -> None:
    await redis.set("a", "text")
    before = await redis.client_id()
    with pytest.raises(ResponseError):
        await redis.lpush("a", 1)
    assert await redis.client_id() == before
