"""The whole campaigns of changed lanes, because upkeep reads lanes, and people see whole campaigns."""

from collections.abc import Container, Mapping, Sequence

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from times_dispatch.ledger.lanes.names import header_of, lane_senders
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.queries import Queries


async def with_whole_campaigns(
    redis: Redis, results: Sequence[list[CampaignView] | BaseException], *, away: Container[SenderId]
) -> tuple[list[list[CampaignView] | BaseException], list[CampaignView]]:
    """Replace the campaigns of lanes by the whole campaigns that people see.

    Each campaign is in the result of the first sender that has a lane of the campaign. If a lane on another node cannot
    be read, the error replaces the result of the sender, whose campaigns have to be shown later. Also return the lanes
    whose whole campaigns cannot be read.

    Args:
        redis: the ledger.
        results: the changed campaigns of each sender, or the error of reading them.
        away: senders and lanes whose node is away.
    """
    shown, seen = list[list[CampaignView] | BaseException](), set[CampaignId]()
    lanes = list[CampaignView]()
    for result in results:
        if isinstance(result, BaseException):
            shown.append(result)
            continue
        of_lanes = {view.plan.lane_campaigns[0]: view for view in result if view.plan.lane_campaigns}
        unread = {campaign: view for campaign, view in of_lanes.items() if campaign not in seen}
        try:
            whole = await _whole_campaigns(redis, unread, away) if unread else []
        except (RedisError, OSError) as error:
            shown.append(error)
            lanes += unread.values()
        else:
            seen.update(of_lanes)
            shown.append([*(view for view in result if not view.plan.lane_campaigns), *whole])
            readable = {view.id for view in whole}
            lanes += [view for campaign, view in unread.items() if campaign not in readable]
    return shown, lanes


async def _whole_campaigns(
    redis: Redis, lanes: Mapping[CampaignId, CampaignView], away: Container[SenderId]
) -> list[CampaignView]:
    """Return whole campaigns, except those with a damaged lane; raise Redis errors, or OSError if a lane is away.

    Args:
        redis: the ledger.
        lanes: one lane of each campaign.
        away: senders and lanes whose node is away.
    """
    for view in lanes.values():
        header = header_of(view.plan.sender)
        if any(lane in away for lane in lane_senders(header, len(view.plan.lane_campaigns))):
            raise RedisConnectionError(f"a node with lanes of {header} does not answer")
    ids = [(campaign, header_of(view.plan.sender)) for campaign, view in lanes.items()]
    return await Queries(redis).some(ids, damaged=[])
