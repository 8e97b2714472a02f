"""Unused connections are closed, also connections that the server has closed before."""

import asyncio
from typing import cast

import psutil
from redis.asyncio import Redis

from tests.kit.waiting import eventually, loop_turns
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.connection_pool import MAX_IDLE_S, LedgerPool

CALLS = 8


def _pool(client: Redis) -> LedgerPool:
    return cast("LedgerPool", client.connection_pool)


def _sockets(client: Redis) -> int:
    """Return how many sockets of this process lead to the client's server, in any state."""
    port = client.connection_pool.connection_kwargs["port"]
    return sum(bool(each.raddr) and each.raddr.port == port for each in psutil.Process().net_connections("tcp"))


async def _burst(client: Redis) -> None:
    await asyncio.gather(*(client.blpop(["nothing"], timeout=0.1) for _ in range(CALLS)))


async def test_connections_of_a_burst_are_closed_when_nobody_uses_them(redis_url: str) -> None:
    async with connect(redis_url) as client:
        before = _sockets(client)
        await _burst(client)
        assert _sockets(client) == before + CALLS
        await client.ping()
        assert _sockets(client) == before + CALLS, f"unused for less than {MAX_IDLE_S:.0f} s"
        _pool(client).max_idle_s = 0.0
        await client.ping()
        await eventually(lambda: _sockets(client) == before + 1)


async def test_connections_that_the_server_closed_do_not_stay(redis_url: str) -> None:
    async with connect(redis_url) as client, connect(redis_url) as other:
        before = _sockets(client)
        await _burst(client)
        for row in await other.client_list():
            if row["cmd"] == "blpop":
                await other.client_kill_filter(_id=row["id"])
        assert _sockets(client) > before + 2, "half-open sockets stay until they are used again"
        _pool(client).max_idle_s = 0.0
        await client.ping()
        await eventually(lambda: _sockets(client) <= before + 2)


async def test_a_call_after_all_connections_were_closed_opens_a_connection(redis_url: str) -> None:
    async with connect(redis_url, max_connections=2) as client:
        _pool(client).max_idle_s = -1.0
        for _ in range(5):
            assert await client.ping()
        assert await asyncio.gather(*(client.ping() for _ in range(10))) == [True] * 10


async def test_a_free_connection_is_given_to_a_waiting_call_although_the_first_in_line_is_cancelled(
    redis_url: str,
) -> None:
    async with connect(redis_url, max_connections=1, socket_timeout_s=60) as client:
        taken = await _pool(client).get_connection()
        first, second = (asyncio.ensure_future(client.get("nothing")) for _ in range(2))
        await loop_turns()  # both wait for the connection
        await _pool(client).release(taken)
        first.cancel()
        assert await asyncio.wait_for(second, 20) is None
        assert first.cancelled()
