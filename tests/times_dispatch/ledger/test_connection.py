import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from redis import Redis as SyncRedis
from redis.exceptions import TimeoutError as RedisTimeout

from tests.kit.process_guard import allowing_processes
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import RedisUnavailable, check, connect

PASSWORD = "correct-horse"


@pytest.fixture(scope="module")
def guarded() -> Iterator[EmbeddedServer]:
    with ExitStack() as stack:
        with allowing_processes():
            server = stack.enter_context(EmbeddedServer(password=PASSWORD, appendonly=True))
        yield server


class SilentServer(NamedTuple):
    """A server that accepts connections and never answers."""

    port: int
    connections: list[asyncio.StreamWriter]
    """All connections that were ever made."""


@pytest.fixture
async def silent() -> AsyncIterator[SilentServer]:
    async def never_answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)

    connections: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    yield SilentServer(server.sockets[0].getsockname()[1], connections)
    server.close()
    for writer in connections:
        writer.close()
    await server.wait_closed()


async def _reason(url: str) -> str:
    async with connect(url, retries=0, socket_timeout_s=0.3) as client:
        with pytest.raises(RedisUnavailable) as unavailable:
            await check(client)
    assert "\n" not in str(unavailable.value)
    return str(unavailable.value)


async def test_a_ledger_that_can_be_used_raises_nothing(guarded: EmbeddedServer) -> None:
    async with connect(guarded.url) as client:
        assert await check(client) == []


async def test_more_calls_than_connections_wait_instead_of_failing(redis_url: str) -> None:
    async with connect(redis_url, max_connections=4) as client:
        answers = await asyncio.gather(*(client.incr("calls") for _ in range(100)))
    assert sorted(answers) == list(range(1, 101))


@asynccontextmanager
async def _counting_round_trips(port: int) -> AsyncIterator[tuple[int, list[int]]]:
    """Serve a proxy to a port; yield the proxy's port, and the number of round trips of each connection."""
    trips = list[int]()
    open_writers = list[asyncio.StreamWriter]()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, arrived: Callable[[], None]) -> None:
        while data := await reader.read(65_536):
            arrived()
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        open_writers.extend((writer, up_writer))
        number, is_answered = len(trips), True
        trips.append(0)

        def request() -> None:
            nonlocal is_answered
            trips[number] += is_answered
            is_answered = False

        def reply() -> None:
            nonlocal is_answered
            is_answered = True

        await asyncio.gather(pump(reader, up_writer, request), pump(up_reader, writer, reply))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], trips
    finally:
        server.close()
        for writer in open_writers:
            writer.close()


async def test_a_new_connection_takes_one_round_trip_before_its_first_command(guarded: EmbeddedServer) -> None:
    """A call without a free connection waits for the handshake; with a slow Redis each round trip takes long."""
    async with _counting_round_trips(guarded.port) as (proxy, trips):
        async with connect(f"redis://:{PASSWORD}@127.0.0.1:{proxy}/0") as client:
            await client.ping()
            assert trips == [2], "HELLO and PING"
            assert await client.client_getname() == "times-dispatch"
        async with connect(f"redis://:{PASSWORD}@127.0.0.1:{proxy}/1") as client:
            await client.ping()
        assert trips == [3, 3], "HELLO, SELECT and PING"


async def test_a_new_connection_without_a_password_takes_no_other_way(redis_url: str) -> None:
    port = int(redis_url.rpartition(":")[2].partition("/")[0])
    async with (
        _counting_round_trips(port) as (proxy, trips),
        connect(f"redis://127.0.0.1:{proxy}/0") as client,
    ):
        await client.ping()
        assert trips == [2], "HELLO and PING"


async def test_a_connection_that_opens_again_does_the_same_handshake(guarded: EmbeddedServer) -> None:
    async with _counting_round_trips(guarded.port) as (proxy, trips):
        async with connect(f"redis://:{PASSWORD}@127.0.0.1:{proxy}/0", max_connections=1) as client:
            await client.ping()
            await client.connection_pool.disconnect()
            assert await client.client_getname() == "times-dispatch"
        assert trips == [2, 2]


@pytest.mark.processes
async def test_a_client_goes_on_by_itself_after_a_restart_of_redis() -> None:
    with EmbeddedServer() as server:
        async with connect(server.url) as client:
            await client.ping()
            server.restart()
            assert await client.ping()


async def test_a_server_that_is_gone_is_away(unused_tcp_port: int) -> None:
    reason = await _reason(f"redis://:{PASSWORD}@127.0.0.1:{unused_tcp_port}/0")
    assert reason == f"Redis at 127.0.0.1:{unused_tcp_port} is unavailable: no connection"


async def test_a_server_that_stalls_is_away_after_a_bounded_wait(silent: SilentServer) -> None:
    started = time.monotonic()
    assert (
        await _reason(f"redis://127.0.0.1:{silent.port}/0")
        == f"Redis at 127.0.0.1:{silent.port} is unavailable: no answer in time"
    )
    assert time.monotonic() - started < 60


