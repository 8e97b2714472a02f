"""Reads all data of a scrape from the ledger, in limited time: ``read_snapshot``."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.campaigns.live_campaigns import LiveCampaign, LiveCampaigns, LiveWork
from times_dispatch.ledger.keys import (
    DEAD_LETTERS,
    FOREIGN_DEAD_LETTERS,
    LONG_DEAD_LETTERS,
    LONG_FOREIGN_DEAD_LETTERS,
    RELAY,
    REPORTS,
)
from times_dispatch.ledger.lanes.names import header_of
from times_dispatch.ledger.model import WaitsFor
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.reports.forward_backlog import read_forward_backlog
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.statistics.rollups import StatisticsReader
from times_dispatch.metrics.counted import Counted, CountedReader
from times_dispatch.sms.rules.send_window import INDIA_ZONE
from times_dispatch.status.model import DeploymentStatus
from times_dispatch.status.reader import Queues, read_status

_INDIA: Final = ZoneInfo(INDIA_ZONE)
_INDIA_AHEAD_S: Final = 19_800
_STREAMS: Final = (REPORTS, RELAY, DEAD_LETTERS, FOREIGN_DEAD_LETTERS, LONG_DEAD_LETTERS, LONG_FOREIGN_DEAD_LETTERS)
_FORWARD: Final = "forward"
"""The name, among the names of streams, of the queue of reports that are forwarded."""
_AT_ONCE: Final = 50
"""The number of campaigns that are read at the same time in the search for the longest wait."""
_NOT_MOVING: Final = frozenset({WaitsFor.START, WaitsFor.HOURS})


class StreamSize(msgspec.Struct, frozen=True, kw_only=True):
    """The size of a stream."""

    entries: int
    bytes: int
    """The memory of the stream, which Redis estimates from a sample of the entries."""
    oldest_s: float
    """The age of the oldest entry, in seconds; 0 for an empty stream."""


class SenderWork(msgspec.Struct, frozen=True, kw_only=True):
    """A sender, and the sums over the sender's live campaigns."""

    view: SenderView
    campaigns: dict[CampaignState, int]
    """The number of live campaigns in each state."""
    pending: int
    sending: int
    oldest_pending_s: float
    """The longest time, in seconds, for which a campaign with pending messages has been able to send; 0 without one."""
    sent_last_minute: int
    """The number of messages that providers accepted in the last full minute."""


class LedgerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures that come from the ledger, at one moment."""

    since: date
    """The first day, in India, whose messages are counted."""
    counted: dict[tuple[str, str], Counted]
    """The sums by sender and provider."""
    senders: list[SenderWork]
    streams: dict[str, StreamSize]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All data of one scrape."""

    status: DeploymentStatus
    ledger: LedgerFigures | None
    """None if Redis is unavailable."""
    read_s: float
    """How long the reading of the ledger took, in seconds."""


