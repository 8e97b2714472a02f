"""The pacing of blocks: several workers ask at random times, with idle times, on a clock that the test sets.

The workers of a case run once for the whole module; the tests read the ledger's records.
"""

import asyncio
import random
from heapq import heapreplace
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from tests.kit.ledger import Ledger
from tests.kit.redis_clock import StoppedClock, stopped_clock
from tests.kit.send_times import max_cost_per_second
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.openings import AHEAD_US, TOLERANCE_US, Drained, Wait

BEGIN_S = 1_800_000_000.0
TAKERS = 3
ASKING_S = 1.3
IDLE_S = 1.1
MIN_PAUSE_S = 0.001
"""A call to Redis takes about this long."""
MAX_LATE_S = (AHEAD_US + TOLERANCE_US) / 1e6
"""A worker that asks later than this rightly loses send times."""


class Case(NamedTuple):
    rate_per_s: float
    messages: int
    own_rate_per_s: float = 0.0
    parts: tuple[int, ...] = (1,)
    second_rate_per_s: float = 0.0
    """The own limit of a second campaign of the same sender; 0 means no second campaign."""


CASES = {
    "SLOWLY": Case(10, 60),
    "MEDIUM": Case(200, 1_000),
    "FASTER": Case(5_000, 16_000),
    "INPART": Case(200, 600, parts=(1, 2, 3)),
    "OWNLOW": Case(500, 400, own_rate_per_s=50),
    "ALONEE": Case(0, 400, own_rate_per_s=50),
    "SHARED": Case(200, 1_000, second_rate_per_s=40),
}


class Sent(NamedTuple):
    """The result of a case: when messages were sent, and when workers asked."""

    sent: list[list[tuple[int, int]]]
    """The time in milliseconds and the cost of each message, in order, for each campaign."""
    asked: list[tuple[float, float]]
    """The times at which a worker asked, and how long the worker had to wait; both in seconds."""


