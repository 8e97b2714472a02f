"""How a loop goes on: step after step, through whatever happens to Redis, until it is told to stop."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from callbacks.streams import is_trouble
from times_dispatch.settings.logs import failure

log = structlog.get_logger(__name__)


class Backoff:
    """Waits that double from ``first_s`` to ``longest_s``, with jitter; a stop ends them at once."""

    def __init__(self, stop: asyncio.Event, *, first_s: float, longest_s: float) -> None:
        self._stop = stop
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def reset(self) -> None:
        """Begin with the shortest again."""
        self._next_s = self._first_s

    async def wait(self) -> None:
        """Wait once."""
        wait_s = self._next_s * random.uniform(0.5, 1.0)
        self._next_s = min(self._next_s * 2, self._longest_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stop.wait()


async def run_forever(step: Callable[[], Awaitable[None]], stop: asyncio.Event) -> None:
    """Repeat a step until the stop.

    This is the place that survives everything: a step that failed is logged and, after a pause, tried again.
    """
    pause = Backoff(stop, first_s=0.1, longest_s=2.0)
    in_trouble = False
    while not stop.is_set():
        try:
            await step()
        except Exception as error:  # noqa: BLE001  # whatever it is, the loop goes on
            if not is_trouble(error):
                log.error("a step failed; going on", **failure(error))
            elif not in_trouble:
                log.warning("redis is in trouble; waiting for it", error=type(error).__name__)
                in_trouble = True
            await pause.wait()
        else:
            if in_trouble:
                log.info("redis is back")
                in_trouble = False
            pause.reset()
