"""The one event loop of a worker process, in a thread of its own; pool threads only park in it."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


class LoopStopped(Exception):
    """The loop does not run (any more): the process is stopping."""


class LoopThread:
    """An event loop that lives from ``start`` to ``stop``."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="dispatch-loop", daemon=True)
        self._started = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()
        self._started.wait()

    def call(self, coroutine: Coroutine[Any, Any, T], *, timeout_s: float | None = None) -> T:
        """Run a coroutine on the loop and park until it is done.

        Raises what it raises, ``TimeoutError`` (then it is cancelled), or ``LoopStopped``.
        """
        with self._changing:
            if self._loop is None:
                coroutine.close()
                raise LoopStopped
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise

    def stop(self, *, timeout_s: float = 5.0) -> None:
        """Cancel what still runs, so that nobody is left parked, stop the loop and end the thread."""
        with self._changing:
            loop, self._loop = self._loop, None
        if loop:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            loop = self._loop = runner.get_loop()
            self._started.set()
            loop.run_forever()
