"""The loop of a callbacks process: repeats a step until the stop, also after a step that raised an error."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import structlog

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.errors import is_transient
from times_dispatch.retry import Backoff, retry
from times_dispatch.settings.logs import failure
from times_dispatch.tls_options import connection_problem

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Failed:
    """The outcome of a call that raised an error."""

    error: Exception


async def attempt(call: Callable[[], Awaitable[T]]) -> T | Failed:
    """Make a call; return its result, or the error that it raised.

    This is the only place in callbacks that catches every error: neither an unavailable Redis nor a report of an
    unforeseen shape may end a process. The caller logs the error or raises it again.
    """
    try:
        return await call()
    except Exception as error:  # noqa: BLE001  # see above
        return Failed(error)


class _StepFailed(Exception):
    """A step raised an error after which the loop goes on."""

    def __init__(self, error: Exception) -> None:
        self.error = error


async def run_forever(
    step: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    *,
    ends_on: type[Exception] | tuple[type[Exception], ...] = (),
    clock: Clock = SYSTEM_CLOCK,
    rng: random.Random | None = None,
) -> None:
    """Repeat a step until the stop. After a step that raised an error, log the error and wait up to two seconds.

    Args:
        step: called again and again, never twice at once.
        stop: ends the loop after the running step, and ends a wait at once.
        ends_on: errors that end the loop, and are raised.
        clock: the clock that the waits use.
        rng: shortens the waits at random.
    """
    backoff = Backoff(first_s=0.1, max_s=2.0, rng=rng)
    is_waiting_for_redis = False

    async def try_step() -> None:
        outcome = await attempt(step)
        if isinstance(outcome, Failed):
            raise outcome.error if isinstance(outcome.error, ends_on) else _StepFailed(outcome.error)

    def log_failure(failed: Exception) -> None:
        nonlocal is_waiting_for_redis
        error = failed.error if isinstance(failed, _StepFailed) else failed
        if not is_transient(error):
            log.error("a step failed; going on with the next", **failure(error))
        elif not is_waiting_for_redis:
            log.warning("redis unavailable; waiting for it", error=connection_problem(error))
            is_waiting_for_redis = True

    with suppress(_StepFailed):  # raised if the stop ends the wait after a failed step
        while not stop.is_set():
            await retry(try_step, on=(_StepFailed,), backoff=backoff, before_wait=log_failure, clock=clock, stop=stop)
            if is_waiting_for_redis:
                log.info("redis is available again")
            is_waiting_for_redis = False
            backoff.reset()
