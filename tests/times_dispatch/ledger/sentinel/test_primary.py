"""The search for the primary: sentinels that answer, answer late, know no primary, or know of fewer failovers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.kit.clock import FakeClock
from times_dispatch.ledger.connection import RedisUnavailable, address_of, check, connect
from times_dispatch.ledger.sentinel.primary import PrimaryFinder
from times_dispatch.ledger.sentinel.url import parse


class FakeSentinel:
    """A sentinel with the commands that a client needs; with ``port`` 0 it answers that the name is unknown."""

    def __init__(self, port: int, *, epoch: int = 0, flags: str = "master", is_mute: bool = False) -> None:
        self.listens_at = 0
        self.asked = 0
        self.commands = list[bytes]()
        """The names of all commands that the sentinel received."""
        self._primary, self._epoch, self._flags, self._is_mute = port, epoch, flags, is_mute

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                words = [(await reader.readline(), await reader.readline())[1].strip() for _ in range(int(line[1:]))]
                self.commands.append(words[0].upper())
                if words[0].upper() == b"SENTINEL":
                    self.asked += 1
                    if not self._is_mute:
                        writer.write(self._reply())
                else:
                    writer.write(b"%1\r\n$5\r\nproto\r\n:3\r\n" if words[0].upper() == b"HELLO" else b"+OK\r\n")
        except OSError:
            pass
        finally:
            writer.close()

    def _reply(self) -> bytes:
        if not self._primary:
            return b"-ERR No such master with that name\r\n"
        fields = {"ip": "127.0.0.1", "port": self._primary, "flags": self._flags, "config-epoch": self._epoch}
        words = [str(word).encode() for pair in fields.items() for word in pair]
        return b"%%%d\r\n" % len(fields) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


@asynccontextmanager
async def listening(*sentinels: FakeSentinel) -> AsyncIterator[str]:
    async with AsyncExitStack() as stack:
        for sentinel in sentinels:
            server = await stack.enter_async_context(await asyncio.start_server(sentinel.serve, "127.0.0.1", 0))
            sentinel.listens_at = server.sockets[0].getsockname()[1]
        yield _url([sentinel.listens_at for sentinel in sentinels])


def _url(ports: Sequence[int]) -> str:
    return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in ports)}/0?master=dispatch"


async def test_the_sentinel_that_knows_of_the_latest_failover_is_believed() -> None:
    async with listening(FakeSentinel(1111, epoch=3), FakeSentinel(2222, epoch=4), FakeSentinel(1111, epoch=3)) as url:
        assert await PrimaryFinder(parse(url)).address() == ("127.0.0.1", 2222)


async def test_one_sentinel_that_answers_is_enough(unused_tcp_port: int) -> None:
    async with listening(FakeSentinel(0), FakeSentinel(2222), FakeSentinel(3333, is_mute=True)) as url:
        finder = PrimaryFinder(parse(url.replace("//", f"//127.0.0.1:{unused_tcp_port},")))
        assert await finder.address() == ("127.0.0.1", 2222)


async def test_a_distant_sentinel_is_asked_in_two_round_trips() -> None:
    """A sentinel must answer within a second, and each command of the handshake takes a round trip of that second."""
    sentinel = FakeSentinel(7001)
    async with listening(sentinel) as url:
        assert await PrimaryFinder(parse(url)).address() == ("127.0.0.1", 7001)
    assert sentinel.commands == [b"HELLO", b"SENTINEL"]


@pytest.mark.parametrize("flags", ["master,s_down", "master,s_down,o_down", "slave"])
async def test_a_primary_that_the_sentinels_take_for_dead_is_none(flags: str) -> None:
    async with listening(FakeSentinel(2222, flags=flags)) as url:
        with pytest.raises(RedisConnectionError, match="no sentinel knows a primary of the name dispatch"):
            await PrimaryFinder(parse(url)).address()


async def test_connections_that_are_opened_together_share_one_answer_and_later_ones_ask_again() -> None:
    sentinel, clock = FakeSentinel(2222), FakeClock()
    async with listening(sentinel) as url:
        finder = PrimaryFinder(parse(url), clock=clock)
        await asyncio.gather(*(finder.address() for _ in range(8)))
        assert sentinel.asked == 1
        clock._now += 0.3
        await finder.address()
        assert sentinel.asked == 2


async def test_the_ledger_is_used_through_sentinels_and_messages_name_them(redis_url: str) -> None:
    port = int(redis_url.rpartition(":")[2].removesuffix("/0"))
    async with listening(FakeSentinel(port)) as url, connect(url) as redis:
        await check(redis)
        await redis.set("a", "1")
        assert address_of(redis).startswith("dispatch (Sentinel at 127.0.0.1:")


async def test_sentinels_that_are_away_are_named_in_one_line(unused_tcp_port: int) -> None:
    async with connect(_url([unused_tcp_port]), retries=0) as redis:
        with pytest.raises(RedisUnavailable, match=r"^Redis at dispatch \(Sentinel at 127.0.0.1:\d+\) is unavailable"):
            await check(redis)


def test_a_url_that_cannot_be_used_is_refused_without_its_password() -> None:
    with pytest.raises(RedisUnavailable, match="needs the option master=NAME") as refused:
        connect("redis+sentinel://:swordfish@127.0.0.1")
    assert "swordfish" not in str(refused.value)
