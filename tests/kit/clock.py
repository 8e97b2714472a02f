"""A clock that stands still until a test moves it, and an event loop that waits for no timer."""

import asyncio
import heapq
import selectors
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from times_dispatch.clock import SystemClock


class FakeClock:
    """Implements ``times_dispatch.clock.Clock``; time passes only in ``advance``, and with *auto* in each sleep."""

    def __init__(self, *, now: float = 1_000.0, epoch: float = 1_790_000_000.0, auto: bool = False) -> None:
        self._now = now
        self._epoch = epoch - now
        self._auto = auto
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._number = count()
        self.slept: list[float] = []
        """The length of every sleep that was asked for, in seconds."""

    def monotonic(self) -> float:
        return self._now

    def time(self) -> float:
        return self._now + self._epoch

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._auto or seconds <= 0:
            self._now += max(seconds, 0.0)
            await asyncio.sleep(0)
            return
        due = asyncio.Event()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._number), due))
        await due.wait()

    async def wait(self, event: asyncio.Event, timeout_s: float) -> bool:
        if event.is_set():
            return True
        sleeping = asyncio.create_task(self.sleep(timeout_s))
        waiting = asyncio.create_task(event.wait())
        try:
            await asyncio.wait({sleeping, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waiting.cancel()
        return event.is_set()

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        """Expire only in ``advance``, also with *auto*: the guarded operation takes no time of this clock."""
        loop = asyncio.get_running_loop()
        due = asyncio.Event()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._number), due))
        async with asyncio.timeout(None) as limit:

            async def expire() -> None:
                await due.wait()
                limit.reschedule(loop.time())

            expiring = asyncio.create_task(expire())
            try:
                yield
            finally:
                expiring.cancel()

    async def advance(self, seconds: float) -> None:
        """Let running tasks reach their waits, then let time pass; a sleeping task runs before the next task is due."""
        await _run_tasks()
        until = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= until:
            due_at, _, due = heapq.heappop(self._sleepers)
            self._now = max(self._now, due_at)
            due.set()
            await _run_tasks()
        self._now = until
        await _run_tasks()

    async def stall(self, seconds: float) -> None:
        """Let time pass in one step, as for a process that does not run meanwhile; then run the tasks that are due."""
        await _run_tasks()
        self._now += seconds
        await self.advance(0)


async def _run_tasks() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class SkippingClock(SystemClock):
    """The system's clock, which a test can set forward; for tests that also wait for a real Redis."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def skip(self, seconds: float) -> None:
        """Set the clock forward by *seconds*; a wait that has begun is not shortened."""
        self._ahead_s += seconds

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead_s


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer when no task can run; for code without sockets and threads."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the seconds that the loop has skipped."""
        return self._jumping.skipped_s


class _JumpingSelector(selectors.DefaultSelector):
    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the sockets that are ready; skip the time until the next timer instead of waiting."""
        self.skipped_s += max(timeout or 0.0, 0.0)
        return super().select(None if timeout is None else 0.0)
