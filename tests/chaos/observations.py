"""All data about a run: every message in the ledger, the sandbox's journal, the workers' logs and the event log."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from redis.asyncio import Redis

from tests.chaos.counted_visits import CampaignVisits, answered_visits, counted_visits
from tests.chaos.monitor import Monitor
from tests.chaos.standstill import explain
from tests.chaos.testbed import ChaosTestbed, EventLog, Span
from times_dispatch.archive.catalog import Catalog
from times_dispatch.demo.comparison import Comparison, compare, fetch_books
from times_dispatch.demo.statistics_comparison import statistics_against_books
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.statistics.figures import statistics_of
from times_dispatch.ledger.statistics.recount import Recount
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.sandbox.bookkeeping.books import CAMPAIGN_CHARACTERS
from times_dispatch.sandbox.bookkeeping.entries import Arrival, Entry
from times_dispatch.sandbox.bookkeeping.timestamps import seconds

_LEASES_EXPIRED = "leases expired"
"""The event that upkeep logs when it takes batches from a lost worker."""


@dataclass(frozen=True)
class CampaignOutcome:
    """One campaign: how many messages were submitted, the ledger's view, and the comparison with the books."""

    submitted: int
    view: CampaignView
    comparison: Comparison
    arrivals_s: list[float]
    """Times at which the campaign's pushes reached the sandbox, sorted; seconds since the epoch."""
    wrong_statistics: list[str] = field(default_factory=list)
    """Differences between the campaign's statistics and the books, and between them and a recount of its messages."""
    visits: CampaignVisits | None = None
    """The visits of the campaign's tracked links; None without links."""


@dataclass(frozen=True)
class Observations:
    """The data from which figures are computed, of a whole run or of one scenario."""

    span: Span
    campaigns: dict[CampaignId, CampaignOutcome]
    arrivals_s: dict[str, list[float]]
    """Times at which pushes reached the sandbox, by sender, sorted; seconds since the epoch."""
    accepted_ids: int
    """Distinct ids of these campaigns that the sandbox accepted."""
    put_in_doubt: list[tuple[float, int]]
    """When upkeep took batches from lost workers, and how many messages upkeep put in doubt."""
    events: EventLog
    monitor: Monitor
    wrong_rollups: list[str] = field(default_factory=list)
    """Differences between the statistics of days and a recount of all messages."""
    not_sent_in_time: dict[CampaignId, list[str]] = field(default_factory=dict)
    """Details about each campaign that did not finish, or that has unsent messages."""

    def of(self, span: Span, ids: Collection[CampaignId]) -> "Observations":
        """Return the data of these campaigns in a span of time."""
        events = self.events
        campaigns = {campaign: outcome for campaign, outcome in self.campaigns.items() if campaign in ids}
        return replace(
            self,
            span=span,
            campaigns=campaigns,
            wrong_rollups=[],
            accepted_ids=sum(outcome.comparison.in_books for outcome in campaigns.values()),
            arrivals_s={
                sender: [at for at in times_s if span.contains(at)] for sender, times_s in self.arrivals_s.items()
            },
            put_in_doubt=[(at, count) for at, count in self.put_in_doubt if span.contains(at)],
            events=replace(
                events,
                actions=[(at, action) for at, action in events.actions if span.contains(at)],
                lost_workers=[lost for lost in events.lost_workers if span.contains(lost.at_s)],
                campaign_pauses={key: value for key, value in events.campaign_pauses.items() if key in ids},
                sender_pauses={
                    sender: [pause for pause in pauses if span.contains(pause.begin_s)]
                    for sender, pauses in events.sender_pauses.items()
                },
            ),
        )

    @property
    def messages(self) -> int:
        """Number of messages of the campaigns."""
        return sum(outcome.view.total for outcome in self.campaigns.values())

    def count(self, *states: MessageState) -> int:
        """Return the number of messages whose records have one of these states."""
        return sum(outcome.comparison.states[state] for outcome in self.campaigns.values() for state in states)


