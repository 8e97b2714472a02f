"""The alignment of lanes: a brake, pause or cancel of one lane of a campaign is brought to all its lanes.

``Control`` changes all lanes at once, but lanes can differ: a script knows only its own lane, so a brake stops one lane
first. A lane does not change while its node cannot be reached. And a submit may break off between the seals of two
lanes. Upkeep calls ``align`` for campaigns that changed. ``align`` acts if it finds the same difference twice, at least
a second apart, because a person's change reaches the lanes one after the other.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Container, Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import LedgerError
from times_dispatch.ledger.lanes.names import header_of, lane_senders
from times_dispatch.ledger.lanes.whole import whole_campaign
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import LaneQueries
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import LIVE, CampaignState
from times_dispatch.ledger.submission import Submissions

T = TypeVar("T")

APART_S: Final = 1.0
"""A difference that is found again after this many seconds is not just a change that is still under way."""
WAIT_S: Final = 4.0
"""How long one sender or campaign may take in one round, in seconds."""
_AT_ONCE: Final = 16
"""Senders or campaigns that are aligned at the same time."""
_STOPS: Final = (
    (CampaignState.CANCELLED, ControlAction.CANCEL, frozenset({*LIVE, CampaignState.SUBMITTING})),
    (CampaignState.BRAKED, ControlAction.BRAKE, frozenset({CampaignState.RUNNING})),
    (CampaignState.PAUSED, ControlAction.PAUSE, frozenset({CampaignState.RUNNING})),
)
"""The state of one lane, the action that brings this state to the other lanes, and the states in which a lane is
changed."""


class _SenderStops(NamedTuple):
    paused: bool
    braked: frozenset[str]
    """Providers."""


class _Differing(NamedTuple):
    """A campaign whose lanes differ."""

    since_s: float
    """When the campaign's lanes were first found to differ in this way."""
    states: list[CampaignState]
    """The states of the lanes that can be read."""
    seen: CampaignView
    """Any lane of the campaign."""


