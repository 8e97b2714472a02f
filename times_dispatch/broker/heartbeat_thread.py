"""The heartbeats of a process without an event loop of ours (beat, Flower): a thread of their own sends them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from redis.asyncio import Redis

from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.heartbeats import Heartbeat, ProcessKind

_STOP_WITHIN_S = 2.0


class HeartbeatThread:
    """Sends heartbeats from ``start`` to ``stop``; the thread keeps no process alive."""

    def __init__(
        self,
        redis_url: str,
        kind: ProcessKind,
        *,
        path: str = "",
        beside: Callable[[Redis, asyncio.Event], Awaitable[None]] | None = None,
    ) -> None:
        """Make the thread.

        Args:
            redis_url: the address of the ledger.
            kind: the kind of the process.
            path: a file that is touched with each heartbeat; empty for none.
            beside: another loop of this thread; it gets the ledger, and ends when the event (the stop) is set.
        """
        self._beside = beside
        self._redis_url = redis_url
        self._kind = kind
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="dispatch-heartbeats", daemon=True)

    def start(self) -> None:
        """Start the thread, and return at once."""
        self._thread.start()

    def stop(self) -> None:
        """Take the process from the list, and end the thread."""
        with suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_STOP_WITHIN_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._beat())

    async def _beat(self) -> None:
        async with connect(self._redis_url, max_connections=2) as redis, asyncio.TaskGroup() as group:
            group.create_task(Heartbeat(redis, self._kind, path=self._path).run(self._stop))
            if self._beside:
                group.create_task(_run(self._beside, redis, self._stop))


async def _run(beside: Callable[[Redis, asyncio.Event], Awaitable[None]], redis: Redis, stop: asyncio.Event) -> None:
    await beside(redis, stop)
