"""The pool of connections to one origin, with a maximum number of connections, and one timer for all time-outs."""

import asyncio
from collections import deque
from typing import Final

from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.http.connection import Connection
from times_dispatch.provider.http.dialing import Dialer
from times_dispatch.provider.push_errors import NotSent

_MAX_TICK_S: Final = 0.25
_TICKS_PER_TIMEOUT: Final = 20
"""A time-out may be late by a twentieth of its length, but at most by ``_MAX_TICK_S``."""


class Pool:
    """Lends the last used connection to a push first, so that superfluous connections stay idle and are closed.

    One timer checks the deadlines of all connections: a timer for each push would cost more than parsing its response.
    """

    def __init__(self, provider: Provider, dialer: Dialer) -> None:
        self.dialer = dialer
        self._limit = provider.max_connections
        self._connect_timeout_s = provider.connect_timeout_s
        self._keep_idle_s = provider.keep_idle_s
        self._tick_s = min(_MAX_TICK_S, provider.total_timeout_s / _TICKS_PER_TIMEOUT, provider.keep_idle_s / 2)
        self._open = 0
        """The number of connections, including connections that are being made."""
        self._connections: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._all_lost: asyncio.Future[None] | None = None

    def take_idle(self) -> Connection | None:
        """Return an idle connection, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
            connection.close()
        return None

    async def take(self, deadline: float) -> Connection:
        """Return a new connection, or one that another push releases before the deadline; otherwise raise NotSent."""
        loop = asyncio.get_running_loop()
        if self._open >= self._limit and (released := await self._wait(deadline)):
            return released
        if self._closed:
            raise NotSent(Failure.POOL_TIMEOUT)
        self._open += 1
        connection: Connection | None = None
        try:
            connection = await self.dialer.dial(min(self._connect_timeout_s, deadline - loop.time()))
        finally:
            if connection is None:
                self._forget_one()
        self._connections.add(connection)
        connection.on_lost = self._lost
        if connection.closed:
            self._lost(connection)
        elif self._timer is None:
            self._start_timer(loop)
        return connection

    def release(self, connection: Connection) -> None:
        """Lend a connection to the first waiting push after its exchange, or keep the connection idle."""
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
        """Close all connections: current exchanges fail, and waiting pushes get no connection."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        for connection in self._connections:
            connection.close()
        while self._waiting:
            self._wake_first_waiter()
        if self._connections:
            self._all_lost = asyncio.get_running_loop().create_future()
            await self._all_lost  # the loop reports closed connections a turn or two later

    async def _wait(self, deadline: float) -> Connection | None:
        """Wait in the queue; return a connection, or None if the caller may make one; raise NotSent at the time-out."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection | None] = loop.create_future()
        self._waiting.append(waiter)
        is_served = False
        try:
            async with asyncio.timeout_at(min(loop.time() + self._connect_timeout_s, deadline)):
                connection = await waiter
                is_served = True
                return connection
        except TimeoutError:
            pass
        finally:
            if not is_served:
                self._stop_waiting(waiter)
        raise NotSent(Failure.POOL_TIMEOUT)

    def _stop_waiting(self, waiter: "asyncio.Future[Connection | None]") -> None:
        """Leave the queue; release a connection that was lent at the same moment."""
        if not waiter.done() or waiter.cancelled():
            waiter.cancel()
        elif connection := waiter.result():
            self.release(connection)
        else:
            self._wake_first_waiter()

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._all_lost and not self._connections and not self._all_lost.done():
            self._all_lost.set_result(None)
        self._forget_one()

    def _forget_one(self) -> None:
        self._open -= 1
        self._wake_first_waiter()

    def _wake_first_waiter(self) -> None:
        """Allow the first waiting push to make a connection."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _start_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(self._tick_s, self._check_deadlines, loop)

    def _check_deadlines(self, loop: asyncio.AbstractEventLoop) -> None:
        """End exchanges whose deadline is over, and close connections that were idle for too long."""
        now = loop.time()
        for connection in [item for item in self._connections if item.deadline <= now]:
            connection.expire()
        while self._idle and (self._idle[0].closed or self._idle[0].idle_since + self._keep_idle_s <= now):
            self._idle.popleft().close()
        self._timer = None
        if self._connections:
            self._start_timer(loop)
