"""Time, handed to whatever waits: processes use the system's clock, tests and simulations their own."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Clock(Protocol):
    """What a component may ask of time. Everything that waits takes one, so that a test need not wait in earnest."""

    def monotonic(self) -> float:
        """Return seconds since some moment; never goes back."""

    def time(self) -> float:
        """Return seconds since the epoch by the host's clock, which may be set."""

    async def sleep(self, seconds: float) -> None:
        """Wait; a time of 0 or less lets other tasks go first and returns."""

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        """Wait for an event, at most so long; return whether it is set."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Cancel the block that it guards when it takes longer; the block then raises TimeoutError."""


class SystemClock:
    """The clock of this host, and the waits of its event loop."""

    # No method around it: a worker asks several times per push.
    monotonic = staticmethod(time.monotonic)

    def time(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        """Wait for the event on the running event loop; the time-out is no error."""
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
