"""Reads from the ledger what alerts are about: ``observe``. The cost grows with the number of live campaigns."""

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.alerts import Watched
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.heartbeats import ProcessesSeen, read_processes
from times_dispatch.ledger.keys import SenderKey, sender_key
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.queries import Queries, SenderView
from times_dispatch.ledger.redis_clock import RedisClock
from times_dispatch.ledger.scripts import text
from times_dispatch.ledger.states import CampaignState
from times_dispatch.settings.alerts import AlertSettings


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at the ledger saw."""

    now_ms: int
    """When the look began, by Redis' clock."""
    processes: ProcessesSeen
    senders: list[SenderView]
    live: list[CampaignView]
    """The campaigns that are neither finished nor cancelled."""
    finished: list[CampaignView]
    """The campaigns that finished after the look before this look began, and before this look began."""
    watched: Watched
    """What the next look needs."""


async def observe(redis: Redis, _settings: AlertSettings, before: Watched) -> Observation:
    """Look at the ledger. Raises Redis errors.

    A campaign that finished is seen by exactly one look: by the first look that began after the campaign finished.

    Args:
        redis: the ledger.
        _settings: the settings of alerts.
        before: what the last look saw; a first look sees no campaign that finished.
    """
    queries, now_ms = Queries(redis), await RedisClock(redis).now_ms()
    processes = await read_processes(redis)
    names = await queries.senders()
    senders, live = list[SenderView](), list[CampaignView]()
    for name in names:
        senders.append(await queries.sender(name))
        live += await queries.live(name, damaged=list[CampaignDamaged]())
    finished, later = await _finished(redis, names, before, live, now_ms) if before.until_ms else ([], [])
    watched: dict[SenderId, list[CampaignId]] = {}
    for view in (*live, *later):
        watched.setdefault(view.plan.sender, []).append(view.id)
    return Observation(
        now_ms=now_ms,
        processes=processes,
        senders=senders,
        live=live,
        finished=finished,
        watched=Watched(until_ms=now_ms, live={sender: sorted(ids) for sender, ids in sorted(watched.items())}),
    )


async def _finished(
    redis: Redis, senders: list[SenderId], before: Watched, live: list[CampaignView], now_ms: int
) -> tuple[list[CampaignView], list[CampaignView]]:
    """Return the campaigns that finished between two looks, and those that finished since this look began.

    A campaign that finished was live at the last look, or it was created since.

    Args:
        redis: the ledger.
        senders: all senders.
        before: what the last look saw.
        live: the campaigns that are live now.
        now_ms: when this look began, in epoch milliseconds by Redis' clock.
    """
    live_ids, queries = {view.id for view in live}, Queries(redis)
    async with redis.pipeline(transaction=False) as pipe:
        for sender in senders:
            pipe.zrangebyscore(sender_key(sender, SenderKey.ENDED), str(before.until_ms), "+inf")
        created_since = await pipe.execute()
    finished, later = list[CampaignView](), list[CampaignView]()
    for sender, created in zip(senders, created_since, strict=True):
        ended = ({CampaignId(text(member)) for member in created} | set(before.live.get(sender, []))) - live_ids
        for campaign in sorted(ended):
            try:
                views = await queries.of_sender(sender, [campaign])
            except CampaignDamaged:
                continue
            for view in views:
                if view.state is CampaignState.FINISHED and view.finished_ms > before.until_ms:
                    (finished if view.finished_ms <= now_ms else later).append(view)
    return finished, later
