"""The pool of connections to a server of the ledger, which closes connections that were idle for some time.

A burst of calls opens many connections. redis-py keeps all connections, and reuses the connections that were returned
last. So the other connections would stay open for good, and half open (``CLOSE_WAIT``) after the server closed them.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

MAX_IDLE_S: Final = 60.0
"""A connection that was idle for this many seconds is closed when another connection is returned."""


class LedgerPool(BlockingConnectionPool):
    """A pool whose calls wait for a free connection, and whose unused connections are closed."""

    max_idle_s = MAX_IDLE_S

    async def get_connection(self, *args: Any, **kwargs: Any) -> AbstractConnection:
        """Take a connection out of the pool, and wait for one if necessary.

        Before Python 3.13, ``asyncio.Condition`` loses the notification of a call that is cancelled, or times out, in
        the same turn of the event loop. Another call would then wait until its time-out although a connection is free.
        """
        connection: AbstractConnection
        try:
            connection = await super().get_connection(*args, **kwargs)  # type: ignore[no-untyped-call]
        except (asyncio.CancelledError, RedisError):
            async with self._condition:
                self._condition.notify()
            raise
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back, and close the connections that have been idle for too long."""
        now_s = time.monotonic()
        connection.returned_s = now_s  # type: ignore[attr-defined]
        await super().release(connection)
        # The list is a stack: its first connection was returned before all others.
        idle = self._available_connections
        while idle and idle[0].returned_s < now_s - self.max_idle_s:  # type: ignore[attr-defined]
            with suppress(RedisError):
                await idle.pop(0).disconnect(nowait=True)
