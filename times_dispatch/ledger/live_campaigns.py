"""The live campaigns of all senders, with the few figures that sums and lists need.

With ten thousand live campaigns, full views of all campaigns take seconds; these figures take a small part of this
time. A campaign counts as damaged here only if one of these fields is damaged, because other damage does not make its
figures wrong. Readers of the full view report other damage: the page of the campaign, and ``dispatch list``.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.audit import COUNTERS, Counters, reason_with_mismatch
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.keys import CampaignField, SenderKey, campaign_key, sender_key
from times_dispatch.ledger.lanes.names import header_of, known_lanes, lane_number, lane_senders
from times_dispatch.ledger.lanes.whole import when_all, whole_sender, whole_state
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.queries import UNREADABLE, LaneQueries, damage_in_words
from times_dispatch.ledger.scripts import Script, text
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import UNSENT, CampaignState, MessageState

RUNNING_FIELDS: Final = (
    CampaignField.STATE,
    CampaignField.PLAN,
    CampaignField.CREATED_MS,
    CampaignField.SEALED_MS,
    CampaignField.TOTAL,
    MessageState.PENDING.value,
    MessageState.SENDING.value,
)
"""The fields that are read of a campaign that runs, as most live campaigns do."""
LIVE_FIELDS: Final = (
    *RUNNING_FIELDS,
    CampaignField.REASON,
    CampaignField.REASON_DETAIL,
    CampaignField.ARCHIVE,
    *(name for name in COUNTERS if name not in RUNNING_FIELDS),
)
"""The fields that are read of every other live campaign."""
_RUNNING: Final = CampaignState.RUNNING.value.encode()
_LENGTH_IF_RUNNING: Final = 2
"""The script replies with a plan and a text of numbers for a campaign that runs."""
_IN_SCRIPT: Final = 250
"""How many campaigns one call of the script reads: about three milliseconds of Redis' time."""
_AT_ONCE: Final = 1_000
"""How many campaigns one round trip reads; other work of the process and of Redis goes on between two round trips."""


class LivePlan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The part of a campaign's ``Plan`` that sums and lists need: to decode all of it takes three times as long."""

    name: str
    sender: SenderId
    start_at_ms: int = 0
    lane_campaigns: tuple[CampaignId, ...] = ()


_PLAN: Final = msgspec.json.Decoder(LivePlan)


