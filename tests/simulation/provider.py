"""The simulated providers: a seed decides how they answer and report; they keep books, and post reports."""

import asyncio
import contextvars
from collections import defaultdict
from collections.abc import Awaitable, Callable
from random import Random
from typing import NamedTuple

import msgspec

from tests.simulation.loop import SimulatedLoop, current_process
from times_dispatch.ledger.model import CampaignId
from times_dispatch.provider.correlation_ids import CorrelationIds
from times_dispatch.provider.failures import TOO_LATE
from times_dispatch.provider.outcomes import Outcome, Verdict
from times_dispatch.provider.push import Push

ACCEPTED = Outcome(Verdict.ACCEPTED, code=200, parts=1)
REJECTED = Outcome(Verdict.REJECTED, code=2054, reason="invalid mobile number")
NOT_SENT = Outcome(Verdict.NOT_SENT, code=2, reason="connection refused")
UNCONNECTED = Outcome(Verdict.NOT_SENT, code=3, reason="no connection in time")
THROTTLED = Outcome(Verdict.THROTTLED, code=429, retry_after_s=1.0, reason="too many requests")
IN_DOUBT = Outcome(Verdict.IN_DOUBT, code=10, reason="no answer in time")
HUNG_UP = Outcome(Verdict.IN_DOUBT, code=11, reason="connection lost before the answer was complete")
READ_TIMEOUT_S = 15.0
CONNECT_TIMEOUT_S = 2.0

Row = tuple[CampaignId, int]
"""A campaign, and the index of a message in the campaign."""


class SimulatedAcceptance(NamedTuple):
    """A message that a provider accepted, and the time of the acceptance."""

    attempt: int
    at_s: float
    provider: str


class BegunPush(NamedTuple):
    """A push that began."""

    at_s: float
    sender: str
    row: Row
    to: str
    text: str
    process: str


class Behaviour(msgspec.Struct):
    """How a provider treats pushes: shares of 1, and mean times in seconds."""

    latency_s: float = 0.05
    rejected: float = 0.01
    not_sent: float = 0.0
    throttled: float = 0.0
    answer_lost: float = 0.002
    """The share of pushes that are accepted but never answered."""
    hangs_up: float = 0.0
    """The share of pushes that are accepted, but whose connection is lost before the answer."""
    crashes: float = 0.0
    """The share of pushes for which the client raises an unexpected error."""
    report_lost: float = 0.02
    report_doubled: float = 0.05
    report_failed: float = 0.1
    report_at_once: float = 0.05
    """The share of reports that arrive before the answer to the push."""
    report_contradicted: float = 0.02
    """The share of reports that are followed by a report that says the opposite."""
    report_days_late: float = 0.002
    report_delay_s: float = 20.0


class SimulatedBooks:
    """The books of all providers together, which no fault of the dispatcher changes."""

    def __init__(self) -> None:
        self.begun: list[BegunPush] = []
        """Every push that began, in order."""
        self.accepted: defaultdict[Row, list[SimulatedAcceptance]] = defaultdict(list)
        self.in_flight: dict[Row, str] = {}
        """The process that is pushing each row now."""
        self.overlaps: list[str] = []
        """Rows that two processes pushed at the same time."""
        self.refused: set[Row] = set()
        """Rows of which a provider refused a push."""
        self.known: defaultdict[Row, dict[str, list[float]]] = defaultdict(dict)
        """For each row, the kinds of the reports that were answered with 200, and the time of each answer."""
        self.failed: defaultdict[Row, set[int]] = defaultdict(set)
        """The attempts of each row of which a posted report said failed. The ledger may have stored such a report
        although its post got no 200."""
        self.new: list[Row] = []
        """Rows that were accepted since this list was last emptied."""


