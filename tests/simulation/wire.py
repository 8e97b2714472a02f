"""The wire between the Redis client and a real server: calls take virtual time, get lost, or lose their answers.

The client is redis-py's, with its pool, retries and pipelines; only the connection is simulated. A command travels
outside the process that sent it: it reaches the server even if that process is frozen or killed meanwhile.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from random import Random
from typing import Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

from tests.simulation.server import SimulatedServer
from tests.simulation.server_socket import Command
from tests.simulation.virtual_scripts import CLOCK_LIB
from times_dispatch.ledger.scripts import replaced_lib

SOCKET_TIMEOUT_S = 5.0
NORMAL_ONE_WAY_S = 0.0002
_NO_PROCESS = contextvars.Context()


class SimulatedWire:
    """The connection of one process to the server: how long calls take, and how many calls are lost."""

    def __init__(self, server: SimulatedServer, random: Random) -> None:
        self.server = server
        self._random = random
        self.one_way_s = NORMAL_ONE_WAY_S
        """The mean travel time of a command or an answer, in seconds; a travel takes 0.5 to 1.5 times as long."""
        self.request_loss = 0.0
        """The share of calls that fail before the server receives them."""
        self.answer_loss = 0.0
        """The share of calls that the server executes, but whose answer is lost."""
        self.is_cut = False
        """Whether connections are refused at once."""
        self.is_silent = False
        """Whether commands are lost without an error, so that calls end with a time-out."""

        self.arrives_late_s = 0.0
        """How many seconds after the time-out of its sender a command still arrives."""

    def heal(self) -> None:
        """End all faults of the wire."""
        self.one_way_s, self.request_loss, self.answer_loss = NORMAL_ONE_WAY_S, 0.0, 0.0
        self.is_cut = self.is_silent = False
        self.arrives_late_s = 0.0

    async def connect(self) -> None:
        """Open a connection; raise a Redis error if connections are refused."""
        await asyncio.sleep(self._travel_s())
        if self.is_cut or not self.server.is_up:
            raise exceptions.ConnectionError("connection refused")

    async def call(self, commands: list[Command]) -> list[Any]:
        """Carry commands to the server, and return the answers; raise a Redis error if commands or answers are lost."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Any]] = loop.create_future()
        loop.call_later(self._travel_s(), self._arrive, commands, answer, context=_NO_PROCESS)
        return await answer

    def _travel_s(self) -> float:
        return self.one_way_s * (0.5 + self._random.random())

    def _arrive(self, commands: list[Command], answer: "asyncio.Future[list[Any]]") -> None:
        loop = answer.get_loop()
        if self.is_cut or not self.server.is_up:
            _fail(answer, exceptions.ConnectionError("the wire is cut"))
        elif self.request_loss and self._random.random() < self.request_loss:
            _fail(answer, exceptions.ConnectionError("the connection broke on the way to the server"))
        elif self.is_silent or self.arrives_late_s:
            error = exceptions.TimeoutError("no answer in time")
            loop.call_later(SOCKET_TIMEOUT_S, _fail, answer, error, context=_NO_PROCESS)
            if self.arrives_late_s:
                late_s = SOCKET_TIMEOUT_S + self.arrives_late_s
                loop.call_later(late_s, self._execute, commands, answer, context=_NO_PROCESS)
        elif self.server.is_frozen:
            timeout = loop.call_later(
                SOCKET_TIMEOUT_S, _fail, answer, exceptions.TimeoutError("no answer in time"), context=_NO_PROCESS
            )

            def execute() -> None:
                timeout.cancel()
                self._execute(commands, answer)

            self.server.when_thawed(execute)
        else:
            self._execute(commands, answer)

    def _execute(self, commands: list[Command], answer: "asyncio.Future[list[Any]]") -> None:
        replies = self.server.execute(commands)
        if self.answer_loss and self._random.random() < self.answer_loss:
            _fail(answer, exceptions.ConnectionError("the connection broke on the way back"))
        else:
            answer.get_loop().call_later(self._travel_s(), self._return, replies, answer, context=_NO_PROCESS)

    def _return(self, replies: list[Any], answer: "asyncio.Future[list[Any]]") -> None:
        if self.is_cut or not self.server.is_up:
            _fail(answer, exceptions.ConnectionError("the wire is cut"))
        elif not answer.done():
            answer.set_result(replies)


def _fail(answer: "asyncio.Future[list[Any]]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
        answer.exception()  # the waiting task may have ended


class _Packed(list[Command]):
    """Commands for ``send_packed_command`` that are not packed, because only the real connection packs commands."""

    __slots__ = ()


class WireConnection(AbstractConnection):
    """A connection of redis-py's asyncio client that uses a ``SimulatedWire``."""

    def __init__(self, *, wire: SimulatedWire, **options: Any) -> None:
        super().__init__(**options)
        self._wire = wire
        self._is_up = False
        self._replies: deque[Any] = deque()

    @property
    def is_connected(self) -> bool:
        return self._is_up

    async def connect(self) -> None:
        if not self._is_up:
            await self._wire.connect()
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

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if not self._is_up:
            await self.connect()
        async with AsyncExitStack() as if_it_fails:
            if_it_fails.push_async_callback(self.disconnect)
            blocks = command[0][0] == "XREADGROUP" and b"BLOCK" in command[0]
            self._replies.extend(await (self._blocking(command[0]) if blocks else self._wire.call(command)))
            if_it_fails.pop_all()

    async def read_response(self, *_: Any, **__: Any) -> Any:
        reply = self._replies.popleft()
        if isinstance(reply, exceptions.ResponseError):
            raise reply
        return reply

    async def _blocking(self, command: Command) -> list[Any]:
        """Execute a blocking read without blocking the server: read again after a new entry or the end of the time."""
        at = command.index(b"BLOCK")
        server, loop = self._wire.server, asyncio.get_running_loop()
        until = loop.time() + int(command[at + 1]) / 1000 * server.reads_wait_longer
        asked = (*command[:at], *command[at + 2 :])
        while True:
            replies = await self._wire.call([asked])
            left = until - loop.time()
            if replies[0] or left <= 0:
                return replies
            stream = str(command[command.index(b"STREAMS") + 1]).encode()
            await server.wait_for_entry(stream, (str(command[2]).encode(), str(command[3]).encode()), left)

    async def _connect(self) -> None:
        await self.connect()

    def _host_error(self) -> str:
        return "simulated server"

    def repr_pieces(self) -> list[tuple[str, Any]]:
        return [("wire", id(self._wire))]


def connect(wire: SimulatedWire, *, retries: int = 3) -> Redis:
    """Make an asyncio client over a wire, with the same retries as the product's client."""
    pool = BlockingConnectionPool(
        connection_class=WireConnection,
        wire=wire,
        max_connections=64,
        timeout=SOCKET_TIMEOUT_S,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), retries),
    )
    return Redis.from_pool(pool)


@contextmanager
def clock_exchanged() -> Iterator[None]:
    """Let scripts that are made inside this context read the simulation's clock."""
    with replaced_lib("clock", CLOCK_LIB):
        yield
