"""The usual results: how many messages of some days were delivered or failed, and after what time, from the rollups."""

from collections.abc import Sequence
from datetime import date

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.statistics.delivery_times import DeliveryTimes
from times_dispatch.ledger.statistics.figures import Amounts, statistics_of, total
from times_dispatch.ledger.statistics.rollups import RollupFilter, StatisticsReader


class DeliveryCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The results of the messages that were pushed on some days, for one sender and one provider."""

    days: int = 0
    """Days on which a provider accepted messages."""
    sent: int = 0
    delivered: int = 0
    failed: int = 0
    in_doubt: int = 0
    delivery_times: DeliveryTimes = DeliveryTimes({})

    @property
    def reported(self) -> int:
        """Return how many messages have a report that says delivered or failed."""
        return self.delivered + self.failed

    @property
    def delivered_share(self) -> float:
        """Return the share of delivered messages among those with a report; 0 without a report."""
        return self.delivered / self.reported if self.reported else 0.0

    @property
    def reported_share(self) -> float:
        """Return the share of messages with a report among those that were sent; 0 if none was sent."""
        return self.reported / self.sent if self.sent else 0.0


async def read_delivery_counts(
    redis: Redis, *, senders: Sequence[SenderId] = (), since: date, until: date
) -> dict[tuple[SenderId, str], DeliveryCounts]:
    """Return the counts of some days (in India), by sender and provider. Raises Redis errors.

    Args:
        redis: the ledger.
        senders: the senders; empty for all.
        since: the first day of the pushes.
        until: the last day of the pushes.
    """
    amounts: dict[tuple[SenderId, str], list[Amounts]] = {}
    days: dict[tuple[SenderId, str], set[date]] = {}
    chosen = RollupFilter(senders=senders, since=since, until=until)
    async for key, of_rollup in StatisticsReader(redis).rollups(chosen):
        name = (key.sender, key.provider)
        amounts.setdefault(name, []).append(of_rollup)
        days.setdefault(name, set()).add(key.day)
    return {name: _counts(total(several), len(days[name])) for name, several in sorted(amounts.items())}


def _counts(amounts: Amounts, days: int) -> DeliveryCounts:
    statistics = statistics_of(amounts)
    return DeliveryCounts(
        days=days,
        sent=statistics.sent,
        delivered=statistics.delivered,
        failed=statistics.states.get(MessageState.FAILED.label, 0),
        in_doubt=statistics.in_doubt,
        delivery_times=statistics.delivery_times,
    )
