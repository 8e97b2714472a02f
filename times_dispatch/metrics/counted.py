"""The sums over the rollups for each sender and provider; older days are read only every ten minutes."""

from collections import Counter
from datetime import date, timedelta
from typing import Final

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.statistics.figures import Amounts, Statistics, statistics_of, total
from times_dispatch.ledger.statistics.rollups import RollupFilter, StatisticsReader

OLD_DAYS_EVERY_S: Final = 600.0
"""How old, in seconds, the sums of the days before yesterday may be. Few reports come so late, and with 200 senders
these days are most of the cost of a scrape.
"""

SenderAndProvider = tuple[str, str]


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """The sums for one sender and one provider."""

    days: Statistics
    """The messages whose last push was on the first day of the snapshot or later."""
    today: Statistics
    """The messages whose last push was today, in India."""


class CountedReader:
    """Reads the rollups for each scrape, and keeps the sums of older days."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._old: dict[SenderAndProvider, Counter[str]] = {}
        """The sums of the days before yesterday."""
        self._old_since: date | None = None
        self._old_read_s = 0.0

    async def read(self, since: date, today: date, *, now_s: float) -> dict[SenderAndProvider, Counted]:
        """Return the sums by sender and provider. Raises Redis errors.

        Args:
            since: the first day, in India.
            today: the last day.
            now_s: the time of this host, in epoch seconds.
        """
        recent = max(since, today - timedelta(days=1))
        if self._old_since != since or not 0 <= now_s - self._old_read_s < OLD_DAYS_EVERY_S:
            of_days = await self._sums(since, recent - timedelta(days=1)) if since < recent else {}
            self._old, self._old_since, self._old_read_s = of_days, since, now_s
        days = {name: [amounts] for name, amounts in self._old.items()}
        of_today = await self._sums(today, today)
        of_yesterday = await self._sums(recent, today - timedelta(days=1)) if recent < today else {}
        for recent_sums in (of_yesterday, of_today):
            for name, amounts in recent_sums.items():
                days.setdefault(name, []).append(amounts)
        return {
            name: Counted(days=statistics_of(total(several)), today=statistics_of(of_today.get(name, {})))
            for name, several in sorted(days.items())
        }

    async def _sums(self, since: date, until: date) -> dict[SenderAndProvider, Counter[str]]:
        """Return the sums of the rollups of some days."""
        several: dict[SenderAndProvider, list[Amounts]] = {}
        async for key, amounts in StatisticsReader(self._redis).rollups(RollupFilter(since=since, until=until)):
            several.setdefault((str(key.sender), key.provider), []).append(amounts)
        return {name: total(of_name) for name, of_name in several.items()}