class LaneAlignment:
    """Finds lanes that differ, and brings the stop of one lane to the others."""

    def __init__(self, redis: Redis, *, wait_s: float = WAIT_S, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make an alignment that has seen nothing.

        Args:
            redis: the ledger.
            wait_s: how long one sender or campaign may take in one round, in seconds; the others are not delayed.
            clock: measures how long lanes have differed.
        """
        self._lanes = LaneQueries(redis)
        self._control = Control(redis)
        self._submissions = Submissions(redis)
        self._wait_s = wait_s
        self._clock = clock
        self._differing: dict[CampaignId, _Differing] = {}
        """Campaigns whose lanes differ."""
        self._differing_senders: dict[SenderId, tuple[float, list[_SenderStops]]] = {}
        """When the lanes of a sender were first found to differ in this way, and the pause or brake of each lane."""

    async def align_senders(self, names: Iterable[SenderId]) -> None:
        """Bring the pause or brake of one lane of a sender to its other lanes, whose nodes may have been away.

        An error of one sender does not affect other senders. Raises the first Redis error or TimeoutError at the end.
        """
        lanes = defaultdict[SenderId, list[SenderId]](list)
        for name in names:
            lanes[header_of(name)].append(name)
        await self._each(
            self._align_sender(sender, of_sender) for sender, of_sender in lanes.items() if len(of_sender) > 1
        )

    async def _align_sender(self, sender: SenderId, lanes: Sequence[SenderId]) -> None:
        views = [view for lane in lanes if (view := await self._read(self._lanes.sender(lane)))]
        stops = [_stops(view) for view in views]
        if all(stop == stops[0] for stop in stops):
            self._differing_senders.pop(sender, None)
            return
        since_s, before = self._differing_senders.get(sender, (self._clock.monotonic(), stops))
        if before != stops:
            since_s = self._clock.monotonic()
        self._differing_senders[sender] = (since_s, stops)
        if self._clock.monotonic() - since_s >= APART_S:
            await self._stop_all(sender, views)

    async def _stop_all(self, sender: SenderId, views: Sequence[SenderView]) -> None:
        """Bring pauses and brakes to all lanes that can be reached; raise the first error at the end."""
        stops = list[Awaitable[object]]()
        if paused := next((view for view in views if view.paused), None):
            stops.append(self._control.pause_sender(sender, reason=paused.pause_reason))
        braked = {held.provider: held.brake for view in views for held in view.unavailable if held.brake}
        stops += [self._control.brake_provider(sender, provider, reason) for provider, reason in braked.items()]
        for result in await asyncio.gather(*stops, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def align(self, changed: Iterable[CampaignView], *, away: Container[SenderId] = ()) -> None:
        """Check the changed campaigns, and check again the campaigns whose lanes differed.

        An error of one campaign does not affect other campaigns; lanes that cannot be read are left out. Raises the
        first Redis error or TimeoutError at the end.

        Args:
            changed: campaigns, or campaigns of single lanes whose whole campaign could not be read.
            away: senders and lanes whose node is away.
        """
        views = {campaign: differing.seen for campaign, differing in self._differing.items()}
        views |= {view.plan.lane_campaigns[0]: view for view in changed if view.plan.lane_campaigns}
        await self._each(self._align(campaign, view, away) for campaign, view in views.items())

    async def _align(self, campaign: CampaignId, seen: CampaignView, away: Container[SenderId]) -> None:
        view = whole_campaign(seen.lanes or await self._readable_lanes(seen, away) or [seen])
        if not differs(view):
            self._differing.pop(campaign, None)
            return
        states = [lane.state for lane in view.lanes]
        known = self._differing.get(campaign)
        since_s = known.since_s if known and known.states == states else self._clock.monotonic()
        self._differing[campaign] = _Differing(since_s, states, view.lanes[0])
        if self._clock.monotonic() - since_s >= APART_S:
            with suppress(LedgerError):
                await self._make_equal(view)

    async def _readable_lanes(self, seen: CampaignView, away: Container[SenderId]) -> list[CampaignView]:
        """Return the lanes of a campaign that are neither away nor damaged."""
        ids = seen.plan.lane_campaigns
        senders = lane_senders(header_of(seen.plan.sender), len(ids))
        reads = [
            self._read(self._lanes.some([(campaign, sender)], damaged=[]))
            for campaign, sender in zip(ids, senders, strict=True)
            if sender not in away
        ]
        return [view for views in await asyncio.gather(*reads) for view in views or ()]

    async def _read(self, reading: Awaitable[T]) -> T | None:
        """Return the result of a read; None if the node does not answer in time, or the lane is damaged."""
        try:
            async with asyncio.timeout(self._wait_s / 2):
                return await reading
        except (RedisError, OSError, ValueError):
            return None

    async def _each(self, alignments: Iterable[Awaitable[None]]) -> None:
        """Await all calls, each for a bounded time; raise the first error at the end."""
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def bounded(alignment: Awaitable[None]) -> None:
            async with at_once, asyncio.timeout(self._wait_s):
                await alignment

        for result in await asyncio.gather(*map(bounded, alignments), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _make_equal(self, view: CampaignView) -> None:
        for state, action, acts_on in _STOPS:
            stopped = next((lane for lane in view.lanes if lane.state is state), None)
            if stopped and any(lane.state in acts_on for lane in view.lanes):
                await self._control.campaign(stopped.plan.sender, stopped.id, action, reason=stopped.reason)
                return
        # One lane is sealed, so the batches of all lanes are stored, and the submit broke off before it sealed this
        # lane.
        for lane in view.lanes:
            if lane.state is CampaignState.SUBMITTING:
                await self._submissions.seal(
                    lane.id, lane.plan.sender, total=lane.total, batches=lane.batches, actor=""
                )


def _stops(view: SenderView) -> "_SenderStops":
    return _SenderStops(view.paused, frozenset(held.provider for held in view.unavailable if held.brake))


def differs(view: CampaignView) -> bool:
    """Say whether the lanes of a campaign should not stay as they are."""
    states = {lane.state for lane in view.lanes}
    is_half_sealed = CampaignState.SUBMITTING in states and len(states) > 1
    return is_half_sealed or any(state in states and states & acts_on for state, _, acts_on in _STOPS)
