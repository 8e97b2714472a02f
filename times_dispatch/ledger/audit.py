"""The audit of the counters: a campaign's counters of messages in all states must always add up to its total.

The audit reads every campaign sooner or later. So the audit also puts a campaign into the index of live or ended
campaigns if the campaign is in neither index: a ledger of an older version has no indexes.
"""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from times_dispatch.ledger.errors import is_transient
from times_dispatch.ledger.keys import CAMPAIGNS, SenderKey, campaign_key, sender_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.protocol import StopReason, stop_reason_in_words
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.states import MessageState

COUNTERS = ("total", *(state.value for state in MessageState))
"""Fields of a campaign's hash. One HMGET reads all of them at one moment."""

Counters = dict[str, int]
"""Numbers of messages by the names in ``COUNTERS``."""


def read_counters(values: Sequence[bytes | str | None]) -> Counters:
    """Return the values of ``COUNTERS`` as numbers; raise ValueError if a value is not a number."""
    return {name: int(value or 0) for name, value in zip(COUNTERS, values, strict=True)}


def counter_mismatch(counters: Counters) -> str:
    """Describe the total and the counters if they differ; return an empty text if the counters add up to the total."""
    counts = {state: counters[state.value] for state in MessageState}
    if counters["total"] == sum(counts.values()):
        return ""
    states = ", ".join(f"{count:,} {state.label.replace('_', ' ')}" for state, count in counts.items() if count)
    return f"the counters do not add up to the total: {counters['total']:,} in all, but {states or 'none in any state'}"


def reason_with_mismatch(reason: str, detail: str, counters: Counters) -> str:
    """Return why a campaign is stopped, for people, after the mismatch of its counters if there is a mismatch.

    Args:
        reason: The field ``reason`` of the campaign.
        detail: The field ``reason_detail``.
        counters: The counters of the campaign.
    """
    mismatch = counter_mismatch(counters)
    if mismatch and reason == StopReason.COUNTERS_MISMATCH:
        return mismatch
    return "; ".join(filter(None, [mismatch, stop_reason_in_words(reason, detail)]))


class CampaignCounters(NamedTuple):
    """The counters of one campaign."""

    sender: SenderId
    campaign: CampaignId
    counters: Counters
    damage: str = ""
    """The error's class name if Redis holds invalid data for the campaign; then ``counters`` is empty."""


class Audit:
    """Reads the counters of all campaigns (also of idle campaigns) in rounds, a few campaigns per call."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._index_campaign = Script(redis, "index_campaign")
        self._cursor = 0
        self._unread = deque[tuple[CampaignId, SenderId]]()

    async def next_counters(self, limit: int) -> list[CampaignCounters]:
        """Return the counters of the next *limit* campaigns. The cost is O(limit), whatever the number of campaigns."""
        if not self._unread:
            # HSCAN returns all fields of a small hash, and ignores COUNT.
            page: Any
            self._cursor, page = await self._redis.hscan(CAMPAIGNS, self._cursor, count=limit)
            self._unread.extend((CampaignId(text(id_)), SenderId(text(sender))) for id_, sender in page.items())
        chosen = [self._unread.popleft() for _ in range(min(limit, len(self._unread)))]
        async with self._redis.pipeline(transaction=False) as pipe:
            for campaign, sender in chosen:
                pipe.hmget(campaign_key(sender, campaign), COUNTERS)
                pipe.sismember(sender_key(sender, SenderKey.LIVE), campaign)
                pipe.zscore(sender_key(sender, SenderKey.ENDED), campaign)
            replies = await pipe.execute(raise_on_error=False)
        for (campaign, sender), is_live, ended_ms in zip(chosen, replies[1::3], replies[2::3], strict=True):
            if is_live == 0 and ended_ms is None:
                with suppress(RedisError):  # a damaged campaign, or a full Redis: the next round tries again
                    await self._index_campaign(sender, campaign=campaign)
        return [
            _campaign_counters(sender, campaign, reply)
            for (campaign, sender), reply in zip(chosen, replies[::3], strict=True)
        ]


def _campaign_counters(
    sender: SenderId, campaign: CampaignId, reply: Sequence[bytes | str | None] | RedisError
) -> CampaignCounters:
    if isinstance(reply, RedisError):
        if is_transient(reply):
            raise reply
        return CampaignCounters(sender, campaign, {}, type(reply).__name__)
    try:
        return CampaignCounters(sender, campaign, read_counters(reply))
    except ValueError as error:
        return CampaignCounters(sender, campaign, {}, type(error).__name__)
