"""The data of the page Now: the live campaigns and senders with their rates, and the findings that need attention."""

from collections.abc import Hashable, Mapping
from heapq import nsmallest
from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.connection import RedisUnavailable
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.lanes.names import header_of
from times_dispatch.ledger.live_campaigns import LiveCampaign, LiveCampaigns, LiveWork
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.newest_ended import newest_ended
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import CampaignState
from times_dispatch.status.findings import find
from times_dispatch.status.model import DeploymentStatus, Severity, StatusFinding
from times_dispatch.status.reader import Queues, needs_person, read_status

_MAX_ENDED: Final = 5
_MAX_SHOWN: Final = 20
"""The maximum of campaigns with a card; a link leads to the others, so that the page stays short."""
_RATE_OVER_S: Final = 10.0
"""A rate is the mean over at least this many seconds."""
_MAX_SAMPLES: Final = 20
STATUS_EVERY_S: Final = 1.5
"""How many seconds old the status of the processes, of Redis and of the reports may be: the status costs more to read
than the campaigns. When a campaign or sender pauses, brakes, starts or ends, the status is read at once."""


class RunningCampaign(msgspec.Struct, frozen=True, kw_only=True):
    """A live campaign and its rate."""

    view: CampaignView
    rate_per_s: float | None
    """Messages per second whose sending ended, over the last seconds; None before two readings."""
    limit_per_s: float
    """The smaller of the limits of the sender and of the campaign; 0 means no limit."""

    @property
    def left_s(self) -> float | None:
        """How many seconds the unsent messages take at this rate; None if this is unknown."""
        return self.view.unsent / self.rate_per_s if self.rate_per_s and self.view.unsent else None


class RunningSender(msgspec.Struct, frozen=True, kw_only=True):
    """A sender with live campaigns, and its rate."""

    view: SenderView
    rate_per_s: float | None
    unsent: int


class NowData(msgspec.Struct, frozen=True, kw_only=True):
    """The live campaigns and senders, and the status of the deployment, at one moment."""

    at_ms: int
    """When the campaigns were read, in epoch milliseconds."""
    status: DeploymentStatus
    """The status, at most ``STATUS_EVERY_S`` seconds older than the campaigns."""
    campaigns: list[RunningCampaign]
    """The campaigns with a card: braked campaigns first, then campaigns that a person paused, then the newest."""
    live: int
    """The number of live campaigns, with and without a card."""
    unsent: int
    """The number of messages of live campaigns that are pending or being sent."""
    ended: list[CampaignView]
    """The newest campaigns that ended."""
    senders: list[RunningSender]

    @property
    def not_shown(self) -> int:
        """The number of live campaigns without a card."""
        return self.live - len(self.campaigns)

    @property
    def needs_person(self) -> list[StatusFinding]:
        """The findings that need a person, the most serious first."""
        return [finding for finding in self.status.findings if finding.severity is not Severity.NOTE]