class SimulatedProvider:
    """A provider that answers and posts reports according to its ``Behaviour``."""

    def __init__(
        self,
        loop: SimulatedLoop,
        random: Random,
        books: SimulatedBooks,
        *,
        name: str,
        id_key: bytes,
        post: Callable[[bytes], Awaitable[bool]],
        has_campaign: Callable[[CampaignId], bool],
    ) -> None:
        """Make a provider.

        Args:
            loop: the loop of the simulation.
            random: decides the outcome of each push.
            books: the books, to which the provider adds its acceptances.
            name: the provider's nickname.
            id_key: the key of our ids.
            post: posts a report; returns whether it was finally answered with 200.
            has_campaign: returns whether the ledger now has a campaign. A report about a campaign that the ledger lost
                becomes a dead letter.
        """
        self.name = name
        self.behaviour = Behaviour()
        self._loop = loop
        self._random = random
        self._books = books
        self._ids = CorrelationIds(id_key)
        self._post, self._has_campaign = post, has_campaign
        self._reports: set[asyncio.Task[None]] = set()

    @property
    def has_reports(self) -> bool:
        """Whether a report has not been posted yet."""
        return bool(self._reports)

    async def push(self, push: Push, may_begin: Callable[[], bool] | None) -> Outcome:
        """Process one push; the contract is that of ``times_dispatch.provider.client.Client.push``."""
        draw, behaviour, books = self._random.random, self.behaviour, self._books
        if behaviour.not_sent and draw() < behaviour.not_sent:
            return NOT_SENT
        if behaviour.crashes and draw() < behaviour.crashes:
            raise ValueError("a push that nobody foresaw")
        if may_begin and not may_begin():
            return TOO_LATE
        ref = self._ids.parse(push.correlation_id)
        if ref is None:
            raise AssertionError("the id of a push carries no valid signature")
        row, process = (CampaignId(ref.campaign), ref.index), current_process()
        name = process.name if process else ""
        books.begun.append(BegunPush(self._loop.time(), push.sender, row, push.to, push.text, name))
        if row in books.in_flight:
            books.overlaps.append(f"message {row[1]} of {row[0]} by {name} and {books.in_flight[row]}")
        books.in_flight[row] = name
        latency_s = self._random.expovariate(1 / behaviour.latency_s)
        # The provider continues even if the process that pushed is killed.
        self._loop.call_later(latency_s, books.in_flight.pop, row, None, context=contextvars.Context())
        fate = draw()
        if fate < behaviour.throttled:
            await asyncio.sleep(latency_s)
            return THROTTLED
        if fate < behaviour.throttled + behaviour.rejected:
            books.refused.add(row)
            await asyncio.sleep(latency_s)
            return REJECTED
        books.accepted[row].append(SimulatedAcceptance(ref.attempt, self._loop.time(), self.name))
        books.new.append(row)
        self._report_later(push.correlation_id, row, latency_s)
        if draw() < behaviour.answer_lost:
            await asyncio.sleep(READ_TIMEOUT_S)
            return IN_DOUBT
        await asyncio.sleep(latency_s)
        return HUNG_UP if behaviour.hangs_up and draw() < behaviour.hangs_up else ACCEPTED

    def _report_later(self, correlation_id: str, row: Row, latency_s: float) -> None:
        draw, behaviour = self._random.random, self.behaviour
        if draw() < behaviour.report_lost:
            return
        kind = "failed" if draw() < behaviour.report_failed else "delivered"
        fate = draw()
        if fate < behaviour.report_at_once:
            delay_s = latency_s * draw()
        elif fate < behaviour.report_at_once + behaviour.report_days_late:
            delay_s = 3600 * (1 + 70 * draw())
        else:
            delay_s = self._random.expovariate(1 / behaviour.report_delay_s)
        self._schedule(correlation_id, row, kind, delay_s)
        if draw() < behaviour.report_doubled:
            self._schedule(correlation_id, row, kind, delay_s + 60 * draw())
        if draw() < behaviour.report_contradicted:
            other = "delivered" if kind == "failed" else "failed"
            self._schedule(correlation_id, row, other, delay_s + 60 * draw())

    def _schedule(self, correlation_id: str, row: Row, kind: str, delay_s: float) -> None:
        # In its own context, so that the report arrives even if the process that pushed is killed.
        report = self._report(correlation_id, row, kind, delay_s)
        task = self._loop.create_task(report, context=contextvars.Context())
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    async def _report(self, correlation_id: str, row: Row, kind: str, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        event = {"ts": 2_000_000_000 + int(self._loop.time()), "meta": correlation_id, "description": kind}
        if kind == "failed":
            event["code"] = "910"
            ref = self._ids.parse(correlation_id)
            assert ref
            self._books.failed[row].add(ref.attempt)
        if await self._post(msgspec.json.encode([{"event": kind, "data": [event]}])) and self._has_campaign(row[0]):
            self._books.known[row].setdefault(kind, []).append(self._loop.time())


class SimulatedWay:
    """The network between one process and all providers."""

    def __init__(self) -> None:
        self.is_cut = False
        """Whether no connection can be made."""


class SimulatedClient:
    """Replaces ``times_dispatch.provider.client.Client`` in one process."""

    def __init__(self, provider: SimulatedProvider, way: SimulatedWay) -> None:
        self._provider = provider
        self._way = way

    async def push(self, push: Push, *, may_begin: Callable[[], bool] | None = None) -> Outcome:
        if self._way.is_cut:
            await asyncio.sleep(CONNECT_TIMEOUT_S)
            return UNCONNECTED
        return await self._provider.push(push, may_begin)

    async def can_connect(self) -> bool:
        if self._way.is_cut:
            await asyncio.sleep(CONNECT_TIMEOUT_S)
        return not (self._way.is_cut or self._provider.behaviour.not_sent)

    async def aclose(self) -> None:
        pass
