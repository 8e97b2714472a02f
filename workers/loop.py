"""The event loop of a worker process, in a thread of its own; the threads of Celery's pool wait for its results."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


class LoopStopped(Exception):
    """The loop does not run: the process is stopping, or was never started."""


class LoopThread:
    """An event loop that lives from ``start`` to ``stop``."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="dispatch-loop", daemon=True)
        self._started = threading.Event()

    def start(self) -> None:
        """Start the thread, and wait until the loop is there."""
        self._thread.start()
        self._started.wait()

    def call(self, coroutine: Coroutine[Any, Any, T], *, timeout_s: float | None = None) -> T:
        """Run a coroutine on the loop, block the calling thread until the coroutine is done, and return its result.

        Raises:
            LoopStopped: the loop does not run.
            TimeoutError: the coroutine took longer than *timeout_s*; it is cancelled.
        """
        with self._lock:
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
        """Cancel every coroutine, so that no thread waits for its result; stop the loop and end its thread."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            loop = self._loop = runner.get_loop()
            self._started.set()
            loop.run_forever()
