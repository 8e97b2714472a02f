"""The counts of messages that alerts need, read once a minute: of today, of eight days, and of the 28 days before."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.statistics.usual import DeliveryCounts, read_delivery_counts
from times_dispatch.sms.rules.send_window import INDIA_ZONE

_INDIA: Final = ZoneInfo(INDIA_ZONE)
_COUNTED_DAYS: Final = 8
"""The days for which messages in doubt are counted, as in the metrics by default."""
_USUAL_DAYS: Final = 28
_COUNTS_EVERY_S: Final = 60.0
_USUAL_EVERY_S: Final = 6 * 3600.0
_NOTHING: Final = DeliveryCounts()


class ProviderCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one sender and one provider."""

    sender: SenderId
    provider: str
    today: DeliveryCounts
    """The messages that were pushed today; the day begins at midnight in India."""
    days: DeliveryCounts
    """The messages that were pushed today or in the seven days before."""
    usual: DeliveryCounts
    """The messages that were pushed in the 28 days before today."""


class CountsReader:
    """Reads counts, and keeps them for a minute; the usual counts are kept for six hours."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._counts = list[ProviderCounts]()
        self._usual: dict[tuple[SenderId, str], DeliveryCounts] = {}
        self._read_at_s = 0.0
        self._usual_at_s = 0.0

    async def read(self, now_s: float) -> list[ProviderCounts]:
        """Return the counts, at most a minute old; *now_s* is the time in epoch seconds. Raises Redis errors."""
        if 0 <= now_s - self._read_at_s < _COUNTS_EVERY_S:
            return self._counts
        today = datetime.fromtimestamp(now_s, _INDIA).date()
        if not 0 <= now_s - self._usual_at_s < _USUAL_EVERY_S:
            first, last = today - timedelta(days=_USUAL_DAYS), today - timedelta(days=1)
            self._usual = await read_delivery_counts(self._redis, since=first, until=last)
            self._usual_at_s = now_s
        of_today = await read_delivery_counts(self._redis, since=today, until=today)
        first = today - timedelta(days=_COUNTED_DAYS - 1)
        of_days = await read_delivery_counts(self._redis, since=first, until=today)
        self._counts = [
            ProviderCounts(
                sender=sender,
                provider=provider,
                today=of_today.get((sender, provider), _NOTHING),
                days=counts,
                usual=self._usual.get((sender, provider), _NOTHING),
            )
            for (sender, provider), counts in of_days.items()
        ]
        self._read_at_s = now_s
        return self._counts
