"""The heartbeats of a process without an event loop of ours (beat, Flower): a separate thread sends the heartbeats."""

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from redis.asyncio import Redis

from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.errors import LedgerNewer
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind
from times_dispatch.process_refused import REFUSED_EXIT_CODE

_STOP_WITHIN_S = 2.0


class HeartbeatThread:
    """Sends heartbeats from ``start`` to ``stop``; the thread does not keep its process alive.

    If a newer version wrote a ledger that this program cannot read, the thread prints this on stderr and ends the
    process.
    """

    def __init__(
        self,
        redis_url: str,
        kind: ProcessKind,
        *,
        path: str = "",
        beside: Callable[[Redis, asyncio.Event], Awaitable[None]] | None = None,
        end_process: Callable[[int], object] = os._exit,
    ) -> None:
        """Make the thread.

        Args:
            redis_url: the address of the ledger.
            kind: the kind of the process.
            path: a file that is touched with each heartbeat; empty for none.
            beside: another loop that runs in this thread; the loop gets the ledger and the stop event, and ends when
                the event is set.
            end_process: ends the process with an exit code after the other loop has ended. An exception of a thread can
                end neither Celery's beat nor Flower.
        """
        self._end_process = end_process
        self._newer: LedgerNewer | None = None
        self._beside = beside
        self._redis_url = redis_url
        self._kind = kind
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="dispatch-heartbeats", daemon=True)

    def start(self) -> None:
        """Start the thread, and return without waiting for a heartbeat."""
        self._thread.start()

    def stop(self) -> None:
        """Remove the process from the list of running processes, and end the thread."""
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
        if self._newer:
            sys.stderr.write(f"{self._newer}\n")
            sys.stderr.flush()
            self._end_process(REFUSED_EXIT_CODE)

    async def _beat(self) -> None:
        async with connect(self._redis_url, max_connections=2) as redis, asyncio.TaskGroup() as group:
            group.create_task(self._send_heartbeats(redis))
            if self._beside:
                group.create_task(_run(self._beside, redis, self._stop))

    async def _send_heartbeats(self, redis: Redis) -> None:
        try:
            await Heartbeat(redis, self._kind, path=self._path).run(self._stop)
        except LedgerNewer as newer:
            self._newer = newer
            self._stop.set()


async def _run(beside: Callable[[Redis, asyncio.Event], Awaitable[None]], redis: Redis, stop: asyncio.Event) -> None:
    await beside(redis, stop)
