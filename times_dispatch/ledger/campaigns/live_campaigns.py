"""The live campaigns of all senders, with the few figures that sums and lists need.

With ten thousand live campaigns, full views of all campaigns take seconds; these figures take a small part of this
time. A campaign counts as damaged here only if one of these fields is damaged, because other damage does not make its
figures wrong. Readers of the full view report other damage: the page of the campaign, and ``dispatch list``.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter
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
"""The script replies with a plan and a text of numbers for a campaign that runs, or with the text alone."""
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


_ID: Final = attrgetter("id")
_CREATED_MS: Final = attrgetter("created_ms")


class _LastReply(NamedTuple):
    """The reply of the script for one campaign, and the figures that were made of it."""

    values: Any
    """The reply, without the plan."""
    figures: LiveCampaign | None
    """None for a campaign in the archive."""


_Call = tuple[SenderId, list[CampaignId]]
"""A call of the script: a sender, and some of its campaigns."""


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
        self._before = dict[CampaignId, _LastReply]()
        """What the script replied for each campaign in the reading before, and the figures that were made of it."""
        self._known = dict[CampaignId, _LastReply]()
        """The same of this reading."""
        self._members = dict[SenderId, set[bytes]]()
        """The ids of the live campaigns of each lane, as Redis replied."""
        self._ids = dict[SenderId, list[CampaignId]]()
        """The same ids in their order."""

    async def read(self) -> LiveWork:
        """Return every sender with its live campaigns; the cost grows with the number of live campaigns.

        Later readings by the same reader take less than half of the first one's processor time: plans never change, so
        they are read once, and a campaign with the same reply as before keeps its figures.
        """
        self._before, self._known = (self._known if self._script else {}), {}
        damaged = list[CampaignDamaged]()
        every = await self._lanes.senders()
        lanes, live = defaultdict[SenderId, list[SenderId]](list), defaultdict[SenderId, list[LiveCampaign]](list)
        for lane in sorted(every, key=lane_number):
            lanes[header_of(lane)].append(lane)
        views = {view.id: view for view in await self._lanes.sender_views(every)}
        headers = {lane: header_of(lane) for lane in every}
        for campaign in await self._live(every, damaged):
            sender = campaign.plan.sender
            live[headers.get(sender) or header_of(sender)].append(campaign)
        senders = [
            SenderAtWork(whole_sender([views[lane] for lane in lanes[sender]]), lanes[sender], live[sender])
            for sender in sorted(lanes)
        ]
        known_damage = {damage.campaign: damage for damage in damaged}
        return LiveWork(senders, [known_damage[campaign] for campaign in sorted(known_damage)])

    async def of_sender(self, sender: SenderId, *, damaged: list[CampaignDamaged]) -> list[LiveCampaign]:
        """Return the live campaigns of one sender, the newest first; damaged campaigns are appended to *damaged*."""
        self._before, self._known = {}, {}  # only ``read`` drops campaigns that ended: nothing is kept between calls
        return await self._live(await known_lanes(self._redis, sender), damaged)

    async def _live(self, lanes: Sequence[SenderId], damaged: list[CampaignDamaged]) -> list[LiveCampaign]:
        """Return the live campaigns of some lanes, the newest first."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for lane in lanes:
                pipe.smembers(sender_key(lane, SenderKey.LIVE))
            members = dict(zip(lanes, await pipe.execute(), strict=True))
        if members != self._members:
            self._ids = {lane: [CampaignId(text(each)) for each in sorted(ids)] for lane, ids in members.items()}
            self._members = members
        known, _ = await self._read(self._ids, damaged)
        by_id = sorted(await self._whole(known, damaged), key=_ID)
        return sorted(by_id, key=_CREATED_MS, reverse=True)  # campaigns of one moment stay in the order of their ids

    async def _whole(
        self, campaigns: dict[CampaignId, LiveCampaign], damaged: list[CampaignDamaged]
    ) -> list[LiveCampaign]:
        """Replace lanes by whole campaigns, and leave out the same campaigns as ``Queries`` does."""
        whole = [each for each in campaigns.values() if not each.plan.lane_campaigns]
        if len(whole) == len(campaigns):
            return whole
        plans = {each.plan.lane_campaigns[0]: each.plan for each in campaigns.values() if each.plan.lane_campaigns}
        ids = defaultdict[SenderId, list[CampaignId]](list)
        for plan in plans.values():
            senders = lane_senders(header_of(plan.sender), len(plan.lane_campaigns))
            for campaign, sender in zip(plan.lane_campaigns, senders, strict=True):
                ids[sender].append(campaign)
        lanes, archived = await self._read(ids, damaged)
        unreadable = archived | {damage.campaign for damage in damaged}
        for plan in plans.values():
            known = [lanes[each] for each in plan.lane_campaigns if each in lanes]
            if known and not unreadable.intersection(plan.lane_campaigns):
                whole.append(_whole_campaign(known))
        return whole

    async def _read(
        self, ids: Mapping[SenderId, Sequence[CampaignId]], damaged: list[CampaignDamaged]
    ) -> tuple[dict[CampaignId, LiveCampaign], set[CampaignId]]:
        """Return the campaigns that can be read, and the ids of the campaigns that are in the archive."""
        campaigns, archived = dict[CampaignId, LiveCampaign](), set[CampaignId]()
        before, known = self._before, self._known
        for with_plans in (False, True):
            for calls in _trips(ids, before, with_plans):
                for (sender, some), replies in zip(calls, await self._values(calls, with_plans), strict=True):
                    for campaign, values in zip(some, replies, strict=True):
                        last = before.get(campaign)
                        if last is None or last.values != values:
                            try:
                                last = _read_values(campaign, values, last)
                            except UNREADABLE as error:
                                damaged.append(CampaignDamaged(campaign, sender, damage_in_words(error)))
                                continue
                        if last is None:
                            continue
                        if last.figures is None:
                            archived.add(campaign)
                            continue
                        campaigns[campaign] = last.figures
                        known[campaign] = last
        return campaigns, archived

    async def _values(self, calls: Sequence[_Call], with_plans: bool) -> list[list[Any]]:
        """Return for each call the values of its campaigns; None or an error for a key that holds no hash."""
        if self._script:
            arguments = [
                (sender, {"campaigns": msgspec.json.encode(campaigns), "with_plans": int(with_plans)})
                for sender, campaigns in calls
            ]
            return [reply["campaigns"] for reply in await self._script.together(arguments)]
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender, campaigns in calls:
                for campaign in campaigns:
                    pipe.hmget(campaign_key(sender, campaign), LIVE_FIELDS)
            values = iter(await pipe.execute(raise_on_error=False))
        return [list(islice(values, len(campaigns))) for _, campaigns in calls]


