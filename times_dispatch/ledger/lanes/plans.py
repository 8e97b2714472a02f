"""The campaigns in which the lanes of a sender hold one submitted campaign."""

from collections.abc import Callable

import msgspec
from redis.asyncio import Redis

from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import LanesRefused, WorkerTooOld
from times_dispatch.ledger.lanes.names import known_lanes
from times_dispatch.ledger.lanes.shares import forbidden_with_lanes, rate_shares
from times_dispatch.ledger.model import CampaignId, Plan
from times_dispatch.ledger.monitoring.heartbeats import ProcessKind, read_processes
from times_dispatch.ledger.schema import MINOR_WITH_LINKS_IN_LANES
from times_dispatch.ledger.submission import Submissions


async def plans_of_lanes(
    redis: Redis,
    fingerprint: str,
    campaign: CampaignId,
    plan: Plan,
    *,
    lanes: int,
    max_parts_per_day: int,
    new_id: Callable[[], str],
) -> dict[CampaignId, Plan]:
    """Return the plan of each lane's campaign; without lanes, only the plan of the campaign itself. May be repeated.

    Args:
        redis: the ledger.
        fingerprint: the fingerprint of the submit; an earlier submit with this fingerprint decides the number of lanes.
        campaign: the campaign that people see, which is the campaign of the first lane.
        plan: the plan of the whole campaign.
        lanes: the number of lanes in the settings; a sender keeps all lanes that it ever had.
        max_parts_per_day: the daily cap of the sender; 0 if there is none.
        new_id: makes the id of a campaign.

    Raises:
        LanesRefused: the sender has lanes, and the campaign has a setting that lanes do not allow.
        WorkerTooOld: a worker runs whose version has no lanes, or no tracked links in lanes.
    """
    submissions, names = Submissions(redis), await known_lanes(redis, plan.sender)
    earlier = await submissions.plan(plan.sender, campaign)
    number = max(len(earlier.lane_campaigns), 1) if earlier else max(lanes, len(names))
    if number == 1:
        return {campaign: plan}
    if what := forbidden_with_lanes(plan, number, max_parts_per_day=max_parts_per_day):
        raise LanesRefused(campaign, what)
    await _refuse_old_workers(redis, campaign, plan)
    names, ids = await Control(redis).with_lanes(plan.sender, number), [campaign]
    for lane, name in enumerate(names[1:number], 1):
        ids.append(await submissions.claim(f"{fingerprint}/{lane}", name, CampaignId(new_id())))
    return {
        of_lane: msgspec.structs.replace(plan, sender=name, rate_per_s=share, lane_campaigns=ids)
        for of_lane, name, share in zip(ids, names, rate_shares(plan.rate_per_s, number), strict=False)
    }


async def _refuse_old_workers(redis: Redis, campaign: CampaignId, plan: Plan) -> None:
    for process in (await read_processes(redis)).alive(ProcessKind.WORKER):
        worker = f"{process.record.host}:{process.record.pid}"
        if not process.record.minor:
            raise WorkerTooOld(campaign, worker, process.record.version, knows_no="lanes")
        if plan.tracked_links and process.record.minor < MINOR_WITH_LINKS_IN_LANES:
            raise WorkerTooOld(campaign, worker, process.record.version, knows_no="tracked links in lanes")
