"""The accounting identity: a campaign's total is the sum over all states, at every moment."""

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from times_dispatch.ledger.errors import is_transient
from times_dispatch.ledger.keys import CAMPAIGNS, campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.states import MessageState

COUNTERS = ("total", *(state.value for state in MessageState))
"""Fields of a campaign's hash: read in one go they are never torn."""


_BROKEN = "accounting identity broken"

Counters = dict[str, int]
"""By the names of ``COUNTERS``."""


def read(values: Sequence[bytes | str | None]) -> Counters:
    """Read the values of ``COUNTERS``; raise ValueError if one is no number."""
    return {name: int(value or 0) for name, value in zip(COUNTERS, values, strict=True)}


def imbalance(counters: Counters) -> str:
    """Say with its numbers how the identity is broken; nothing if it holds."""
    counts = {state: counters[state.value] for state in MessageState}
    if counters["total"] == sum(counts.values()):
        return ""
    states = ", ".join(f"{count:,} {state.label.replace('_', ' ')}" for state, count in counts.items() if count)
    return f"{_BROKEN}: {counters['total']:,} in all, but {states or 'none in any state'}"


def with_breach(reason: str, counters: Counters) -> str:
    """Put a breach before the reason why a campaign stands; one that stopped it has older numbers, and goes."""
    broken = imbalance(counters)
    return "; ".join(filter(None, [broken, "" if broken and reason.startswith(_BROKEN) else reason]))


class CampaignCounters(NamedTuple):
    """The counters of one campaign."""

    sender: SenderId
    campaign: CampaignId
    counters: Counters
    damage: str = ""
    """Why there are none: what stands there is not a campaign's."""


class Audit:
    """Reads the counters of all campaigns, some at each call, again and again: also where nothing happens."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._cursor = 0
        self._ahead = deque[tuple[CampaignId, SenderId]]()

    async def some(self, most: int) -> list[CampaignCounters]:
        """Return the next accounts. O(most), however many campaigns there are."""
        if not self._ahead:
            # A small hash comes whole, whatever count says.
            page: Any
            self._cursor, page = await self._redis.hscan(CAMPAIGNS, self._cursor, count=most)
            self._ahead.extend((CampaignId(text(id_)), SenderId(text(sender))) for id_, sender in page.items())
        now = [self._ahead.popleft() for _ in range(min(most, len(self._ahead)))]
        async with self._redis.pipeline(transaction=False) as pipe:
            for campaign, sender in now:
                pipe.hmget(campaign_key(sender, campaign), COUNTERS)
            replies = await pipe.execute(raise_on_error=False)
        return [_account(sender, campaign, reply) for (campaign, sender), reply in zip(now, replies, strict=True)]


def _account(
    sender: SenderId, campaign: CampaignId, reply: Sequence[bytes | str | None] | RedisError
) -> CampaignCounters:
    if isinstance(reply, RedisError):
        if is_transient(reply):
            raise reply
        return CampaignCounters(sender, campaign, {}, type(reply).__name__)
    try:
        return CampaignCounters(sender, campaign, read(reply))
    except ValueError as error:
        return CampaignCounters(sender, campaign, {}, type(error).__name__)
