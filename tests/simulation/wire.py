"""The wire between the Redis client and a real server: calls take virtual time, get lost, or lose their answers.

The client is redis-py's own, with its pool, retries and pipelines; only its connection is ours. A command reaches the
server at once when its virtual travel is over, and the server's answers travel back. The server's clock is the
simulation's: scripts read it from a key (see ``CLOCK_LIB``), and ``TIME`` is answered here.
"""

import asyncio
import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

import redis as sync_redis
from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

from tests.simulation.loop import SimulatedLoop
from times_dispatch.ledger.scripts import exchanged_lib

CLOCK_KEY = "simulation:now_us"
CLOCK_LIB = f"""
local function now_us()
  return tonumber(redis.call('GET', '{CLOCK_KEY}'))
end
"""


class Server:
    """The real server, reached without waiting; its clock is virtual and can be set."""

    def __init__(self, url: str, loop: SimulatedLoop, *, epoch_s: float) -> None:
        self._client = sync_redis.Redis.from_url(url)
        self._connection: Any = self._client.connection_pool.get_connection()
        self._loop = loop
        self._epoch_s = epoch_s
        self._expiries: dict[bytes | str, float] = {}
        self.offset_s = 0.0
        """By how much the server's clock is ahead of the true time."""
        self.is_up = True
        self.calls = 0

    def now_us(self) -> int:
        """Return the server's time in microseconds since the epoch."""
        return round((self._epoch_s + self._loop.time() + self.offset_s) * 1e6)

    def execute(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Execute commands at this moment of virtual time; an error of the server stands in its command's place."""
        self.calls += len(commands)
        due = [key for key, at_us in self._expiries.items() if at_us <= self.now_us()]
        for key in due:
            del self._expiries[key]
        before: list[tuple[Any, ...]] = [("SET", CLOCK_KEY, self.now_us())]
        if due:
            before.append(("UNLINK", *due))
        sent = [self._translated(command) for command in commands]
        self._connection.send_packed_command(self._connection.pack_commands([*before, *sent]))
        replies = [self._reply() for _ in (*before, *sent)][len(before) :]
        return [
            self._time() if _word(command[0]) == "TIME" else reply
            for command, reply in zip(commands, replies, strict=True)
        ]

    def snapshot(self) -> dict[bytes, bytes]:
        """Return everything that the server holds."""
        keys = self._client.keys("*")
        return {key: self._client.dump(key) for key in keys}  # type: ignore[union-attr,misc]

    def put_back(self, snapshot: dict[bytes, bytes]) -> None:
        """Let the server hold what it held when the snapshot was made, and nothing else: what came since is lost."""
        self._client.flushall()
        for key, value in snapshot.items():
            self._client.restore(key, 0, value)

    def close(self) -> None:
        """Close the connection."""
        self._client.connection_pool.release(self._connection)
        self._client.close()

    def _reply(self) -> Any:
        try:
            return self._connection.read_response()
        except exceptions.ResponseError as error:
            return error

    def _time(self) -> list[bytes]:
        seconds, microseconds = divmod(self.now_us(), 1_000_000)
        return [b"%d" % seconds, b"%d" % microseconds]

    def _translated(self, command: tuple[Any, ...]) -> tuple[Any, ...]:
        """Take the server's own clock out of a command: expiry is kept here, on virtual time."""
        name = _word(command[0])
        if name in {"SET", "GETEX"}:
            parts = list(command)
            for at, unit_us in ((_find(parts, "PX"), 1_000), (_find(parts, "EX"), 1_000_000)):
                if at:
                    self._expiries[parts[1]] = self.now_us() + int(parts[at + 1]) * unit_us
                    del parts[at : at + 2]
            return ("GET", parts[1]) if parts[0] == "GETEX" else tuple(parts)
        return command


def _word(part: Any) -> str:
    return (part.decode(errors="replace") if isinstance(part, bytes) else str(part)).upper()


def _find(parts: list[Any], word: str) -> int:
    """Return where an option stands in a command, 0 if nowhere."""
    return next((at for at, part in enumerate(parts) if at > 1 and _word(part) == word), 0)


class Wire:
    """How one process reaches the server: how long calls take, and how often they get lost."""

    def __init__(self, server: Server, random: Random) -> None:
        self._server = server
        self._random = random
        self.one_way_s = 0.0002
        """The mean time of a command's travel, and of an answer's."""
        self.request_loss = 0.0
        """The share of calls that break before the server saw them."""
        self.answer_loss = 0.0
        """The share of calls that the server executed, and whose answer never came."""
        self.is_cut = False

    async def travel(self) -> None:
        """Take the time of one way; raises a Redis error if there is no way."""
        await asyncio.sleep(self._random.expovariate(1 / self.one_way_s) if self.one_way_s else 0)
        if self.is_cut or not self._server.is_up:
            raise exceptions.ConnectionError("the wire is cut")

    async def call(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Carry commands to the server, and return its answers; raises a Redis error if either way fails."""
        await self.travel()
        if self._random.random() < self.request_loss:
            raise exceptions.ConnectionError("the connection broke on the way to the server")
        replies = self._server.execute(commands)
        if self._random.random() < self.answer_loss:
            raise exceptions.ConnectionError("the connection broke on the way back")
        await self.travel()
        return replies


class _Packed(tuple[tuple[Any, ...], ...]):
    """Commands on their way to ``send_packed_command``: they are packed for the real connection only."""

    __slots__ = ()


class WireConnection(AbstractConnection):
    """A connection of redis-py's asyncio client over a ``Wire``."""

    def __init__(self, *, wire: Wire, **options: Any) -> None:
        super().__init__(**options)
        self._wire = wire
        self._is_up = False
        self._replies: deque[Any] = deque()

    @property
    def is_connected(self) -> bool:
        return self._is_up

    async def connect(self) -> None:
        if not self._is_up:
            await self._wire.travel()
            self._is_up = True

    async def disconnect(self, *_: Any, **__: Any) -> None:
        self._is_up = False
        self._replies.clear()

    async def can_read(self) -> bool:
        return bool(self._replies)

    def pack_command(self, *arguments: Any) -> Any:
        return _Packed((arguments,))

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> Any:
        return _Packed(tuple(command) for command in commands)

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: ARG002
        await self.connect()
        try:
            for one in command:
                self._replies.extend(await self._blocking(one) if _blocks(one) else ())
            plain = [one for one in command if not _blocks(one)]
            if plain:
                self._replies.extend(await self._wire.call(plain))
        except BaseException:
            await self.disconnect()
            raise

    async def read_response(self, *_: Any, **__: Any) -> Any:
        reply = self._replies.popleft()
        if isinstance(reply, exceptions.ResponseError):
            raise reply
        return reply

    async def _blocking(self, command: tuple[Any, ...]) -> list[Any]:
        """Execute a blocking read without blocking the server: ask again until there is something, or time is up."""
        at = _find(list(command), "BLOCK")
        until = asyncio.get_running_loop().time() + int(command[at + 1]) / 1000
        asked = (*command[:at], *command[at + 2 :])
        while True:
            replies = await self._wire.call([asked])
            left = until - asyncio.get_running_loop().time()
            if replies[0] or left <= 0:
                return replies
            await asyncio.sleep(min(0.05, left))

    async def _connect(self) -> None:
        await self.connect()

    def _host_error(self) -> str:
        return "simulated server"

    def repr_pieces(self) -> list[tuple[str, Any]]:
        return [("wire", id(self._wire))]


def _blocks(command: tuple[Any, ...]) -> bool:
    return _word(command[0]) in {"XREADGROUP", "XREAD"} and bool(_find(list(command), "BLOCK"))


def connect(wire: Wire) -> Redis:
    """Make a client of the asyncio kind over a wire, with the retries that the product's own client has."""
    pool = BlockingConnectionPool(
        connection_class=WireConnection,
        wire=wire,
        max_connections=64,
        timeout=5,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), 3),
    )
    assert math.isfinite(pool.timeout or 0)
    return Redis.from_pool(pool)


@contextmanager
def clock_exchanged() -> Iterator[None]:
    """Let the scripts that are made meanwhile read the simulation's clock."""
    with exchanged_lib("clock", CLOCK_LIB):
        yield
