"""Reads the data for alerts from the ledger. The cost grows with the number of live campaigns."""

from typing import Any, Final, NamedTuple

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from times_dispatch.alerts.counts import CountsReader, ProviderCounts
from times_dispatch.alerts.decisions import KEPT_WITHOUT_NOTIFICATION_S
from times_dispatch.ledger.campaigns.live_campaigns import LiveCampaign, LiveCampaigns
from times_dispatch.ledger.errors import CampaignDamaged, is_transient
from times_dispatch.ledger.keys import CampaignField, SenderKey, campaign_key, sender_key
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.monitoring.alerts import Watched
from times_dispatch.ledger.monitoring.complaints import Complaints, window_since_ms
from times_dispatch.ledger.monitoring.health import Memory, clock_warnings, read_memory
from times_dispatch.ledger.monitoring.heartbeats import ProcessesSeen, read_processes
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.reports.forward_backlog import ForwardBacklog, read_forward_backlog
from times_dispatch.ledger.reports.report_backlog import Backlog, read_backlog
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import CampaignState

log = structlog.get_logger(__name__)

_COMPLAINTS_EVERY_MS: Final = 60_000
_ENDED_WITHIN_MS: Final = int(KEPT_WITHOUT_NOTIFICATION_S * 1000)
"""A campaign may be unknown although it was created this long before the last observation by Redis' clock, because the
clock may have been set back since then.
"""
_AT_ONCE: Final = 1_000
"""The number of campaigns whose budgets are read in one round trip."""


Ended = dict[SenderId, dict[CampaignId, float]]
"""The times of creation of ended campaigns, by sender and campaign, in epoch milliseconds by Redis' clock."""


class BudgetUse(NamedTuple):
    """The spent part of a campaign's budget."""

    parts_out: int
    max_parts: int


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one observation of the ledger."""

    now_ms: int
    """When the observation began, in epoch milliseconds by Redis' clock."""
    processes: ProcessesSeen
    memory: Memory
    clock_warnings: list[str]
    """A line for each server of Redis whose clock and the clock of this host differ by more than a minute."""
    backlog: Backlog
    forward: ForwardBacklog
    senders: list[SenderView]
    live: list[LiveCampaign]
    """The campaigns that are neither finished nor cancelled."""
    budgets: dict[CampaignId, BudgetUse]
    """The budgets of the live campaigns that have one."""
    counts: list[ProviderCounts]
    complaints: dict[SenderId, int]
    """The number of complaints about each sender that count now; senders without a complaint are missing."""
    finished: list[CampaignView]
    """The campaigns that finished since the last observation."""
    watched: Watched
    """The state that the next observation needs."""