async def read_snapshot(
    redis: Redis,
    queues: Queues,
    *,
    days: int,
    max_memory_share: float,
    counted: CountedReader | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Snapshot:
    """Return a snapshot of the ledger; an unavailable Redis is not an error but is noted in the snapshot.

    The cost grows with the rollups of some days and with the live campaigns, and not with the number of messages.

    Args:
        redis: the ledger.
        queues: reads the lengths of the queues.
        days: how many days are counted; the last one is today.
        max_memory_share: the share of maxmemory above which no campaign and no report is taken.
        counted: reads the rollups, and keeps the sums of older days; None to read all rollups.
        clock: the clock of this host.
    """
    began_s = clock.monotonic()
    works = list[LiveWork]()

    async def read_work() -> LiveWork:
        works.append(await LiveCampaigns(redis, may_run_scripts=False, clock=clock).read())
        return works[-1]

    status = await read_status(
        redis, queues, max_memory_share=max_memory_share, clock=clock, may_write=False, read_work=read_work
    )
    ledger = None
    if status.redis:
        try:
            ledger = await _ledger_figures(redis, days, counted or CountedReader(redis), clock, works[-1])
        except (RedisError, OSError):
            ledger = None
    return Snapshot(status=status, ledger=ledger, read_s=clock.monotonic() - began_s)


async def _ledger_figures(
    redis: Redis, days: int, counted: CountedReader, clock: Clock, work: LiveWork
) -> LedgerFigures:
    """Read the figures that come from the ledger.

    Args:
        redis: the ledger.
        days: days of statistics, today included.
        counted: reads the statistics.
        clock: the clock that determines the current day.
        work: the live campaigns.
    """
    today = datetime.fromtimestamp(clock.time(), _INDIA).date()
    since = today - timedelta(days=days - 1)
    return LedgerFigures(
        since=since,
        counted=await counted.read(since, today, now_s=clock.time()),
        senders=await _senders(redis, clock, work),
        streams={**await _streams(redis, clock), _FORWARD: await _forward_queue(redis)},
    )


async def _senders(redis: Redis, clock: Clock, work: LiveWork) -> list[SenderWork]:
    queries, statistics, now_s = Queries(redis, clock=clock), StatisticsReader(redis), clock.time()
    hour, minute = divmod(int(now_s + _INDIA_AHEAD_S) // 60 - 1, 60)
    every = [lane for sender in work.senders for lane in sender.lanes]
    sent = {
        lane: minutes.get(f"{minute}s", 0)
        for lane, minutes in zip(every, await statistics.minutes_of(every, hour), strict=True)
    }
    return [
        SenderWork(
            view=view,
            campaigns=dict(Counter(campaign.state for campaign in live)),
            pending=sum(campaign.pending for campaign in live),
            sending=sum(campaign.sending for campaign in live),
            oldest_pending_s=await _oldest_pending_s(queries, live, now_s),
            sent_last_minute=sum(sent[lane] for lane in lanes),
        )
        for view, lanes, live in work.senders
    ]


async def _oldest_pending_s(queries: Queries, live: Sequence[LiveCampaign], now_s: float) -> float:
    """Return the longest time, in seconds, for which a campaign that is in its send window could send."""
    pending = sorted(
        (
            (max(campaign.sealed_ms, campaign.plan.start_at_ms), campaign.id, header_of(campaign.plan.sender))
            for campaign in live
            if campaign.state is CampaignState.RUNNING and campaign.pending and campaign.sealed_ms
        ),
    )
    pending = [each for each in pending if each[0] <= now_s * 1000]
    for first in range(0, len(pending), _AT_ONCE):
        ids = [(campaign, sender) for _, campaign, sender in pending[first : first + _AT_ONCE]]
        for view in await queries.some(ids, damaged=[]):
            if view.state is CampaignState.RUNNING and view.waits_for not in _NOT_MOVING:
                return max(0.0, now_s - max(view.sealed_ms, view.plan.start_at_ms) / 1000)
    return 0.0


async def _streams(redis: Redis, clock: Clock) -> dict[str, StreamSize]:
    async with redis.pipeline(transaction=False) as pipe:
        for stream in _STREAMS:
            pipe.xlen(stream)
            pipe.memory_usage(stream)
            pipe.xrange(stream, count=1)
        replies: list[Any] = await pipe.execute()
    sizes = zip(replies[::3], replies[1::3], replies[2::3], strict=True)
    return {
        stream: StreamSize(entries=entries, bytes=size or 0, oldest_s=_age_s(oldest, clock.time()))
        for stream, (entries, size, oldest) in zip(_STREAMS, sizes, strict=True)
    }


async def _forward_queue(redis: Redis) -> StreamSize:
    backlog = await read_forward_backlog(redis)
    return StreamSize(entries=backlog.events, bytes=backlog.bytes, oldest_s=backlog.oldest_s)


def _age_s(oldest: Any, now_s: float) -> float:
    if not oldest:
        return 0.0
    ((entry_id, _fields),) = oldest
    return max(0.0, now_s - int(entry_id.partition(b"-")[0]) / 1000)