def _trips(
    ids: Mapping[SenderId, Sequence[CampaignId]], known: Collection[CampaignId], with_plans: bool
) -> Iterator[list[_Call]]:
    """Yield the calls of each round trip: with plans the calls for unknown campaigns, else those for known ones."""
    calls, number = list[_Call](), 0
    for sender, of_sender in ids.items():
        chosen = [campaign for campaign in of_sender if (campaign in known) is not with_plans]
        for first in range(0, len(chosen), _IN_SCRIPT):
            calls.append((sender, chosen[first : first + _IN_SCRIPT]))
            number += len(calls[-1][1])
            if number >= _AT_ONCE:
                yield calls
                calls, number = [], 0
    if calls:
        yield calls


def _fields(values: Any) -> Mapping[str, bytes]:
    """Return the existing fields of a campaign, by name."""
    if isinstance(values, RedisError):
        raise values
    if values is None:
        raise ResponseError("WRONGTYPE the key of a campaign does not hold a hash")
    return {name: value for name, value in zip(LIVE_FIELDS, values, strict=True) if value is not None}


def _read_values(campaign: CampaignId, values: Any, last: _LastReply | None) -> _LastReply | None:
    """Return a reply with the figures of its campaign; None if the ledger does not have the campaign.

    Args:
        campaign: the campaign.
        values: the values of its fields; without the plan if there is a last reply.
        last: the last reply for the campaign, which has its plan.

    Raises:
        Exception: one of ``UNREADABLE``; the campaign is damaged.
    """
    plan = last.figures.plan if last and last.figures else None
    if isinstance(values, list) and len(values) == _LENGTH_IF_RUNNING:
        plan, values = _PLAN.decode(values[0]), values[1]
    if plan and isinstance(values, bytes):
        return _LastReply(values, _running_campaign(campaign, plan, values.split(b" ")))
    if isinstance(values, list) and values[0] == _RUNNING and None not in values[1:3]:
        counted = [b"0" if value is None else value for value in values[2 : len(RUNNING_FIELDS)]]
        return _LastReply(values, _running_campaign(campaign, _PLAN.decode(values[1]), counted))
    fields = _fields(values)
    if CampaignField.STATE not in fields and CampaignField.ARCHIVE in fields:
        return _LastReply(values, None)
    if not fields:
        return None
    figures = _live_campaign(campaign, plan or _PLAN.decode(fields[CampaignField.PLAN]), fields)
    return _LastReply([values[0], None, *values[2:]], figures)


def _running_campaign(campaign: CampaignId, plan: LivePlan, numbers: Sequence[bytes]) -> LiveCampaign:
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
        plan=plan,
        state=CampaignState.RUNNING,
        reason="",
        created_ms=int(created_ms),
        sealed_ms=int(sealed_ms),
        total=int(total),
        pending=waiting,
        unsent=waiting + int(sending),
    )


def _live_campaign(campaign: CampaignId, plan: LivePlan, fields: Mapping[str, bytes]) -> LiveCampaign:
    state = CampaignState(fields[CampaignField.STATE].decode())
    counters: Counters = {name: int(fields.get(name, 0)) for name in COUNTERS}
    reason, detail = (fields.get(name, b"").decode() for name in (CampaignField.REASON, CampaignField.REASON_DETAIL))
    return LiveCampaign(
        id=campaign,
        plan=plan,
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
