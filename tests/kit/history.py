"""Statistics of past days in the form that the scripts write, so that a sender has a history."""

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
"""A template that no campaign of a test has, so that the messages of a test are not counted twice."""


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
    """Write the statistics of a day: some messages were delivered, and the others have no report.

    Args:
        redis: the ledger.
        day: the day.
        sent: the number of messages that the provider accepted.
        delivered: how many of these messages were delivered.
        within_s: the time from the sending to the delivery of each message, in seconds.
        sender: the sender of the messages.
        provider: the provider of the messages.
    """
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
    """Write the statistics of the days before today.

    Args:
        redis: the ledger.
        today: the day after the last day with messages.
        days: the number of days.
        sent: the number of messages of each day.
        share: the share of the messages that was delivered, from 0 to 1.
        more: arguments of ``count_day``.
    """
    for number in range(1, days + 1):
        await count_day(redis, today - timedelta(days=number), sent=sent, delivered=int(sent * share), **more)