class NowReader:
    """Reads the data, and keeps the counters of the last seconds to calculate rates."""

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
        self._status: DeploymentStatus | None = None
        self._status_at = 0.0
        self._work: LiveWork | None = None
        """The senders and the live campaigns, once they are read in this reading."""
        self._standing: Hashable = None
        """The stopped and the running campaigns and senders when the status was read."""

    async def read(self) -> NowData:
        """Return the present data; an unavailable ledger is a finding of the status, and not an error."""
        self._work = None
        status = await self._status_now()
        if status.redis is None:
            return self._without_redis(status)
        try:
            return await self._read(status)
        except (RedisError, RedisUnavailable, OSError):
            status = await self._status_now(is_old=True)
            if status.redis is None:
                return self._without_redis(status)
            raise

    async def _read(self, status: DeploymentStatus) -> NowData:
        work = await self._read_work()
        senders = {sender.sender.id: sender.sender for sender in work.senders}
        live = [campaign for sender in work.senders for campaign in sender.live]
        running = [campaign for campaign in live if campaign.state is CampaignState.RUNNING]
        others = [campaign for campaign in live if campaign.state is not CampaignState.RUNNING]
        queries, damaged = Queries(self._redis, clock=self._clock), list[CampaignDamaged]()
        in_lanes = [campaign.id for campaign in live if campaign.plan.lane_campaigns]
        ended = await newest_ended(self._redis, list(senders), in_lanes, limit=_MAX_ENDED, damaged=damaged)
        standing = (
            frozenset([campaign.id for campaign in running]),
            frozenset(
                [
                    *((campaign.id, campaign.state, campaign.reason) for campaign in others),
                    *((sender.id, sender.paused, sender.day_is_used_up) for sender in senders.values()),
                    *(
                        (sender.id, each.provider, each.why)
                        for sender in senders.values()
                        for each in sender.unavailable
                    ),
                ]
            ),
        )
        if self._standing not in {None, standing}:
            status = await self._status_now(is_old=True)
        self._standing = standing
        rates = self._rates(live)
        ids = [(campaign.id, header_of(campaign.plan.sender)) for campaign in _with_card(running, others, rates)]
        views = await queries.some(ids, damaged=damaged)
        # The views were read a moment later than the counts: sums of the views agree with the cards of the page.
        unsent = {campaign.id: campaign.unsent for campaign in live} | {view.id: view.unsent for view in views}
        return NowData(
            at_ms=int(self._clock.time() * 1000),
            status=self._with_damage(status, damaged),
            campaigns=[
                RunningCampaign(
                    view=view,
                    rate_per_s=rates.get(view.id),
                    limit_per_s=_limit(senders[header_of(view.plan.sender)].rate_per_s, view.plan.rate_per_s),
                )
                for view in views
            ],
            live=len(live),
            unsent=sum(unsent.values()),
            ended=ended,
            senders=[
                _sender(sender.sender, [campaign.id for campaign in sender.live], unsent, rates)
                for sender in work.senders
                if sender.live
            ],
        )

    async def _read_work(self) -> LiveWork:
        """Return the senders and the live campaigns; the status and the cards of one reading share the result."""
        if self._work is None:
            self._work = await LiveCampaigns(self._redis, clock=self._clock).read()
        return self._work

    async def _status_now(self, *, is_old: bool = False) -> DeploymentStatus:
        """Return the status; read the status again if it is too old, or if *is_old*."""
        now = self._clock.monotonic()
        if self._status is None or is_old or now - self._status_at >= STATUS_EVERY_S:
            self._status, self._standing = None, None
            self._status_at = now
            self._status = await read_status(
                self._redis,
                self._queues,
                max_memory_share=self._max_memory_share,
                clock=self._clock,
                may_write=False,
                read_work=self._read_work,
            )
        return self._status

    def _with_damage(self, status: DeploymentStatus, damaged: list[CampaignDamaged]) -> DeploymentStatus:
        """Return the status with findings about campaigns whose summary can be read, but not their whole view."""
        known = {*status.work.damaged, *(damage.campaign for damage in damaged)}
        if len(known) == len(status.work.damaged):
            return status
        work = msgspec.structs.replace(status.work, damaged=sorted(known))
        return find(msgspec.structs.replace(status, work=work), max_memory_share=self._max_memory_share)

    def _without_redis(self, status: DeploymentStatus) -> NowData:
        self._status = None  # so that the next reading asks again
        return NowData(at_ms=status.at_ms, status=status, campaigns=[], live=0, unsent=0, ended=[], senders=[])

    def _rates(self, live: list[LiveCampaign]) -> dict[CampaignId, float]:
        """Keep the counters, and return the rates since the newest reading that is old enough."""
        now = self._clock.monotonic()
        done = {campaign.id: campaign.done for campaign in live}
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


def _limit(*limits_per_s: float) -> float:
    return min((limit for limit in limits_per_s if limit), default=0.0)


def _with_card(
    running: list[LiveCampaign], others: list[LiveCampaign], rates: Mapping[CampaignId, float]
) -> list[LiveCampaign]:
    """Return the campaigns that get a card: those that are stopped, and then those that send or wait.

    Of the latter, those that send are chosen before those that wait, and shown in the order of their age.

    Args:
        running: the live campaigns that run: ten thousand of them must cost little.
        others: the other live campaigns.
        rates: how many messages each campaign sends in a second.
    """
    by_stop: list[list[LiveCampaign]] = [[], [], []]
    for campaign in others:
        by_stop[0 if needs_person(campaign) else 1 if campaign.state is CampaignState.PAUSED else 2].append(campaign)
    by_stop[2] += running
    chosen = list[LiveCampaign]()
    for of_stop in by_stop:
        room = _MAX_SHOWN - len(chosen)
        if not room:
            break
        sends = [campaign for campaign in of_stop if rates.get(campaign.id)]
        shown = nsmallest(room, sends, key=_newest_first)
        if len(shown) < room:
            shown += nsmallest(
                room - len(shown), [each for each in of_stop if not rates.get(each.id)], key=_newest_first
            )
        chosen += sorted(shown, key=_newest_first)
    return chosen


def _newest_first(campaign: LiveCampaign) -> tuple[int, CampaignId]:
    return -campaign.created_ms, campaign.id


def _sender(
    view: SenderView,
    campaigns: list[CampaignId],
    unsent: Mapping[CampaignId, int],
    rates: Mapping[CampaignId, float],
) -> RunningSender:
    known = [rates[campaign] for campaign in campaigns if campaign in rates]
    return RunningSender(
        view=view, rate_per_s=sum(known) if known else None, unsent=sum(unsent[campaign] for campaign in campaigns)
    )
