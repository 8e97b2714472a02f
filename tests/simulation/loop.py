"""An event loop with virtual time, and the simulated processes that run on the loop.

The loop never waits: when no callback is ready, time jumps to the next timer. The context of each callback names its
process, so that a frozen process runs no callback until it thaws, and a killed process never runs again: not even its
``finally`` blocks, as after a real SIGKILL.
"""

import asyncio
import contextvars
import heapq
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from times_dispatch.clock import SystemClock

T = TypeVar("T")

_KEPT: list[object] = []
"""The tasks of all loops of this Python process, which are kept until its end."""

_PROCESS: contextvars.ContextVar["SimulatedProcess | None"] = contextvars.ContextVar("process", default=None)


class SimulationStuck(Exception):
    """No callback is ready and no timer is set, but the simulation has not ended."""


class SimulatedProcess:
    """One operating-system process of the simulation, which can be frozen, thawed and killed with all its tasks."""

    def __init__(self, loop: "SimulatedLoop", name: str) -> None:
        self.name = name
        self.is_alive = True
        self.is_frozen = False
        self._loop = loop
        self._deferred: list[asyncio.Handle] = []

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run a coroutine as part of this process, even if other code calls this method."""
        context = contextvars.copy_context()
        context.run(_PROCESS.set, self)
        return self._loop.create_task(coroutine, context=context)

    def freeze(self) -> None:
        """Stop as with SIGSTOP: callbacks that become ready wait until ``thaw``."""
        self.is_frozen = True

    def thaw(self) -> None:
        """Continue as with SIGCONT: run the callbacks that became ready meanwhile, in their order."""
        self.is_frozen = False
        self._loop.put_back(self._deferred)
        self._deferred = []

    def kill(self) -> None:
        """End as with SIGKILL: no callback of the process runs again."""
        self.is_alive = False
        self._deferred = []

    def admits(self, handle: asyncio.Handle) -> bool:
        """Return whether a callback of this process may run now; keep it for later if the process is frozen."""
        if self.is_alive and self.is_frozen:
            self._deferred.append(handle)
        return self.is_alive and not self.is_frozen


def current_process() -> SimulatedProcess | None:
    """Return the process whose code is running; None for code of the simulation itself."""
    return _PROCESS.get()


class _Task(asyncio.Task[Any]):
    """A task whose hash depends on the order of creation and not on its address, so that sets have a fixed order."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], *, number: int, **options: Any) -> None:
        self._number = number
        self._log_destroy_pending = False
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


class _Handle(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(_PROCESS)  # type: ignore[attr-defined]
        if process is None or process.admits(self):
            super()._run()


class _TimerHandle(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        process = self._context.get(_PROCESS)  # type: ignore[attr-defined]
        if process is None or process.admits(self):
            super()._run()


class _JumpingSelector:
    """A selector without files: instead of waiting, it lets virtual time pass."""

    def __init__(self, loop: "SimulatedLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise SimulationStuck("nothing is ready and nothing is scheduled")
        self._loop.pass_time(timeout)
        return []

    def close(self) -> None:
        pass


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop whose time is virtual. It has no sockets, signals or threads."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_s = 0.0
        self._tasks_made = 0
        self._selector = _JumpingSelector(self)
        self._clock_resolution = 1e-9

    def create_task(self, coro: Any, **options: Any) -> "asyncio.Task[Any]":
        """Create a task, and keep it: a collected task of a killed process would run its ``finally`` blocks."""
        self._tasks_made += 1
        task = _Task(coro, number=self._tasks_made, loop=self, **options)
        _KEPT.append(task)
        return task

    def time(self) -> float:
        """Return virtual seconds since the start."""
        return self._virtual_s

    def pass_time(self, seconds: float) -> None:
        """Let virtual time pass; the selector calls this method when no callback is ready."""
        if seconds > 0:
            # At least the smallest step of a float of this size, or the next timer would never be due.
            self._virtual_s += max(seconds, 1e-6)

    def put_back(self, handles: list[asyncio.Handle]) -> None:
        """Make handles ready again that a frozen process could not run."""
        self._ready.extend(handles)  # type: ignore[attr-defined]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule a callback as part of the calling process."""
        timer = _TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Make a callback ready as part of the calling process."""
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def run_in_executor(self, executor: object, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":  # type: ignore[override]
        """Run a function at once: there are no threads."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # passed on to the awaiting task
            future.set_exception(error)
        return future

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class SimulatedClock(SystemClock):
    """``times_dispatch.clock.Clock`` with virtual time; a run can set the host's clock, but not the monotonic one."""

    def __init__(self, loop: SimulatedLoop, *, epoch_s: float) -> None:
        self._loop = loop
        self._epoch_s = epoch_s
        self.offset_s = 0.0
        """By how much this host's clock is ahead of the true time."""

    def monotonic(self) -> float:
        return self._loop.time()

    def time(self) -> float:
        return self._epoch_s + self._loop.time() + self.offset_s
