"""Failed calls to the ledger, outside of a batch: how they are logged, and how a process waits for its first calls."""

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from times_dispatch.clock import Clock
from times_dispatch.ledger.connection import RedisUnavailable
from times_dispatch.ledger.errors import LEDGER_ERRORS, is_transient
from times_dispatch.retry import Backoff, retry
from times_dispatch.settings.logs import failure
from times_dispatch.tls_options import connection_problem

log = structlog.get_logger(__name__)

T = TypeVar("T")

_MAX_WAIT_S = 1.0


def log_failed_call(error: Exception, *, doing: str) -> None:
    """Log the error of a call to the ledger that will be repeated; *doing* names the call."""
    if is_transient(error):
        log.warning("ledger unavailable", error=connection_problem(error), doing=doing)
    else:
        log.error("a call to the ledger failed", doing=doing, **failure(error))


async def call_at_start(call: Callable[[], Awaitable[T]], *, clock: Clock, rng: random.Random) -> T:
    """Make a call that a process needs before it begins its work; repeat the call until it succeeds.

    The call is repeated also after an error that is not transient: the process waits until a person has repaired the
    ledger's data.
    """
    return await retry(
        call,
        on=(RedisUnavailable, *LEDGER_ERRORS),
        backoff=Backoff(first_s=_MAX_WAIT_S, max_s=_MAX_WAIT_S, rng=rng),
        before_wait=_log_at_start,
        clock=clock,
    )


def _log_at_start(error: Exception) -> None:
    if isinstance(error, RedisUnavailable):
        log.warning("ledger unavailable", error=str(error), doing="start")
    else:  # the text of any other error may hold a password
        log_failed_call(error, doing="start")