class Observer:
    """Observes the ledger repeatedly."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._queries = Queries(redis)
        # The user of Redis for alerts may run no script on the keys of campaigns (redis-users.acl).
        self._live = LiveCampaigns(redis, may_run_scripts=False)
        self._counts = CountsReader(redis)
        self._complaints: dict[SenderId, int] = {}
        self._complaints_at_ms = 0

    async def observe(self, before: Watched) -> Observation:
        """Observe the ledger. Raises Redis errors.

        Exactly one observation contains a finished campaign: the first observation that finds the campaign finished.
        The very first observation contains no finished campaign. After Redis' clock was set back by more than a
        day, or after an upgrade, an observation may contain a campaign again that an earlier one contained.

        Args:
            before: the state from the last observation.
        """
        now_ms = await RedisClock(self._redis).now_ms()
        processes = await read_processes(self._redis)
        names = await self._queries.senders()
        senders, live = list[SenderView](), list[LiveCampaign]()
        for name in names:
            try:
                senders.append(await self._queries.sender(name))
                live += await self._live.of_sender(name, damaged=list[CampaignDamaged]())
            except (ResponseError, ValueError) as error:
                _log_damage(error, name)
        watched: dict[SenderId, list[CampaignId]] = {}
        for campaign in live:
            watched.setdefault(campaign.plan.sender, []).append(campaign.id)
        # Read after the live campaigns: a campaign that ends between both reads was live at this observation.
        ended_since_ms = now_ms - _ENDED_WITHIN_MS
        unknown_since_ms = before.ended_since_ms if before.ended_since_ms <= now_ms else ended_since_ms
        ended = await self._ended(names, min(unknown_since_ms, ended_since_ms))
        return Observation(
            now_ms=now_ms,
            processes=processes,
            memory=await read_memory(self._redis),
            clock_warnings=await clock_warnings(self._redis),
            backlog=await read_backlog(self._redis),
            forward=await read_forward_backlog(self._redis),
            senders=senders,
            live=live,
            budgets=await self._budgets(live),
            counts=await self._read_counts(now_ms / 1000),
            complaints=await self._read_complaints(names, now_ms),
            finished=await self._finished(names, before, live, _since(ended, unknown_since_ms))
            if before.until_ms
            else [],
            watched=Watched(
                until_ms=now_ms,
                live={sender: sorted(ids) for sender, ids in sorted(watched.items())},
                ended=_ids(_since(ended, ended_since_ms)),
                ended_since_ms=ended_since_ms,
            ),
        )

    async def _read_counts(self, now_s: float) -> list[ProviderCounts]:
        try:
            return await self._counts.read(now_s)
        except (ResponseError, ValueError) as error:
            _log_damage(error, "")
            return []

    async def _budgets(self, live: list[LiveCampaign]) -> dict[CampaignId, BudgetUse]:
        uses = dict[CampaignId, BudgetUse]()
        for first in range(0, len(live), _AT_ONCE):
            part = live[first : first + _AT_ONCE]
            async with self._redis.pipeline(transaction=False) as pipe:
                for each in part:
                    key = campaign_key(each.plan.sender, each.id)
                    pipe.hmget(key, [CampaignField.MAX_PARTS, CampaignField.PARTS_OUT])
                replies: list[Any] = await pipe.execute(raise_on_error=False)
            for each, reply in zip(part, replies, strict=True):
                try:
                    use = _budget_use(reply)
                except (ResponseError, ValueError) as error:
                    _log_damage(error, each.plan.sender)
                else:
                    if use.max_parts:
                        uses[each.id] = use
        return uses

    async def _read_complaints(self, senders: list[SenderId], now_ms: int) -> dict[SenderId, int]:
        """Count the complaints, at most once a minute, because people enter complaints by hand."""
        if not 0 <= now_ms - self._complaints_at_ms < _COMPLAINTS_EVERY_MS:
            reader, since_ms = Complaints(self._redis), window_since_ms(now_ms)
            counts = {sender: len(await reader.of(sender, since_ms=since_ms)) for sender in senders}
            self._complaints = {sender: number for sender, number in counts.items() if number}
            self._complaints_at_ms = now_ms
        return self._complaints

    async def _ended(self, senders: list[SenderId], since_ms: int) -> Ended:
        """Return the ended campaigns that were created since a time, or in the future, by sender."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender in senders:
                pipe.zrangebyscore(sender_key(sender, SenderKey.ENDED), since_ms, "+inf", withscores=True)
            replies = await pipe.execute()
        return {
            sender: {CampaignId(text(member)): created_ms for member, created_ms in reply}
            for sender, reply in zip(senders, replies, strict=True)
        }

    async def _finished(
        self, senders: list[SenderId], before: Watched, live: list[LiveCampaign], ended: Ended
    ) -> list[CampaignView]:
        """Return the campaigns that finished since the last observation.

        A finished campaign was live at the last observation, or was created since then, and then no observation knows
        it. The time at which a campaign finished says nothing, because Redis' clock may have been set since then.

        Args:
            senders: all senders.
            before: the state from the last observation.
            live: the campaigns that are live now.
            ended: the campaigns that ended, and that the last observation may not know.
        """
        live_ids = {view.id for view in live}
        finished = list[CampaignView]()
        for sender in senders:
            unknown = ended[sender].keys() - set(before.ended.get(sender, []))
            for campaign in sorted((unknown | set(before.live.get(sender, []))) - live_ids):
                try:
                    views = await self._queries.of_sender(sender, [campaign])
                except CampaignDamaged:
                    continue
                finished += [view for view in views if view.state is CampaignState.FINISHED]
        return finished


def _since(ended: Ended, since_ms: int) -> Ended:
    """Return the ended campaigns that were created since a time."""
    return {
        sender: {campaign: created_ms for campaign, created_ms in campaigns.items() if created_ms >= since_ms}
        for sender, campaigns in ended.items()
    }


def _ids(ended: Ended) -> dict[SenderId, list[CampaignId]]:
    """Return the ids of campaigns in order; senders without a campaign are missing."""
    return {sender: sorted(campaigns) for sender, campaigns in sorted(ended.items()) if campaigns}


def _budget_use(reply: Any) -> BudgetUse:
    if isinstance(reply, RedisError):
        raise reply
    max_parts, parts_out = reply
    return BudgetUse(parts_out=int(parts_out or 0), max_parts=int(max_parts or 0))


def _log_damage(error: ResponseError | ValueError, sender: str) -> None:
    """Log that data in the ledger cannot be read, so that other alerts go on; raise an error that may be temporary."""
    if is_transient(error):
        raise error
    log.error("damaged in the ledger", sender=sender, doing="watched for alerts", error=type(error).__name__)
