"""The data of the page Now: the live campaigns and senders with their rates, and the findings that need attention."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from heapq import merge, nsmallest
from itertools import islice
from typing import Final, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.campaigns.live_campaigns import LiveCampaign, LiveCampaigns, LiveWork
from times_dispatch.ledger.campaigns.newest_ended import newest_ended
from times_dispatch.ledger.connection import RedisUnavailable
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.lanes.names import header_of
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
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
_RUNNING: Final = CampaignState.RUNNING
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


class _Rates(NamedTuple):
    """The rates of the campaigns since an earlier reading."""

    before: Mapping[CampaignId, int]
    """The counters of the earlier reading; empty before the second reading."""
    moving: Mapping[CampaignId, float]
    """The rates of the campaigns that sent something since then."""

    def of(self, campaign: CampaignId) -> float | None:
        """Return the rate of a campaign; None if the earlier reading does not have it."""
        return self.moving.get(campaign, 0.0) if campaign in self.before else None

    def total(self, campaigns: Sequence[LiveCampaign]) -> float | None:
        """Return the rate of all campaigns together; None if the earlier reading has none of them."""
        if not any(campaign.id in self.before for campaign in campaigns):
            return None
        return sum(self.moving[each.id] for each in campaigns if each.id in self.moving) if self.moving else 0.0


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
        self._live = LiveCampaigns(redis, clock=clock)
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
        stopped = [*_newest([each for each in sender.live if each.state is not _RUNNING] for sender in work.senders)]
        queries, damaged = Queries(self._redis, clock=self._clock), list[CampaignDamaged]()
        in_lanes = [campaign.id for campaign in live if campaign.plan.lane_campaigns]
        ended = await newest_ended(self._redis, list(senders), in_lanes, limit=_MAX_ENDED, damaged=damaged)
        standing = (
            frozenset([campaign.id for campaign in live]),
            frozenset(
                [
                    *((campaign.id, campaign.state, campaign.reason) for campaign in stopped),
                    *((sender.id, sender.paused, sender.day_is_used_up) for sender in senders.values()),
                    *(
                        (sender.id, each.provider, each.why)
                        for sender in senders.values()
                        for each in sender.unavailable
                    ),
                ]
            ),
        )
        if self._standing is not None and self._standing != standing:
            status = await self._status_now(is_old=True)
        self._standing = standing
        rates = self._rates(live)
        shown = {campaign.id: campaign for campaign in _with_card(work, stopped, rates.moving)}
        views = await queries.some(
            [(campaign.id, header_of(campaign.plan.sender)) for campaign in shown.values()], damaged=damaged
        )
        later = Counter[SenderId]()
        for view in views:
            later[header_of(view.plan.sender)] += view.unsent - shown[view.id].unsent
        running = _senders(work, rates, later)
        return NowData(
            at_ms=int(self._clock.time() * 1000),
            status=self._with_damage(status, damaged),
            campaigns=[
                RunningCampaign(
                    view=view,
                    rate_per_s=rates.of(view.id),
                    limit_per_s=_limit(senders[header_of(view.plan.sender)].rate_per_s, view.plan.rate_per_s),
                )
                for view in views
            ],
            live=len(live),
            unsent=sum(sender.unsent for sender in running),
            ended=ended,
            senders=running,
        )

    async def _read_work(self) -> LiveWork:
        """Return the senders and the live campaigns; the status and the cards of one reading share the result."""
        if self._work is None:
            self._work = await self._live.read()
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

    def _rates(self, live: list[LiveCampaign]) -> _Rates:
        """Keep the counters, and return the rates since the newest reading that is old enough."""
        now = self._clock.monotonic()
        done = {campaign.id: campaign.total - campaign.unsent for campaign in live}
        before = next((sample for sample in reversed(self._samples) if now - sample[0] >= _RATE_OVER_S), None)
        before = before or next(iter(self._samples), None)
        if not self._samples or now - self._samples[-1][0] >= _RATE_OVER_S / _MAX_SAMPLES:
            self._samples = [*self._samples[-_MAX_SAMPLES:], (now, done)]
        if before is None or now <= before[0]:
            return _Rates({}, {})
        then, seconds = before[1], now - before[0]
        moving = {
            campaign: (number - then[campaign]) / seconds
            for campaign, number in done.items()
            if number > then.get(campaign, number)
        }
        return _Rates(then, moving)


def _limit(*limits_per_s: float) -> float:
    return min((limit for limit in limits_per_s if limit), default=0.0)


def _with_card(
    work: LiveWork, stopped: Sequence[LiveCampaign], moving: Mapping[CampaignId, float]
) -> list[LiveCampaign]:
    """Return the campaigns that get a card: those that are stopped, and then those that send or wait.

    In each group, those that send are chosen before those that wait, and shown in the order of their age.

    Args:
        work: the live campaigns of each sender, the newest first: ten thousand of them must cost little.
        stopped: the live campaigns that do not run, the newest first.
        moving: the rates of the campaigns that send.
    """
    sends = [each for sender in work.senders for each in sender.live if each.id in moving] if moving else []
    chosen = list[LiveCampaign]()
    for group, candidates in enumerate((stopped, stopped, _newest(sender.live for sender in work.senders))):
        room = _MAX_SHOWN - len(chosen)
        shown = nsmallest(room, [each for each in sends if _group(each) == group], key=_newest_first)
        waiting = (each for each in candidates if each.id not in moving and _group(each) == group)
        chosen += sorted([*shown, *islice(waiting, room - len(shown))], key=_newest_first)
    return chosen


def _group(campaign: LiveCampaign) -> int:
    """Return the place of a campaign's group of cards: stopped by itself, paused by a person, any other."""
    if campaign.state is _RUNNING:
        return 2
    return 0 if needs_person(campaign) else 1 if campaign.state is CampaignState.PAUSED else 2


def _newest(of_senders: Iterable[Iterable[LiveCampaign]]) -> Iterator[LiveCampaign]:
    """Yield the campaigns of all senders, the newest first; those of each sender are in this order."""
    return merge(*of_senders, key=_newest_first)


def _newest_first(campaign: LiveCampaign) -> tuple[int, CampaignId]:
    return -campaign.created_ms, campaign.id


def _senders(work: LiveWork, rates: _Rates, later: Mapping[SenderId, int]) -> list[RunningSender]:
    """Return the senders with live campaigns.

    Args:
        work: the live campaigns of each sender.
        rates: the rates of the campaigns.
        later: for each sender, how many more messages were unsent when the views of its cards were read, a moment
            later: the sums agree with the cards of the page.
    """
    return [
        RunningSender(
            view=sender.sender,
            rate_per_s=rates.total(sender.live),
            unsent=sum([campaign.unsent for campaign in sender.live]) + later.get(sender.sender.id, 0),
        )
        for sender in work.senders
        if sender.live
    ]