class Results(dict[str, Sent]):
    """The results of cases by sender; a case runs when the first test asks for its result."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def __missing__(self, sender: str) -> Sent:
        result = self[sender] = asyncio.run(_run_alone(self._url, SenderId(sender)))
        return result


@pytest.fixture(scope="module")
def results(redis_server: EmbeddedServer) -> Results:
    return Results(redis_server.url)


async def _run_alone(url: str, sender: SenderId) -> Sent:
    async with connect(url) as redis:
        await redis.flushall()
        with stopped_clock(redis) as clock:
            return await _run(Ledger(redis), clock, sender, CASES[sender])


async def _run(ledger: Ledger, clock: StoppedClock, sender: SenderId, case: Case) -> Sent:
    now = BEGIN_S
    await clock.set(now)
    await ledger.control.configure_rate(sender, case.rate_per_s)
    unit = "parts" if len(case.parts) > 1 else "messages"
    parts = (case.parts * case.messages)[: case.messages]
    changes: dict[str, Any] = {"sender": sender, "batch_size": 500, "parts": parts, "cost_unit": unit}
    names = [f"{sender.lower()}{number}" for number in range(2)]
    await ledger.submit(case.messages, campaign=names[0], rate_per_s=case.own_rate_per_s, **changes)
    if case.second_rate_per_s:
        await ledger.submit(case.messages, campaign=names[1], rate_per_s=case.second_rate_per_s, **changes)
    asked: list[tuple[float, float]] = []
    refs: asyncio.Queue[BatchRef] = asyncio.Queue()
    takers = [Taker(ledger, sender, refs, asked, random.Random(f"{sender}{number}")) for number in range(TAKERS)]
    for idle_s in (0, IDLE_S):
        now += idle_s
        until = now + ASKING_S
        next_asks = [(now, number) for number in range(TAKERS)]
        while next_asks[0][0] < until:
            now, number = next_asks[0]
            await clock.set(now)
            heapreplace(next_asks, (now + await takers[number].ask(now), number))
        now = until
    sent = []
    for name in names if case.second_rate_per_s else names[:1]:
        created_ms = (await ledger.view(CampaignId(name))).created_ms
        sent.append(
            sorted(
                (message.record.sent_ms + created_ms, parts[message.index])
                for message in await ledger.messages(CampaignId(name))
                if message.record.sent_ms
            )
        )
    return Sent(sent, asked)


class Taker:
    """A worker that takes one batch after another; several workers ask in turn."""

    def __init__(
        self,
        ledger: Ledger,
        sender: SenderId,
        refs: asyncio.Queue[BatchRef],
        asked: list[tuple[float, float]],
        rng: random.Random,
    ) -> None:
        self._ledger = ledger
        self._sender = sender
        self._refs = refs
        self._asked = asked
        self._rng = rng
        self._lease: Lease | None = None

    async def ask(self, now: float) -> float:
        """Open a block at the time *now*; return after how many seconds the worker asks again."""
        wait_s = 0.0
        if self._lease or await self._next_batch():
            assert self._lease
            opened = await self._ledger.open_block(self._lease)
            if isinstance(opened, Drained):
                await self._ledger.leases.release(self._lease)
                self._lease = None
            else:
                wait_s = opened.seconds if isinstance(opened, Wait) else 0.0
                self._asked.append((now, wait_s))
        return wait_s + MIN_PAUSE_S + self._rng.random() * 0.02

    async def _next_batch(self) -> bool:
        if self._refs.empty():
            for ref in await self._ledger.issue(self._sender):
                self._refs.put_nowait(ref)
        if not self._refs.empty():
            self._lease = await self._ledger.take(self._refs.get_nowait())
        return self._lease is not None


def of_sender(result: Sent) -> list[tuple[int, int]]:
    return sorted(item for sent in result.sent for item in sent)


def asked_s(result: Sent) -> float:
    """Return the seconds in which workers asked, or waited no longer than they had to."""
    asked = sorted(result.asked)
    return sum(min(after - before, wait_s + MAX_LATE_S) for (before, wait_s), (after, _) in pairwise(asked))


LIMITED = [
    pytest.param(sender, marks=pytest.mark.slow if sender == "FASTER" else ())  # sends 16,000 messages
    for sender, case in CASES.items()
    if case.rate_per_s and not case.own_rate_per_s
]


@pytest.mark.parametrize("sender", LIMITED)
def test_no_second_holds_more_than_the_rate_and_a_twentieth(results: Results, sender: str) -> None:
    case = CASES[sender]
    allowed = case.rate_per_s + max(case.rate_per_s / 20, *case.parts)
    assert max_cost_per_second(of_sender(results[sender])) <= allowed


@pytest.mark.parametrize("sender", LIMITED)
def test_the_rate_is_used_while_workers_ask(results: Results, sender: str) -> None:
    case = CASES[sender]
    used = sum(cost for _, cost in of_sender(results[sender]))
    assert used >= 0.97 * case.rate_per_s * asked_s(results[sender]) - 2 * max(case.parts)


@pytest.mark.parametrize(
    ("sender", "campaign", "rate_per_s", "share"),
    [("OWNLOW", 0, 50, 0.95), ("ALONEE", 0, 50, 0.95), ("SHARED", 1, 40, 0.5)],
)
def test_a_campaign_keeps_to_a_limit_of_its_own_and_uses_it(
    results: Results, sender: str, campaign: int, rate_per_s: float, share: float
) -> None:
    sent = results[sender].sent[campaign]
    # The campaign uses send times of its sender, which can be earlier or later than the campaign's own send times.
    assert max_cost_per_second(sent) <= rate_per_s * (1 + (2 * AHEAD_US + TOLERANCE_US) / 1e6) + 1
    assert len(sent) >= share * rate_per_s * asked_s(results[sender]) - 2
