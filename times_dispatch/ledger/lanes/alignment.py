"""The lanes of a campaign follow each other: a brake, pause or cancel of one lane becomes that of all.

``Control`` acts on all lanes at once. Scripts know their own lane only, so a brake stops one lane first; a node that
could not be reached keeps a lane as it was; and a submit may break off between the seals of two lanes. Upkeep calls
``align`` for campaigns that changed. It acts when it finds the same difference twice, a second apart or more, because
a person's change reaches the lanes one after the other.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from redis.asyncio import Redis

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.control import Control
from times_dispatch.ledger.errors import LedgerError
from times_dispatch.ledger.lanes.names import header_of
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.queries import LaneQueries, Queries
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import LIVE, CampaignState
from times_dispatch.ledger.submission import Submissions

APART_S: Final = 1.0
"""A difference that is found again after so many seconds is none that is just being made."""
_STOPS: Final = (
    (CampaignState.CANCELLED, ControlAction.CANCEL, frozenset({*LIVE, CampaignState.SUBMITTING})),
    (CampaignState.BRAKED, ControlAction.BRAKE, frozenset({CampaignState.RUNNING})),
    (CampaignState.PAUSED, ControlAction.PAUSE, frozenset({CampaignState.RUNNING})),
)
"""The state of one lane, the action that brings it to the other lanes, and the states of lanes on which it acts."""


class _SenderStops(NamedTuple):
    paused: bool
    braked: frozenset[str]
    """Providers."""


class LaneAlignment:
    """Finds lanes that differ, and brings the stop of one lane to the others."""

    def __init__(self, redis: Redis, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._queries = Queries(redis)
        self._control = Control(redis)
        self._submissions = Submissions(redis)
        self._clock = clock
        self._differing: dict[CampaignId, tuple[float, list[CampaignState]]] = {}
        """When the lanes of a campaign were first found to differ in this way, and the states of the lanes."""
        self._differing_senders: dict[SenderId, tuple[float, list[_SenderStops]]] = {}
        """The same of the lanes of a sender, and what stops each of them."""

    async def align_senders(self, names: Iterable[SenderId]) -> None:
        """Bring the pause or brake of one lane of a sender to its other lanes: a node may have been away.

        Raises Redis errors.
        """
        lanes = defaultdict[SenderId, list[SenderId]](list)
        for name in names:
            lanes[header_of(name)].append(name)
        for sender in [sender for sender, of_sender in lanes.items() if len(of_sender) > 1]:
            views = [await LaneQueries.sender(self._queries, lane) for lane in lanes[sender]]
            stops = [_stops(view) for view in views]
            if all(stop == stops[0] for stop in stops):
                self._differing_senders.pop(sender, None)
                continue
            since_s, before = self._differing_senders.get(sender, (self._clock.monotonic(), stops))
            if before != stops:
                since_s = self._clock.monotonic()
            self._differing_senders[sender] = (since_s, stops)
            if self._clock.monotonic() - since_s >= APART_S:
                await self._stop_all(sender, views)

    async def _stop_all(self, sender: SenderId, views: Sequence[SenderView]) -> None:
        if paused := next((view for view in views if view.paused), None):
            await self._control.pause_sender(sender, reason=paused.pause_reason)
        braked = {held.provider: held.brake for view in views for held in view.unavailable if held.brake}
        for provider, reason in braked.items():
            await self._control.brake_provider(sender, provider, reason)

    async def align(self, changed: Iterable[CampaignView]) -> None:
        """Look at changed campaigns, and again at those whose lanes differed. Raises Redis errors."""
        views = {view.id: view for view in changed if view.lanes}
        for campaign in self._differing.keys() - views.keys():
            try:
                views[campaign] = await self._queries.campaign(campaign)
            except LedgerError:
                del self._differing[campaign]
        for view in views.values():
            if not differs(view):
                self._differing.pop(view.id, None)
                continue
            states = [lane.state for lane in view.lanes]
            since_s, before = self._differing.get(view.id, (self._clock.monotonic(), states))
            if before != states:
                since_s = self._clock.monotonic()
            self._differing[view.id] = (since_s, states)
            if self._clock.monotonic() - since_s >= APART_S:
                with suppress(LedgerError):
                    await self._make_equal(view)

    async def _make_equal(self, view: CampaignView) -> None:
        for state, action, acts_on in _STOPS:
            stopped = next((lane for lane in view.lanes if lane.state is state), None)
            if stopped and any(lane.state in acts_on for lane in view.lanes):
                await self._control.campaign(view.plan.sender, view.id, action, reason=stopped.reason)
                return
        # One lane is sealed, so the batches of all are stored, and the submit broke off before it sealed this one.
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
