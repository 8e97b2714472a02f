"""The senders' limits, from the settings into the ledger: a worker pushes nothing before they are there."""

import random

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from times_dispatch.clock import Clock
from times_dispatch.ledger.connection import RedisUnavailable, check
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import is_transient
from times_dispatch.ledger.model import SenderId
from times_dispatch.retry import Backoff, retry
from times_dispatch.settings.model import Settings
from times_dispatch.settings.prices import max_parts_per_day

log = structlog.get_logger(__name__)

_MAX_WAIT_S = 1.0


async def write_sender_limits(redis: Redis, settings: Settings, *, clock: Clock, rng: random.Random) -> None:
    """Check the ledger and write each sender's rate and daily cap into it; try until the ledger takes them."""
    await retry(
        lambda: _write_once(redis, settings),
        on=lambda error: isinstance(error, RedisUnavailable | RedisError | OSError),
        backoff=Backoff(first_s=_MAX_WAIT_S, max_s=_MAX_WAIT_S, rng=rng),
        before_wait=log_ledger_away_at_start,
        clock=clock,
    )


async def _write_once(redis: Redis, settings: Settings) -> None:
    for warning in await check(redis):
        log.warning("ledger", warning=warning)
    control = Control(redis)
    for name, sender in settings.senders.items():
        try:
            await control.configure_rate(SenderId(name), sender.rate_per_s)
            await control.configure_daily_cap(SenderId(name), max_parts_per_day(name, settings))
        except ResponseError as error:
            if is_transient(error):
                raise
            # The scripts need the same key: nothing of this sender can be sent, and all others begin.
            log.error("damaged in the ledger", sender=name, doing="limits", error=str(error))


def log_ledger_away_at_start(error: Exception) -> None:
    """Log why the ledger cannot be used at the start of a process."""
    # The text of a RedisUnavailable holds no password; that of any other error may.
    reason = str(error) if isinstance(error, RedisUnavailable) else type(error).__name__
    log.warning("ledger away", error=reason, doing="start")
