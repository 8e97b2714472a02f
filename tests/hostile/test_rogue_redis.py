"""Rogue sentinels and cluster nodes get no password, and cost neither memory nor the use of other servers."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from tests.kit.tls import Certificates, TlsServer, tls_server
from times_dispatch.ledger.connection import RedisUnavailable, check, connect
from times_dispatch.ledger.sentinel.primary import PrimaryFinder
from times_dispatch.ledger.sentinel.url import parse

PASSWORD = "swordfish"
MAX_MORE_MB = 50
TIMEOUT_S = 60.0
"""Every server here answers at once, so that only a busy machine needs much time."""
MAX_TRIES = 20
"""A client gives a sentinel or a node one second; on a busy machine it may give up before it reaches the attacker."""
_ENDLESS = b"x" * 65_536


class FakeServer:
    """Answers as much of the Redis protocol as a client needs, and answers one command with chosen bytes."""

    def __init__(self, replies: Mapping[str, bytes], *, goes_on: bool = False, closes: bool = False) -> None:
        self.port = 0
        self.asked = 0
        self.sent = 0
        self._replies, self._goes_on, self._closes = replies, goes_on, closes

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):
            while line := await reader.readline():
                words = [(await reader.readline(), await reader.readline())[1].strip() for _ in range(int(line[1:]))]
                command = words[0].decode().upper()
                if command == "HELLO":
                    writer.write(b"%1\r\n$5\r\nproto\r\n:3\r\n")
                elif command in self._replies:
                    self.asked += 1
                    writer.write(self._replies[command])
                    while self._goes_on:
                        writer.write(_ENDLESS)
                        await writer.drain()
                        self.sent += len(_ENDLESS)
                    if self._closes:
                        break
                else:
                    writer.write(b"+OK\r\n")
        writer.close()


@asynccontextmanager
async def running(server: FakeServer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeServer]:
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server


def mapped(fields: Mapping[str, object]) -> bytes:
    """Return a map of texts in the form of an answer of Sentinel."""
    words = [str(word).encode() for pair in fields.items() for word in pair]
    return b"%%%d\r\n" % len(fields) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def state(**changes: object) -> bytes:
    """Return the answer of a sentinel about a primary."""
    return mapped({"ip": "127.0.0.1", "port": 2222, "flags": "master", "config-epoch": 1, **changes})


STRANGE = {
    "a word": b"+OK\r\n",
    "nothing": b"*0\r\n",
    "null": b"_\r\n",
    "a number": b":1\r\n",
    "one text": b"*1\r\n$2\r\nip\r\n",
    "without a port": mapped({"ip": "127.0.0.1", "flags": "master", "config-epoch": 9}),
    "a port above 65,535": state(port=99_999, **{"config-epoch": 9}),
    "a port that is a word": state(port="x", **{"config-epoch": 9}),
    "an epoch without end": state(**{"config-epoch": "9" * 400}),
    "bytes that are not text": b"*2\r\n$2\r\n\xff\xfe\r\n$1\r\nx\r\n",
    "no protocol": b"\x00\x01\x02\r\n",
    "a billion elements": b"*1000000000\r\n",
    "deep": b"*1\r\n" * 100,
}


@pytest.mark.parametrize("reply", STRANGE.values(), ids=STRANGE)
async def test_a_sentinel_that_answers_nonsense_keeps_nobody_from_the_others(reply: bytes) -> None:
    before = psutil.Process().memory_info().rss
    # The rogue closes the connection, because some of the replies are incomplete.
    attacking = FakeServer({"SENTINEL": reply}, closes=True)
    async with running(attacking) as rogue, running(FakeServer({"SENTINEL": state()})) as honest:
        url = f"redis+sentinel://127.0.0.1:{rogue.port},127.0.0.1:{honest.port}/0?master=dispatch"
        assert await PrimaryFinder(parse(url), ask_within_s=TIMEOUT_S).address() == ("127.0.0.1", 2222)
        assert rogue.asked == 1
        with pytest.raises(RedisConnectionError, match="no sentinel knows a primary"):
            await PrimaryFinder(parse(f"redis+sentinel://127.0.0.1:{rogue.port}/0?master=dispatch")).address()
    more_mb = (psutil.Process().memory_info().rss - before) / 1_000_000
    print(f"{reply[:20]!r}: {more_mb:.0f} MB more")  # noqa: T201  # the figure
    assert more_mb < MAX_MORE_MB


@pytest.mark.parametrize("beginning", [b"$2000000000\r\n", b"+", b"*3\r\n$3\r\nabc\r\n$2000000000\r\n", b"%2\r\n+"])
async def test_a_reply_without_an_end_takes_no_memory(beginning: bytes) -> None:
    before = psutil.Process().memory_info().rss
    async with (
        running(FakeServer({"SENTINEL": beginning}, goes_on=True)) as rogue,
        running(FakeServer({"SENTINEL": state()})) as honest,
    ):
        url = f"redis+sentinel://127.0.0.1:{rogue.port},127.0.0.1:{honest.port}/0?master=dispatch"
        assert await PrimaryFinder(parse(url), ask_within_s=TIMEOUT_S).address() == ("127.0.0.1", 2222)
        more_mb = (psutil.Process().memory_info().rss - before) / 1_000_000
        print(f"{beginning!r}: {rogue.sent:,} bytes sent, {more_mb:.0f} MB more")  # noqa: T201  # the figure
        assert rogue.sent < 20_000_000
    assert more_mb < MAX_MORE_MB


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["of an unknown CA", "of another host"])
def attacker(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[TlsServer]:
    """A server that stores the data that clients send."""
    with tls_server(certificates.server(request.param)) as server:
        yield server


def address(kind: str, port: int, ca: Path, *, options: str = "") -> str:
    return f"rediss+{kind}://app:{PASSWORD}@127.0.0.1:{port}/0?{options}ssl_ca_certs={ca}"


async def _is_refused(url: str, attacker: TlsServer) -> None:
    """Connect, until the attacker was reached, and expect each try to fail."""
    for _ in range(MAX_TRIES):
        async with connect(url, retries=0, socket_timeout_s=TIMEOUT_S) as redis:
            with pytest.raises((RedisUnavailable, RedisError)):
                await check(redis)
        if attacker.connections:
            return


async def test_a_sentinel_that_names_an_attacker_gives_the_attacker_no_password(
    certificates: Certificates, attacker: TlsServer
) -> None:
    lie = FakeServer({"SENTINEL": state(port=attacker.port, **{"config-epoch": 2**62})})
    async with running(lie, tls=certificates.server("trusted")) as sentinel:
        await _is_refused(address("sentinel", sentinel.port, certificates.ca, options="master=dispatch&"), attacker)
    print(f"{attacker.connections} connections to the attacker, who received {len(attacker.received)} bytes")  # noqa: T201  # the figure
    assert attacker.connections
    assert attacker.received == b""


async def test_a_sentinel_with_a_wrong_certificate_gets_no_password(
    certificates: Certificates, attacker: TlsServer
) -> None:
    options = "master=dispatch&sentinel_login=yes&"
    await _is_refused(address("sentinel", attacker.port, certificates.ca, options=options), attacker)
    print(f"{attacker.connections} connections to the attacker, who received {len(attacker.received)} bytes")  # noqa: T201  # the figure
    assert attacker.connections
    assert attacker.received == b""


def slots(first: object, last: object, port: int) -> bytes:
    """Return a reply to CLUSTER SLOTS with one range."""
    return b"*1\r\n*3\r\n:%b\r\n:%b\r\n*3\r\n$9\r\n127.0.0.1\r\n:%d\r\n$1\r\na\r\n" % (
        str(first).encode(),
        str(last).encode(),
        port,
    )


async def test_a_node_that_names_an_attacker_as_owner_gives_the_attacker_no_password(
    certificates: Certificates, attacker: TlsServer
) -> None:
    lie = FakeServer({"CLUSTER": slots(0, 16_383, attacker.port)})
    async with running(lie, tls=certificates.server("trusted")) as node:
        await _is_refused(address("cluster", node.port, certificates.ca), attacker)
    print(f"{attacker.connections} connections to the attacker, who received {len(attacker.received)} bytes")  # noqa: T201  # the figure
    assert attacker.connections
    assert attacker.received == b""


@pytest.mark.parametrize("word", ["MOVED", "ASK"])
async def test_a_node_that_sends_clients_to_an_attacker_gives_the_attacker_no_password(
    certificates: Certificates, attacker: TlsServer, word: str
) -> None:
    server = FakeServer({})
    away = f"-{word} 1 127.0.0.1:{attacker.port}\r\n".encode()
    async with running(server, tls=certificates.server("trusted")) as node:
        server._replies = {"CLUSTER": slots(0, 16_383, node.port), "EVAL": away, "GET": away}
        url = address("cluster", node.port, certificates.ca)
        for _ in range(MAX_TRIES):
            async with connect(url, retries=0, socket_timeout_s=TIMEOUT_S) as redis:
                with pytest.raises(RedisError):
                    await redis.get("a")
            if attacker.connections:
                break
    print(f"{attacker.connections} connections to the attacker, who received {len(attacker.received)} bytes")  # noqa: T201  # the figure
    assert attacker.connections
    assert attacker.received == b""


@pytest.mark.parametrize(
    "reply",
    [
        slots(0, 10**12, 7000),
        slots(-5, 3, 7000),
        slots(9, 3, 7000),
        b"*1\r\n*1\r\n:1\r\n",
        b"*1\r\n$1\r\nx\r\n",
        b"*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$2\r\n\xff\xfe\r\n$1\r\nx\r\n",
        b":1\r\n",
    ],
)
async def test_a_node_that_names_owners_of_no_slots_is_no_node(reply: bytes) -> None:
    before = psutil.Process().memory_info().rss
    async with (
        running(FakeServer({"CLUSTER": reply})) as node,
        connect(f"redis+cluster://127.0.0.1:{node.port}", retries=0, socket_timeout_s=TIMEOUT_S) as redis,
    ):
        with pytest.raises(RedisError):
            await redis.get("a")
    more_mb = (psutil.Process().memory_info().rss - before) / 1_000_000
    print(f"{reply!r}: {more_mb:.0f} MB more")  # noqa: T201  # the figure
    assert more_mb < MAX_MORE_MB
