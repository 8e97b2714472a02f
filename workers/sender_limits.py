"""The senders' limits: a worker writes them from the settings into the ledger before it pushes anything."""

import random

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from times_dispatch.clock import Clock
from times_dispatch.ledger.connection import check
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import is_transient
from times_dispatch.ledger.model import SenderId
from times_dispatch.settings.model import Settings
from times_dispatch.settings.prices import max_parts_per_day
from workers.ledger_failures import call_at_start

log = structlog.get_logger(__name__)


async def write_sender_limits(redis: Redis, settings: Settings, *, clock: Clock, rng: random.Random) -> None:
    """Check the ledger and write each sender's rate and daily cap into it; try until the ledger accepts them."""
    await call_at_start(lambda: _write_once(redis, settings), clock=clock, rng=rng)


async def _write_once(redis: Redis, settings: Settings) -> None:
    for warning in await check(redis):
        log.warning("ledger", warning=warning)
    control = Control(redis)
    for name, sender in settings.senders.items():
        try:
            await control.configure_rate(SenderId(name), sender.rate_per_s, lanes=sender.lanes)
            await control.configure_daily_cap(SenderId(name), max_parts_per_day(name, settings))
        except ResponseError as error:
            if is_transient(error):
                raise
            # The scripts need the same key, so nothing of this sender can be sent. The other senders can begin.
            log.error("damaged in the ledger", sender=name, doing="limits", error=str(error))
