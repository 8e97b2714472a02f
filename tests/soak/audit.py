"""Compares each campaign with the provider's books, after the campaign's validity and before it is archived."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.chaos.counted_visits import CampaignVisits, counted_visits
from tests.chaos.testbed import ChaosTestbed
from tests.soak.load import SoakCampaign
from tests.soak.settings import VALIDITY_S
from times_dispatch.demo.comparison import Comparison, compare
from times_dispatch.demo.statistics_comparison import statistics_against_books
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.errors import CampaignArchived
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.queries import Queries
from times_dispatch.ledger.states import CampaignState, MessageState
from times_dispatch.ledger.statistics.figures import statistics_of
from times_dispatch.ledger.statistics.rollups import StatisticsReader
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.sandbox.bookkeeping.books import CAMPAIGN_CHARACTERS, Accepted
from times_dispatch.sandbox.bookkeeping.entries import Entry, ReportEntry

_EVERY_S = 10.0
_FIRST_LOOK_S = 12.0
"""Seconds after the end of its validity at which a campaign is compared: then clicks are no longer redirected."""
_LAST_LOOK_S = 45.0
"""Seconds after which a difference counts; before that, a report may still wait in a stream."""
_CLOCK_S = 15.0
"""Requests that were accepted more than this many seconds before a submit belong to earlier campaigns."""
_MAX_EXAMPLES = 20
_OPEN = (MessageState.PENDING, MessageState.SENDING, MessageState.IN_DOUBT, MessageState.ACCEPTED)
_ENDED = (CampaignState.FINISHED, CampaignState.CANCELLED)


class AuditTotals(msgspec.Struct):
    """The results of the comparison of all campaigns."""

    campaigns: int = 0
    messages: int = 0
    accepted: int = 0
    """Distinct ids of the campaigns' messages that the provider accepted."""
    accepted_twice: int = 0
    lost: int = 0
    """Messages in no state, in two states, or without a final state."""
    not_sent: int = 0
    """Messages that expired in campaigns that were not cancelled."""
    differences: int = 0
    """Messages, counters and statistics that differ from the books."""
    clicks: int = 0
    wrong_clicks: int = 0
    """Clicks that were redirected but not counted, or counted twice."""
    retried: int = 0
    in_doubt: int = 0
    """Messages that were given up, because no report decided about them."""
    unseen: int = 0
    """Campaigns that left Redis before they were compared."""
    examples: list[str] = []

    def note(self, text: str) -> None:
        """Keep the description of a mistake, unless there are already many."""
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append(text)