# Without gc=False, ten thousand new objects make the garbage collector look through all objects several times.
class LiveCampaign(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The figures of a campaign; each figure equals the one in its ``CampaignView``."""

    id: CampaignId
    plan: LivePlan
    """A part of the plan of the campaign; with lanes, of the plan of the first lane."""
    state: CampaignState
    reason: str
    """Why the campaign is stopped; empty if it is not stopped, also while it waits for its time or its sender."""
    created_ms: int
    sealed_ms: int
    total: int
    pending: int
    unsent: int
    """Messages that are pending or being sent."""

    @property
    def done(self) -> int:
        """Messages that will not be sent any more."""
        return self.total - self.unsent

    @property
    def sending(self) -> int:
        """Messages that are being sent."""
        return self.unsent - self.pending


class SenderAtWork(NamedTuple):
    """A sender and its live campaigns."""

    sender: SenderView
    lanes: list[SenderId]
    live: list[LiveCampaign]
    """The live campaigns, the newest first."""


class LiveWork(NamedTuple):
    """All senders and live campaigns at one moment."""

    senders: list[SenderAtWork]
    """Every sender, by name."""
    damaged: list[CampaignDamaged]
    """The live campaigns that cannot be read."""


class LiveCampaigns:
    """Reads the live campaigns of all senders; the lanes of a sender are one sender, with one campaign."""

    def __init__(self, redis: Redis, *, may_run_scripts: bool = True, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make a reader.

        Args:
            redis: the ledger.
            may_run_scripts: whether this Redis user may run scripts; without scripts, reading takes three times as
                long.
            clock: gives the current day.
        """
        self._redis = redis
        self._lanes = LaneQueries(redis, clock=clock)
        self._script = Script(redis, "read_live") if may_run_scripts else None

    async def read(self) -> LiveWork:
        """Return every sender with its live campaigns; the cost grows with the number of live campaigns."""
        damaged = list[CampaignDamaged]()
        every = await self._lanes.senders()
        lanes, live = defaultdict[SenderId, list[SenderId]](list), defaultdict[SenderId, list[LiveCampaign]](list)
        for lane in sorted(every, key=lane_number):
            lanes[header_of(lane)].append(lane)
        views = {view.id: view for view in await self._lanes.sender_views(every)}
        for campaign in await self._live(every, damaged):
            live[header_of(campaign.plan.sender)].append(campaign)
        senders = [
            SenderAtWork(whole_sender([views[lane] for lane in lanes[sender]]), lanes[sender], live[sender])
            for sender in sorted(lanes)
        ]
        known_damage = {damage.campaign: damage for damage in damaged}
        return LiveWork(senders, [known_damage[campaign] for campaign in sorted(known_damage)])

    async def of_sender(self, sender: SenderId, *, damaged: list[CampaignDamaged]) -> list[LiveCampaign]:
        """Return the live campaigns of one sender, the newest first; damaged campaigns are appended to *damaged*."""
        return await self._live(await known_lanes(self._redis, sender), damaged)

    async def _live(self, lanes: Sequence[SenderId], damaged: list[CampaignDamaged]) -> list[LiveCampaign]:
        """Return the live campaigns of some lanes, the newest first."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for lane in lanes:
                pipe.smembers(sender_key(lane, SenderKey.LIVE))
            members = zip(lanes, await pipe.execute(), strict=True)
        ids = [(CampaignId(text(campaign)), lane) for lane, of_lane in members for campaign in of_lane]
        known, _ = await self._read(ids, damaged)
        return sorted(await self._whole(known, damaged), key=lambda each: (-each.created_ms, each.id))

    async def _whole(
        self, campaigns: dict[CampaignId, LiveCampaign], damaged: list[CampaignDamaged]
    ) -> list[LiveCampaign]:
        """Replace lanes by whole campaigns, and leave out the same campaigns as ``Queries`` does."""
        whole = [each for each in campaigns.values() if not each.plan.lane_campaigns]
        if len(whole) == len(campaigns):
            return whole
        plans = {each.plan.lane_campaigns[0]: each.plan for each in campaigns.values() if each.plan.lane_campaigns}
        ids = [
            each
            for plan in plans.values()
            for each in zip(
                plan.lane_campaigns, lane_senders(header_of(plan.sender), len(plan.lane_campaigns)), strict=True
            )
        ]
        lanes, archived = await self._read(ids, damaged)
        unreadable = archived | {damage.campaign for damage in damaged}
        for plan in plans.values():
            known = [lanes[each] for each in plan.lane_campaigns if each in lanes]
            if known and not unreadable.intersection(plan.lane_campaigns):
                whole.append(_whole_campaign(known))
        return whole

    async def _read(
        self, ids: Iterable[tuple[CampaignId, SenderId]], damaged: list[CampaignDamaged]
    ) -> tuple[dict[CampaignId, LiveCampaign], set[CampaignId]]:
        """Return the campaigns that can be read, and the ids of the campaigns that are in the archive."""
        campaigns, archived, ordered = dict[CampaignId, LiveCampaign](), set[CampaignId](), sorted(ids, key=_sender_of)
        for first in range(0, len(ordered), _AT_ONCE):
            part = ordered[first : first + _AT_ONCE]
            for (campaign, sender), values in zip(part, await self._values(part), strict=True):
                try:
                    if isinstance(values, list) and len(values) == _LENGTH_IF_RUNNING:
                        plan, numbers = values
                        campaigns[campaign] = _running_campaign(campaign, plan, numbers.split(b" "))
                        continue
                    if isinstance(values, list) and values[0] == _RUNNING and None not in values[1:3]:
                        counted = [b"0" if value is None else value for value in values[2 : len(RUNNING_FIELDS)]]
                        campaigns[campaign] = _running_campaign(campaign, values[1], counted)
                        continue
                    fields = _fields(values)
                    if CampaignField.STATE not in fields and CampaignField.ARCHIVE in fields:
                        archived.add(campaign)
                    elif fields:
                        campaigns[campaign] = _live_campaign(campaign, fields)
                except UNREADABLE as error:
                    damaged.append(CampaignDamaged(campaign, sender, damage_in_words(error)))
        return campaigns, archived

    async def _values(self, ids: Sequence[tuple[CampaignId, SenderId]]) -> list[Any]:
        """Return the values of the fields of campaigns; None or an error for a key that holds no hash."""
        if self._script:
            replies = await self._script.together(list(_calls(ids)))
            return [values for reply in replies for values in reply["campaigns"]]
        async with self._redis.pipeline(transaction=False) as pipe:
            for campaign, sender in ids:
                pipe.hmget(campaign_key(sender, campaign), LIVE_FIELDS)
            return list(await pipe.execute(raise_on_error=False))


def _calls(ids: Sequence[tuple[CampaignId, SenderId]]) -> Iterator[tuple[SenderId, dict[str, bytes]]]:
    """Yield the script calls that read campaigns; *ids* are ordered by sender."""
    for sender, of_sender in groupby(ids, key=_sender_of):
        campaigns = [campaign for campaign, _ in of_sender]
        for first in range(0, len(campaigns), _IN_SCRIPT):
            yield sender, {"campaigns": msgspec.json.encode(campaigns[first : first + _IN_SCRIPT])}


def _sender_of(campaign: tuple[CampaignId, SenderId]) -> SenderId:
    return campaign[1]


def _fields(values: Any) -> Mapping[str, bytes]:
    """Return the existing fields of a campaign, by name."""
    if isinstance(values, RedisError):
        raise values
    if values is None:
        raise ResponseError("WRONGTYPE the key of a campaign does not hold a hash")
    return {name: value for name, value in zip(LIVE_FIELDS, values, strict=True) if value is not None}


def _running_campaign(campaign: CampaignId, plan: bytes, numbers: Sequence[bytes]) -> LiveCampaign:
    """Return a campaign that runs. One page reads ten thousand campaigns, so this function is plain and quick.

    Args:
        campaign: the campaign.
        plan: its plan.
        numbers: ``created_ms``, ``sealed_ms``, the total, and how many messages are pending and being sent.
    """
    created_ms, sealed_ms, total, pending, sending = numbers
    waiting = int(pending)
    return LiveCampaign(
        id=campaign,
        plan=_PLAN.decode(plan),
        state=CampaignState.RUNNING,
        reason="",
        created_ms=int(created_ms),
        sealed_ms=int(sealed_ms),
        total=int(total),
        pending=waiting,
        unsent=waiting + int(sending),
    )


def _live_campaign(campaign: CampaignId, fields: Mapping[str, bytes]) -> LiveCampaign:
    state = CampaignState(fields[CampaignField.STATE].decode())
    counters: Counters = {name: int(fields.get(name, 0)) for name in COUNTERS}
    reason, detail = (fields.get(name, b"").decode() for name in (CampaignField.REASON, CampaignField.REASON_DETAIL))
    return LiveCampaign(
        id=campaign,
        plan=_PLAN.decode(fields[CampaignField.PLAN]),
        state=state,
        reason=reason_with_mismatch(reason, detail, counters),
        created_ms=int(fields[CampaignField.CREATED_MS]),
        sealed_ms=int(fields.get(CampaignField.SEALED_MS, 0)),
        total=counters["total"],
        pending=counters[MessageState.PENDING.value],
        unsent=sum(counters[state.value] for state in UNSENT),
    )


def _whole_campaign(lanes: Sequence[LiveCampaign]) -> LiveCampaign:
    """Return a campaign from its lanes, as ``lanes.whole.whole_campaign`` does."""
    first, state = lanes[0], whole_state([lane.state for lane in lanes])
    return LiveCampaign(
        id=first.plan.lane_campaigns[0],
        plan=first.plan,
        state=state,
        reason="; ".join(dict.fromkeys(lane.reason for lane in lanes if lane.reason and lane.state is state)),
        created_ms=min(lane.created_ms for lane in lanes),
        sealed_ms=when_all([lane.sealed_ms for lane in lanes]),
        total=sum(lane.total for lane in lanes),
        pending=sum(lane.pending for lane in lanes),
        unsent=sum(lane.unsent for lane in lanes),
    )
