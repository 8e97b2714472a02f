"""Counters of days as the scripts would have kept them, so that a sender has a history."""

from datetime import date, timedelta
from typing import Any

from redis.asyncio import Redis

from tests.kit.ledger import PROVIDER, SENDER
from times_dispatch.ledger.keys import SenderKey, StatisticsField, sender_key
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.statistics.delivery_times import bucket_of
from times_dispatch.ledger.statistics.rollups import RollupKey

TEMPLATE = "history"
"""A template that no campaign of a test has, so that a test's own messages do not count twice."""


async def count_day(
    redis: Redis,
    day: date,
    *,
    sent: int,
    delivered: int = 0,
    within_s: float = 10.0,
    sender: SenderId = SENDER,
    provider: str = PROVIDER,
) -> None:
    """Let a day have so many messages; *delivered* of them were delivered within a time, and no other has a report."""
    key = RollupKey(day, sender, provider, TEMPLATE)
    fields = {
        MessageState.ACCEPTED.value: sent - delivered,
        MessageState.DELIVERED.value: delivered,
        f"{StatisticsField.DELIVERY_TIME}{bucket_of(int(within_s * 1000))}": delivered,
    }
    await redis.hset(key.key, mapping={name: str(number) for name, number in fields.items()})
    await redis.zadd(sender_key(sender, SenderKey.STATISTICS), {key.member: (day - date(1970, 1, 1)).days})


async def count_days_before(
    redis: Redis, today: date, *, days: int = 5, sent: int = 1_000, share: float = 0.9, **more: Any
) -> None:
    """Let the days before today have messages of which a share was delivered, by default within ten seconds."""
    for number in range(1, days + 1):
        await count_day(redis, today - timedelta(days=number), sent=sent, delivered=int(sent * share), **more)
