"""The data of the page Now: what runs, how fast, what is stopped, and what needs a person."""

from collections.abc import Mapping
from typing import Final

import msgspec
from redis.asyncio import Redis

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import CampaignState
from times_dispatch.status.model import DeploymentStatus, Severity, StatusFinding
from times_dispatch.status.reader import Queues, read_status

_MAX_ENDED: Final = 5
_MAX_SHOWN: Final = 20
"""Campaigns that get a card; the others are a link, so that the page stays short however many are live."""
_RATE_OVER_S: Final = 10.0
"""A rate is the mean of so many seconds, at least."""
_MAX_SAMPLES: Final = 20


class RunningCampaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign that is live, and how fast it goes."""

    view: CampaignView
    rate_per_s: float | None
    """Messages per second that need no more sending, over the last seconds; None before two readings."""
    limit_per_s: float
    """The smaller of the limits of the sender and of the campaign; 0 is none."""

    @property
    def left_s(self) -> float | None:
        """How many seconds the rest takes at this rate; None if nobody can say."""
        return self.view.unsent / self.rate_per_s if self.rate_per_s and self.view.unsent else None


class RunningSender(msgspec.Struct, frozen=True, kw_only=True):
    """A sender with live campaigns, and how fast it goes."""

    view: SenderView
    rate_per_s: float | None
    unsent: int


class NowData(msgspec.Struct, frozen=True, kw_only=True):
    """The state of all that lives at one moment."""

    status: DeploymentStatus
    campaigns: list[RunningCampaign]
    """Those that are stopped first, and then the newest first."""
    ended: list[CampaignView]
    """The newest campaigns that ended."""
    senders: list[RunningSender]

    @property
    def shown(self) -> list[RunningCampaign]:
        """The campaigns that get a card."""
        return self.campaigns[:_MAX_SHOWN]

    @property
    def not_shown(self) -> int:
        """How many live campaigns get no card."""
        return len(self.campaigns) - len(self.shown)

    @property
    def needs_person(self) -> list[StatusFinding]:
        """What somebody has to do, the most serious first."""
        return [finding for finding in self.status.findings if finding.severity is not Severity.NOTE]


class NowReader:
    """Reads the data, and remembers the counters of the last seconds, from which it works out rates."""

    def __init__(
        self, redis: Redis, queues: Queues, *, max_memory_share: float = 0.9, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Make a reader.

        Args:
            redis: the ledger.
            queues: reads the lengths of the queues.
            max_memory_share: the share of maxmemory above which no campaign and no report is taken.
            clock: measures the time between readings.
        """
        self._redis = redis
        self._queues = queues
        self._max_memory_share = max_memory_share
        self._clock = clock
        self._samples = list[tuple[float, Mapping[CampaignId, int]]]()

    async def read(self) -> NowData:
        """Return the data of this moment; an unavailable ledger is a finding of the status, and no error."""
        status = await read_status(
            self._redis, self._queues, max_memory_share=self._max_memory_share, clock=self._clock, may_write=False
        )
        if status.redis is None:
            return NowData(status=status, campaigns=[], ended=[], senders=[])
        queries, damaged = Queries(self._redis, clock=self._clock), list[CampaignDamaged]()
        views, _ = await queries.live_and_ended(max_ended=_MAX_ENDED, damaged=damaged)
        ended = [view for view in views if view.state in _ENDED]
        live = [view for view in views if view.state not in _ENDED]
        rates = self._rates(live)
        senders = {name: await queries.sender(name) for name in sorted({view.plan.sender for view in live})}
        campaigns = [
            RunningCampaign(
                view=view,
                rate_per_s=rates.get(view.id),
                limit_per_s=_limit(senders[view.plan.sender].rate_per_s, view.plan.rate_per_s),
            )
            for view in sorted(live, key=lambda view: view.state not in _STOPPED)
        ]
        return NowData(
            status=status,
            campaigns=campaigns,
            ended=ended,
            senders=[_sender(name, view, campaigns) for name, view in senders.items()],
        )

    def _rates(self, live: list[CampaignView]) -> dict[CampaignId, float]:
        """Keep the counters, and return the rates since the newest reading that is old enough."""
        now = self._clock.monotonic()
        done = {view.id: view.done for view in live}
        before = next((sample for sample in reversed(self._samples) if now - sample[0] >= _RATE_OVER_S), None)
        before = before or next(iter(self._samples), None)
        if not self._samples or now - self._samples[-1][0] >= _RATE_OVER_S / _MAX_SAMPLES:
            self._samples = [*self._samples[-_MAX_SAMPLES:], (now, done)]
        if before is None or now <= before[0]:
            return {}
        return {
            campaign: max(0, number - before[1][campaign]) / (now - before[0])
            for campaign, number in done.items()
            if campaign in before[1]
        }


_ENDED: Final = frozenset({CampaignState.FINISHED, CampaignState.CANCELLED})
_STOPPED: Final = frozenset({CampaignState.BRAKED, CampaignState.PAUSED})


def _limit(*limits_per_s: float) -> float:
    return min((limit for limit in limits_per_s if limit), default=0.0)


def _sender(name: SenderId, view: SenderView, campaigns: list[RunningCampaign]) -> RunningSender:
    own = [campaign for campaign in campaigns if campaign.view.plan.sender == name]
    known = [campaign.rate_per_s for campaign in own if campaign.rate_per_s is not None]
    return RunningSender(
        view=view, rate_per_s=sum(known) if known else None, unsent=sum(campaign.view.unsent for campaign in own)
    )
