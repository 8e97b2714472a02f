"""The clock of components that wait: the system clock in processes, a fake clock in tests."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Clock(Protocol):
    """The time functions that a component may use. Every component that waits has a clock parameter, for tests."""

    def monotonic(self) -> float:
        """Return seconds since a fixed moment; the value never decreases."""

    def time(self) -> float:
        """Return seconds since the epoch by the host's clock, which a person may set at any time."""

    async def sleep(self, seconds: float) -> None:
        """Wait; after 0 seconds or less, return as soon as other tasks have run."""

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        """Wait for an event, at most *timeout_s* seconds; return whether the event is set."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Return a context that cancels its block after *seconds* seconds; the block then raises TimeoutError."""


class SystemClock:
    """The clock of this host, and the waits of its event loop."""

    # The attribute is the function itself instead of a method, because a worker calls it several times per push.
    monotonic = staticmethod(time.monotonic)

    def time(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        """Wait for the event on the running event loop; return False after the time-out."""
        if event.is_set():
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(seconds)


SYSTEM_CLOCK: Clock = SystemClock()