class Audit:
    """Compares campaigns during the run."""

    def __init__(self, testbed: ChaosTestbed, submitted: Sequence[SoakCampaign]) -> None:
        """Make an audit that has not begun; *submitted* are all campaigns, to which the load adds more."""
        self._testbed = testbed
        self._ids = CorrelationIds(testbed.stack.environment["DISPATCH_ID_KEY"].encode())
        self._visits = VisitsInJournal(testbed.journal)
        self._books_after = 0
        self._submitted = submitted
        self._compared = set[CampaignId]()
        self.totals = AuditTotals()

    @property
    def waiting(self) -> list[SoakCampaign]:
        """The campaigns that have not been compared, the oldest first."""
        return [campaign for campaign in self._submitted if campaign.id not in self._compared]

    async def run(self) -> None:
        """Compare the due campaigns, until the task is cancelled."""
        redis = connect(self._testbed.stack.redis.url, socket_timeout_s=5.0, retries=0)
        try:
            while True:
                # The comparison waits while Redis or the sandbox is away.
                with suppress(RedisError, OSError, httpx.TransportError):
                    await self.look(redis)
                await asyncio.sleep(_EVERY_S)
        finally:
            await redis.aclose()

    async def look(self, redis: Redis) -> None:
        """Compare the campaigns whose validity has ended."""
        now_s = time.time()
        due = [each for each in self.waiting if now_s > _valid_until_s(each) + _FIRST_LOOK_S]
        if not due:
            return
        self._visits.read()
        books = await self._books()
        for campaign in due:
            try:
                is_done = await self._compare(redis, campaign, books)
            except CampaignArchived:
                self.totals.unseen += 1
                self.totals.note(f"{campaign.id} ({campaign.kind.name}) was archived before it was compared")
                is_done = True
            if is_done:
                self._compared.add(campaign.id)

    async def _books(self) -> dict[str, Accepted]:
        """Return the requests that were accepted since the oldest waiting campaign was submitted."""
        since_s = min(campaign.submitted_s for campaign in self.waiting) - _CLOCK_S
        decode: Any = msgspec.json.Decoder(Accepted).decode_lines
        books: dict[str, Accepted] = {}
        after = self._books_after
        while page := decode((await self._testbed.sandbox.get("/sandbox/accepted", params={"after": after})).content):
            books.update({entry.id: entry for entry in page})
            after = page[-1].n
        old = next((entry.n - 1 for entry in books.values() if entry.at >= since_s), after)
        self._books_after = max(self._books_after, old)
        return books

    async def _compare(self, redis: Redis, campaign: SoakCampaign, books: dict[str, Accepted]) -> bool:
        """Compare one campaign and add it to the totals; return False if the campaign must be compared again later."""
        queries = Queries(redis)
        view = await queries.campaign(campaign.id)
        since_end_s = time.time() - view.plan.valid_until_ms / 1000
        if since_end_s < _FIRST_LOOK_S:
            return False
        comparison = await compare(queries, view, ids=self._ids, books=books)
        statistics = statistics_of(await StatisticsReader(redis).campaign(view.plan.sender, campaign.id))
        wrong = statistics_against_books(statistics, comparison.totals)
        visits = CampaignVisits(set(), set(), 0)
        if campaign.kind.has_links:
            counted = await counted_visits(redis, view.plan.sender, campaign.id)
            visits = CampaignVisits(self._visits.of(campaign.id), counted, statistics.clicked)
        open_messages = sum(view.counts[state] for state in _OPEN) + view.retries_waiting
        wrong_clicks = len(visits.lost) + abs(visits.counted_twice)
        is_good = view.state in _ENDED and not (
            comparison.differences or comparison.accepted_twice or wrong or wrong_clicks or open_messages
        )
        if not is_good and since_end_s < _LAST_LOOK_S:
            return False
        self._add(campaign, view, comparison)
        totals = self.totals
        totals.differences += len(wrong)
        totals.lost += open_messages
        totals.clicks += len(visits.answered)
        totals.wrong_clicks += wrong_clicks
        totals.retried += sum(statistics.retried.values())
        if not is_good:
            totals.note(
                f"{campaign.id} ({campaign.kind.name}, {view.state}): {open_messages} open, {wrong_clicks} wrong "
                f"clicks, {comparison.accepted_twice} accepted twice; {'; '.join([*comparison.examples, *wrong][:6])}"
            )
        self._visits.forget(campaign.id)
        return True

    def _add(self, campaign: SoakCampaign, view: CampaignView, comparison: Comparison) -> None:
        totals, states = self.totals, comparison.states
        totals.campaigns += 1
        totals.messages += campaign.messages
        totals.accepted += comparison.in_books
        totals.accepted_twice += comparison.accepted_twice
        totals.differences += comparison.differences + comparison.undecided_in_books
        totals.in_doubt += states[MessageState.GIVEN_UP]
        totals.lost += abs(campaign.messages - view.total) + abs(view.total - comparison.messages)
        totals.lost += sum(abs(states[state] - view.counts[state]) for state in MessageState)
        if not campaign.kind.is_cancelled and states[MessageState.EXPIRED]:
            totals.not_sent += states[MessageState.EXPIRED]
            totals.note(f"{campaign.id} ({campaign.kind.name}): {states[MessageState.EXPIRED]} expired")


class VisitsInJournal:
    """The redirects in the sandbox's journal, read while the journal grows."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._read_to = 0
        self._visits: defaultdict[str, set[str]] = defaultdict(set)
        self._decode = msgspec.json.Decoder(Entry).decode

    def read(self) -> None:
        """Read the lines of the journal that were written since the last call."""
        with self._journal.open("rb") as lines:
            lines.seek(self._read_to)
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                self._read_to += len(line)
                if not line.startswith(b'["report"'):
                    continue
                entry = self._decode(line)
                if isinstance(entry, ReportEntry) and entry.visit:
                    self._visits[entry.meta[:CAMPAIGN_CHARACTERS]].add(entry.visit)

    def of(self, campaign: str) -> set[str]:
        """Return the redirects of one campaign."""
        return self._visits.get(campaign, set())

    def forget(self, campaign: str) -> None:
        self._visits.pop(campaign, None)


def _valid_until_s(campaign: SoakCampaign) -> float:
    """Return the time at which the validity of a campaign ends, if its submit took no time."""
    return campaign.submitted_s + VALIDITY_S
