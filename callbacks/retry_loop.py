"""The loop of a callbacks process: step after step until the stop, whatever error a step raises."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.errors import is_transient
from times_dispatch.retry import Backoff
from times_dispatch.settings.logs import failure

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Failed:
    """The outcome of a call that raised an error."""

    error: Exception


async def attempt(call: Callable[[], Awaitable[T]]) -> T | Failed:
    """Make a call; return its result, or the error that it raised.

    This is the one place in callbacks that catches every error: neither an unusable Redis nor a report of an unforeseen
    shape may end a process. The caller logs the error or raises it again.
    """
    try:
        return await call()
    except Exception as error:  # noqa: BLE001  # see above
        return Failed(error)


async def run_forever(
    step: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    *,
    ends_on: type[Exception] | tuple[type[Exception], ...] = (),
    clock: Clock = SYSTEM_CLOCK,
    rng: random.Random | None = None,
) -> None:
    """Repeat a step until the stop. After a step that raised an error, log the error and wait a little.

    Args:
        step: is called again and again, never twice at once.
        stop: ends the loop after the running step, and ends a wait at once.
        ends_on: errors that end the loop: they are raised.
        clock: the clock that the waits use.
        rng: shortens the waits at random.
    """
    backoff = Backoff(first_s=0.1, max_s=2.0, rng=rng)
    is_waiting_for_redis = False
    while not stop.is_set():
        outcome = await attempt(step)
        if not isinstance(outcome, Failed):
            if is_waiting_for_redis:
                log.info("redis can be used again")
            is_waiting_for_redis = False
            backoff.reset()
            continue
        if isinstance(outcome.error, ends_on):
            raise outcome.error
        if not is_transient(outcome.error):
            log.error("a step failed; going on with the next", **failure(outcome.error))
        elif not is_waiting_for_redis:
            log.warning("redis cannot be used; waiting for it", error=type(outcome.error).__name__)
            is_waiting_for_redis = True
        await clock.wait(stop, backoff.next_s())