async def test_the_retries_of_a_connection_to_a_server_that_stalls_do_not_multiply(
    silent: SilentServer,
) -> None:
    async with connect(f"redis://127.0.0.1:{silent.port}/0", retries=2, socket_timeout_s=0.5) as client:
        with pytest.raises(RedisTimeout):
            await client.ping()
    assert len(silent.connections) == 3  # with nested retries there would be nine connections


async def test_a_wrong_password_is_named_but_not_shown(guarded: EmbeddedServer) -> None:
    reason = await _reason(f"redis://:wrong-battery@127.0.0.1:{guarded.port}/0")
    assert reason == f"Redis at 127.0.0.1:{guarded.port} refused the password"


async def test_a_database_that_redis_has_not_and_a_server_that_is_no_redis_are_named(redis_url: str) -> None:
    assert (await _reason(redis_url.rsplit("/", 1)[0] + "/9999")).endswith(" has no database of this number")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reason = await _reason(f"redis://127.0.0.1:{port}/0")
    assert reason == f"Redis at 127.0.0.1:{port} is no Redis: another kind of server answers there"


@pytest.mark.parametrize(
    "reply", ["ERR unknown command `HELLO`, with args beginning with: `3`, ", "ERR unknown command 'HELLO'"]
)
async def test_a_server_that_does_not_know_the_handshake_is_named(reply: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(f"-{reply}\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reason = await _reason(f"redis://:{PASSWORD}@127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    assert " does not know the command HELLO: it must be Redis 6.2 or newer" in reason
    assert PASSWORD not in reason


async def test_a_missing_password_is_named(guarded: EmbeddedServer) -> None:
    reason = await _reason(f"redis://127.0.0.1:{guarded.port}/0")
    assert reason == f"Redis at 127.0.0.1:{guarded.port} wants a password"


async def test_a_user_who_may_only_read_has_not_enough_permission(guarded: EmbeddedServer) -> None:
    with SyncRedis.from_url(guarded.url) as admin:
        admin.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@read", "+@connection")
    reason = await _reason(f"redis://reader:pw@127.0.0.1:{guarded.port}/0")
    assert reason.endswith("does not permit this user to run scripts that write")


async def test_a_user_whose_scripts_may_not_write_has_not_enough_permission(guarded: EmbeddedServer) -> None:
    with SyncRedis.from_url(guarded.url) as admin:
        admin.execute_command("ACL", "SETUSER", "scripter", "on", ">pw", "~*", "+@read", "+@connection", "+eval")
    reason = await _reason(f"redis://scripter:pw@127.0.0.1:{guarded.port}/0")
    assert reason.endswith("does not permit this user to run scripts that write")


async def test_a_user_without_info_is_enough_and_warns_of_nothing(guarded: EmbeddedServer) -> None:
    with SyncRedis.from_url(guarded.url) as admin:
        admin.execute_command("ACL", "SETUSER", "worker", "on", ">pw", "~*", "+@all", "-info")
    async with connect(f"redis://worker:pw@127.0.0.1:{guarded.port}/0") as client:
        assert await check(client) == []


@pytest.mark.processes
async def test_a_replica_and_a_full_server_are_named() -> None:
    with EmbeddedServer(options={"maxmemory": "1"}) as full:
        assert (await _reason(full.url)).endswith("has no memory left: raise its maxmemory")
    with EmbeddedServer() as primary, EmbeddedServer(options={"replicaof": f"127.0.0.1 {primary.port}"}) as replica:
        assert (await _reason(replica.url)).endswith("is a replica: it cannot be written to")


@pytest.mark.processes
async def test_settings_of_redis_that_lose_messages_are_warned_about() -> None:
    with EmbeddedServer(options={"maxmemory-policy": "allkeys-lru"}) as server:
        async with connect(server.url) as client:
            warnings = await check(client)
    assert [warning.partition(": ")[2].split(" ")[0] for warning in warnings] == ["maxmemory-policy", "appendonly"]


@pytest.mark.parametrize(
    "url", ["", "localhost", "http://:secret-word@host/0", "redis://:secret-wo/rd@host:6379/0", "redis://host:port/0"]
)
def test_an_address_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(RedisUnavailable) as refused:
        connect(url)
    assert "secret" not in str(refused.value)
    assert refused.value.__suppress_context__


_WITHOUT_HIREDIS = """
import sys
sys.modules["hiredis"] = None  # an import of it fails from now on
import pytest
from redis.asyncio import connection
assert "hiredis" not in connection.DefaultParser.__module__, connection.DefaultParser
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


@pytest.mark.processes
def test_the_ledger_works_where_hiredis_cannot_be_installed() -> None:
    folder = Path(__file__).parent
    names = ("test_leases_recording", "reports/test_report_applier", "test_queries")
    files = [str(folder / f"{name}.py") for name in names]
    command = [sys.executable, "-c", _WITHOUT_HIREDIS, *files]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, check=False, cwd=folder.parents[2], env=os.environ
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
