"""Waits for a condition that another thread, task or process fulfils, and for the tasks of the event loop."""

import asyncio
import time
from collections.abc import Callable
from inspect import isawaitable
from typing import Any


def wait_until(
    condition: Callable[[], object],
    what: str | Callable[[], str] = "the condition",
    *,
    within_s: float = 120.0,
    every_s: float = 0.2,
) -> None:
    """Return when the condition is true; fail after *within_s* seconds.

    Args:
        condition: returns whether the wait is over.
        what: the name of the condition in the failure, or a function that returns the name when the wait has failed.
        within_s: the longest wait, in seconds; long by default, so that a busy machine fails no test.
        every_s: the time between two checks of the condition, in seconds.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {within_s:g} s for {what() if callable(what) else what}"
        time.sleep(every_s)


async def eventually(call: Callable[[], Any], *, within_s: float = 120.0, every_s: float = 0.005) -> Any:
    """Repeat a call until its result is true, and return the result; fail after *within_s* seconds.

    Args:
        call: returns the result, or an awaitable of the result.
        within_s: the longest wait, in seconds; long by default, so that a busy machine fails no test.
        every_s: the time between two calls, in seconds; 0 only lets the other tasks of the event loop run.
    """

    async def result() -> Any:
        returned = call()
        return await returned if isawaitable(returned) else returned

    async with asyncio.timeout(within_s):
        while not (answer := await result()):
            await asyncio.sleep(every_s)
    return answer


async def loop_turns(turns: int = 5) -> None:
    """Let the event loop run some turns: tasks that can run do, and bytes on the host's own sockets are read."""
    for _ in range(turns):
        await asyncio.sleep(0)
