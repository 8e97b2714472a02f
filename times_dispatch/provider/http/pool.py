"""The connections to one origin: kept while they are useful, bounded in number, watched by one clock."""

import asyncio
from collections import deque
from typing import Final

from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.failures import Failure, NotSent
from times_dispatch.provider.http.connection import Connection
from times_dispatch.provider.http.dialing import Dialer

_LONGEST_TICK_S: Final = 0.25
_TICKS: Final = 20
"""Time-outs are kept to a twentieth of themselves, or to a quarter of a second."""


class Pool:
    """Hands out connections; the one used last goes first, so that those not needed grow idle and are closed.

    All time-outs are kept by one timer that looks at every connection: a timer for each push would cost more than its
    parsing does.
    """

    def __init__(self, provider: Provider, dialer: Dialer) -> None:
        self.dialer = dialer
        self._limit = provider.max_connections
        self._patience_s = provider.connect_timeout_s
        self._keep_idle_s = provider.keep_idle_s
        self._tick_s = min(_LONGEST_TICK_S, provider.total_timeout_s / _TICKS, provider.keep_idle_s / 2)
        self._open = 0
        """Connections, those that are being made included."""
        self._connections: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._closed = False
        self._gone: asyncio.Future[None] | None = None

    def take_idle(self) -> Connection | None:
        """Return a connection that is ready now."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
            connection.close()
        return None

    async def take(self, deadline: float) -> Connection:
        """Return a connection, made anew or waited for until the deadline at the most; raise NotSent."""
        loop = asyncio.get_running_loop()
        if self._open >= self._limit and (handed := await self._wait(deadline)):
            return handed
        if self._closed:
            raise NotSent(Failure.POOL_TIMEOUT)
        self._open += 1
        try:
            connection = await self.dialer.dial(min(self._patience_s, deadline - loop.time()))
        except BaseException:
            self._leave()
            raise
        self._connections.add(connection)
        connection.on_lost = self._lost
        if connection.closed:
            self._lost(connection)
        elif self._watch is None:
            self._look_later(loop)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Take a connection back after its exchange."""
        if self._closed or not connection.reusable:
            connection.close()
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)

    async def close(self) -> None:
        """Close everything; exchanges under way are lost, whoever waits gets nothing."""
        self._closed = True
        if self._watch:
            self._watch.cancel()
        for connection in self._connections:
            connection.close()
        while self._waiting:
            self._wake()
        if self._connections:
            self._gone = asyncio.get_running_loop().create_future()
            await self._gone  # the loop takes a turn or two to let go of them

    async def _wait(self, deadline: float) -> Connection | None:
        """Wait in the row; return a connection, or None if one may be made."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout_at(min(loop.time() + self._patience_s, deadline)):
                return await waiter
        except BaseException as error:
            self._pass_on(waiter)
            if not isinstance(error, TimeoutError):
                raise
        raise NotSent(Failure.POOL_TIMEOUT)

    def _pass_on(self, waiter: "asyncio.Future[Connection | None]") -> None:
        """Leave the row; what had been handed over in the same moment goes to the next."""
        if not waiter.done() or waiter.cancelled():
            waiter.cancel()
        elif connection := waiter.result():
            self.give_back(connection)
        else:
            self._wake()

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._gone and not self._connections and not self._gone.done():
            self._gone.set_result(None)
        self._leave()

    def _leave(self) -> None:
        self._open -= 1
        self._wake()

    def _wake(self) -> None:
        """Let the first that waits make a connection."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watch = loop.call_later(self._tick_s, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """End exchanges whose time is over, and connections that nobody needed for long."""
        now = loop.time()
        for connection in [one for one in self._connections if one.deadline <= now]:
            connection.expire()
        while self._idle and (self._idle[0].closed or self._idle[0].idle_since + self._keep_idle_s <= now):
            self._idle.popleft().close()
        self._watch = None
        if self._connections:
            self._look_later(loop)
