"""Waits for a condition that another thread or process fulfils, and for the tasks of the event loop."""

import asyncio
import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], object], what: str = "the condition", *, within_s: float = 120.0, every_s: float = 0.2
) -> None:
    """Return when the condition is true; fail after *within_s* seconds.

    Args:
        condition: returns whether the wait is over.
        what: the name of the condition in the failure.
        within_s: the longest wait, in seconds; long by default, so that a busy machine fails no test.
        every_s: the time between two checks of the condition, in seconds.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {within_s:g} s for {what}"
        time.sleep(every_s)


async def loop_turns(turns: int = 5) -> None:
    """Let the event loop run some turns: tasks that can run do, and bytes on the host's own sockets are read."""
    for _ in range(turns):
        await asyncio.sleep(0)