async def collect(testbed: ChaosTestbed, monitor: Monitor, *, recounts: bool = True) -> Observations:
    """Read all data after all messages are sent and reported. With *recounts*, recount the statistics too."""
    redis = connect(testbed.ledger_url)
    queries = Queries(redis)
    ids = CorrelationIds(testbed.stack.environment["DISPATCH_ID_KEY"].encode())
    books = await fetch_books(testbed.stack.sandbox_url)
    by_sender: defaultdict[str, list[float]] = defaultdict(list)
    by_campaign: defaultdict[str, list[float]] = defaultdict(list)
    for arrival in _arrivals(testbed.journal):
        at_s = seconds(arrival.at_ns)
        by_sender[arrival.sender].append(at_s)
        by_campaign[arrival.message_id[:CAMPAIGN_CHARACTERS]].append(at_s)
    recounted = await _recount(redis) if recounts else {}
    answered = answered_visits(testbed.journal) if testbed.has_links else {}
    campaigns = {}
    for campaign, count in testbed.sent.items():
        view = await queries.campaign(campaign)
        comparison = await compare(queries, view, ids=ids, books=books)
        statistics = statistics_of(await Catalog(redis).statistics(view))
        lanes = [lane.id for lane in view.lanes] or [campaign]
        wrong = statistics_against_books(statistics, comparison.totals)
        wrong += [line for lane in lanes for line in recounted.pop(f"campaign {lane}", [])]
        visits = None
        if testbed.has_links:
            counted = await counted_visits(redis, view.plan.sender, campaign)
            visits = CampaignVisits(answered.get(campaign, set()), counted, statistics.clicked)
        arrivals_s = sorted(at_s for lane in lanes for at_s in by_campaign[lane])
        campaigns[campaign] = CampaignOutcome(count, view, comparison, arrivals_s, wrong, visits)
    await redis.aclose()
    return Observations(
        span=Span(0.0),
        campaigns=campaigns,
        arrivals_s={sender: sorted(times_s) for sender, times_s in by_sender.items()},
        accepted_ids=len(books),
        put_in_doubt=sorted(
            entry for name in testbed.stack.worker_names for entry in _put_in_doubt(testbed.process(name).log)
        ),
        events=testbed.events,
        monitor=monitor,
        wrong_rollups=[line for lines in recounted.values() for line in lines],
        not_sent_in_time={
            campaign: explain(outcome.view, testbed.standstills.found.get(campaign), testbed.logs)
            for campaign, outcome in campaigns.items()
            if messages_not_sent(outcome.view, testbed.events)
        },
    )


async def _recount(redis: Redis) -> dict[str, list[str]]:
    """Return the differences between counters and a recount of all messages, by campaign or rollup."""
    recounted = await Recount(redis).all()
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in recounted.differences:
        found[each.where].append(f"{each.where}: {each.field} is {each.counted}, and {each.recounted} by the records")
    for campaign in recounted.moving:
        found[f"campaign {campaign}"].append("changes during the recount")
    return found


def messages_not_sent(view: CampaignView, events: EventLog) -> int:
    """Return how many messages of a campaign were not sent in time; at least 1 if the campaign did not finish."""
    if view.id in events.cancelled:
        return view.unsent
    return view.counts[MessageState.EXPIRED] + (view.unsent or int(view.state is not CampaignState.FINISHED))


def _arrivals(journal: Path) -> Iterator[Arrival]:
    decode = msgspec.json.Decoder(Entry).decode
    with journal.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n") and isinstance(entry := decode(line), Arrival):
                yield entry


def _put_in_doubt(log: Path) -> Iterator[tuple[float, int]]:
    with log.open("rb") as lines:
        for line in lines:
            if _LEASES_EXPIRED.encode() not in line:
                continue
            fields: dict[str, Any] = msgspec.json.decode(line)
            yield datetime.fromisoformat(fields["timestamp"]).timestamp(), fields["in_doubt"]
