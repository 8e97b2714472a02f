"""Finds the primary: all sentinels are asked, and the answer with the latest failover counts."""

import asyncio
from typing import Any, Final, NamedTuple

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.sentinel.bounded_parser import BoundedParser
from times_dispatch.ledger.sentinel.url import SentinelUrl

ASK_WITHIN_S: Final = 1.0
"""Seconds after which a sentinel that has not answered is left out."""
_MAX_PORT: Final = 65_535
_MAX_EPOCH: Final = 2**63 - 1
_FRESH_S: Final = 0.2
"""Seconds for which all connections that are opened share one answer."""


class _Answer(NamedTuple):
    epoch: int
    """The number of failovers that the sentinel knows; a sentinel that was cut off knows fewer failovers."""
    host: str
    port: int


class PrimaryFinder:
    """Finds the primary for the connections of one client."""

    def __init__(self, url: SentinelUrl, *, clock: Clock = SYSTEM_CLOCK, ask_within_s: float = ASK_WITHIN_S) -> None:
        """Make the finder; nothing is connected yet.

        Args:
            url: names the sentinels and the primary.
            clock: times how long an answer is fresh.
            ask_within_s: the seconds after which a sentinel that has not answered is left out.
        """
        self._url = url
        self._clock = clock
        self._ask_within_s = ask_within_s
        self._latest: _Answer | None = None
        self._answered_at = 0.0
        self._asking: asyncio.Task[_Answer] | None = None

    def __str__(self) -> str:
        """Return the name of the primary and the sentinels for messages, without the password."""
        return self._url.shown

    async def address(self) -> tuple[str, int]:
        """Return host and port of the primary.

        Raises:
            ConnectionError: (redis-py's) no sentinel answers, or no sentinel knows a running primary.
        """
        if self._latest and self._clock.monotonic() - self._answered_at < _FRESH_S:
            return self._latest.host, self._latest.port
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all())
        # The cancellation of one caller must not cancel the request for other callers.
        self._latest = await asyncio.shield(self._asking)
        self._answered_at = self._clock.monotonic()
        return self._latest.host, self._latest.port

    async def _ask_all(self) -> _Answer:
        answers = await asyncio.gather(*(self._ask(url) for url in self._url.of_sentinels))
        if latest := max((answer for answer in answers if answer), default=None):
            return latest
        raise exceptions.ConnectionError(f"no sentinel knows a primary of the name {self._url.master}")

    async def _ask(self, url: str) -> _Answer | None:
        sentinel = Redis.from_url(
            url,
            socket_timeout=self._ask_within_s,
            socket_connect_timeout=self._ask_within_s,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,  # driver info and notifications would take further round trips
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            parser_class=BoundedParser,
        )
        try:
            async with asyncio.timeout(self._ask_within_s), sentinel:
                state: Any = await sentinel.sentinel_master(self._url.master)
            return _answer(state)
        except (exceptions.RedisError, OSError, RuntimeError):  # uvloop raises RuntimeError while it connects
            return None
        except (LookupError, ValueError, TypeError, AttributeError):
            return None  # the server is no sentinel, and the other sentinels are asked as well


def _answer(state: Any) -> _Answer | None:
    """Return the answer of a sentinel; None if it knows no running primary. Raises errors on a strange answer."""
    if not state["is_master"] or state["is_odown"] or state["is_sdown"]:
        return None
    answer = _Answer(int(state["config-epoch"]), str(state["ip"]), int(state["port"]))
    if not 0 < answer.port <= _MAX_PORT or not 0 <= answer.epoch <= _MAX_EPOCH:
        raise ValueError("no port, or no epoch")
    return answer
