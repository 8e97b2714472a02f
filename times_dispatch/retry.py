"""Retries calls: the caller names the errors, the waits and the end of the retries."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from times_dispatch.clock import SYSTEM_CLOCK, Clock

T = TypeVar("T")


class Backoff:
    """Waits that double from ``first_s`` to ``max_s``; each wait is shortened by up to half at random (jitter)."""

    def __init__(self, *, first_s: float, max_s: float, rng: random.Random | None = None) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._rng = rng or random.Random()
        self._next_s = first_s

    def next_s(self) -> float:
        """Return how long to wait now, in seconds; the next wait is twice as long."""
        wait_s = self._next_s * self._rng.uniform(0.5, 1.0)
        self._next_s = min(self._next_s * 2, self._max_s)
        return wait_s

    def reset(self) -> None:
        """Make the next wait ``first_s`` long again."""
        self._next_s = self._first_s


async def retry(
    call: Callable[[], Awaitable[T]],
    *,
    on: tuple[type[Exception], ...],
    only_if: Callable[[Exception], bool] = lambda _: True,
    backoff: Backoff,
    before_wait: Callable[[Exception], None] = lambda _: None,
    clock: Clock = SYSTEM_CLOCK,
    stop: asyncio.Event | None = None,
) -> T:
    """Call until a call succeeds, and return its result.

    Args:
        call: makes one attempt.
        on: the types of errors after which the call may be repeated; any other error is raised unchanged.
        only_if: returns whether the call is repeated after an error of *on*; if not, the error is raised unchanged.
        backoff: the waits after failed attempts.
        before_wait: called with each error before the wait; an error that ``before_wait`` raises ends the retries.
        clock: the clock that the waits use.
        stop: an event that ends a wait; the error before the wait is then raised. None for retries without a stop.
    """
    while True:
        try:
            return await call()
        except on as error:
            if not only_if(error):
                raise
            before_wait(error)
            if stop and await clock.wait(stop, backoff.next_s()):
                raise
        if not stop:
            await clock.sleep(backoff.next_s())
