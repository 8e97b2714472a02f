"""The pacing of blocks: several workers ask at random times, with idle times, on a clock that the test sets.

The workers of a case run once for the whole module; the tests read the ledger's records.
"""

import asyncio
import math
import random
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from heapq import heapreplace
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from tests.kit.redis_clock import StoppedClock, stopped_clock
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.keys import campaign_key, hash_tag
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.openings import AHEAD_US, TOLERANCE_US, Block, Drained, Wait

SENDER_KEY = f"{hash_tag(SENDER)}:sender"
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


@pytest.fixture
async def ledger(redis: Redis) -> AsyncIterator[Ledger]:
    """An empty ledger whose time stands still; at the end of the test its counters must add up."""
    with stopped_clock(redis) as clock:
        await clock.set(time.time())
        ledger = Ledger(redis)
        yield ledger
        await ledger.assert_counters_add_up()


def max_cost_per_second(sent: Sequence[tuple[int, int]]) -> int:
    """Return the highest cost within any second, at whatever time the second begins."""
    times = [at for at, _ in sent]
    sums = [0, *accumulate(cost for _, cost in sent)]
    return max(sums[bisect_left(times, at + 1000)] - sums[index] for index, at in enumerate(times))


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


async def _lease(ledger: Ledger, sender_rate_per_s: float, *, messages: int = 500, **changes: Any) -> Lease:
    await ledger.control.configure_rate(SENDER, sender_rate_per_s)
    await ledger.submit(messages, batch_size=500, **changes)
    return await ledger.take()


@pytest.mark.parametrize(("rate_per_s", "messages"), [(1, 1), (10, 1), (40, 3), (100, 6), (1000, 51)])
async def test_a_block_after_idle_time_holds_a_twentieth_of_a_seconds_worth_and_one_message(
    ledger: Ledger, rate_per_s: float, messages: int
) -> None:
    block = await ledger.open(await _lease(ledger, rate_per_s), max_messages=500)
    assert len(block.messages) == messages
    assert block.starts_in_s == pytest.approx(-TOLERANCE_US / 1e6)
    assert block.interval_s == pytest.approx(1 / rate_per_s)


async def test_a_block_is_no_larger_than_the_worker_asks_for(ledger: Ledger) -> None:
    lease = await _lease(ledger, 1000)
    assert len((await ledger.open(lease, max_messages=1)).messages) == 1
    assert len((await ledger.open(lease, max_messages=7)).messages) == 7


async def test_the_times_in_a_block_are_the_times_in_the_records(ledger: Ledger) -> None:
    lease = await _lease(ledger, 100)
    block = await ledger.open(lease)
    view = await ledger.view()
    sent = [message.record.sent_ms for message in (await ledger.messages())[: len(block.messages)]]
    opened_ms = view.first_sent_ms - view.created_ms
    send_times_s = [block.starts_in_s + index * block.interval_s for index in range(len(block.messages))]
    assert sent == [opened_ms + max(0, int(send_time_s * 1000 + 1e-6)) for send_time_s in send_times_s]


async def test_blocks_of_different_batches_share_the_senders_rate(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SENDER, 100)
    await ledger.submit(6)
    first, second = [await ledger.take(ref) for ref in await ledger.issue()]
    assert len((await ledger.open(first)).messages) == 3
    assert len((await ledger.open(second)).messages) == 3
    assert isinstance(await ledger.open_block(first), Drained)
    opened = await ledger.open_block(second)
    assert isinstance(opened, Drained)


@pytest.mark.parametrize("value", ["12 34", "\x00\x01", "nan", "-nan", "inf", "-inf", "1e400", "-5", ""])
@pytest.mark.parametrize("field", ["last_send_time_us", "last_send_time_cost", "delay_ends_us"])
async def test_a_pace_with_a_damaged_number_begins_anew(ledger: Ledger, field: str, value: str) -> None:
    lease = await _lease(ledger, 100)
    await ledger.open(lease, max_messages=2)
    await ledger.redis.hset(f"{hash_tag(SENDER)}:sender", field, value)
    block = await ledger.open(lease, max_messages=2)
    assert len(block.messages) == 2
    assert -0.06 <= block.starts_in_s <= 0.35
    assert 0 <= block.delay_s < 0.01
    assert math.isfinite(await ledger.sender_field("last_send_time_us"))


async def test_senders_do_not_share_a_rate(ledger: Ledger) -> None:
    await ledger.control.configure_rate(SenderId("SHOPPY"), 1)
    await ledger.submit(campaign="shoppy01", sender=SenderId("SHOPPY"))
    [other] = await ledger.issue(SenderId("SHOPPY"))
    await ledger.open(await ledger.take(other))
    assert len((await ledger.open(await _lease(ledger, 10))).messages) == 1


async def test_a_worker_that_asks_too_early_gets_the_time_to_wait(ledger: Ledger) -> None:
    lease = await _lease(ledger, 10)
    await ledger.open(lease)
    opened = await ledger.open_block(lease)
    assert isinstance(opened, Wait)
    assert opened.reason == "rate_limit"
    assert opened.seconds == pytest.approx(0.05, abs=0.02)


async def test_a_lower_limit_of_the_campaigns_own_holds_only_that_campaign(ledger: Ledger) -> None:
    slow = await _lease(ledger, 1000, rate_per_s=10)
    await ledger.submit(500, batch_size=500, campaign="another1")
    fast = await ledger.take()
    assert len((await ledger.open(slow)).messages) == 1
    opened = await ledger.open_block(slow)
    assert isinstance(opened, Wait)
    assert opened.reason == "campaign_limit"
    assert opened.seconds == pytest.approx(0.06, abs=0.02)
    assert len((await ledger.open(fast)).messages) >= 40


async def test_a_limit_of_the_campaigns_own_holds_also_where_the_sender_has_none(ledger: Ledger) -> None:
    lease = await _lease(ledger, 0, rate_per_s=10)
    assert len((await ledger.open(lease)).messages) == 1
    opened = await ledger.open_block(lease)
    assert isinstance(opened, Wait)
    assert opened.reason == "rate_limit"


async def test_a_lower_rate_acts_at_the_next_block(ledger: Ledger) -> None:
    lease = await _lease(ledger, 1000)
    await ledger.open(lease)
    await ledger.control.set_rate(SENDER, 5)
    opened = await ledger.open_block(lease)
    assert isinstance(opened, Wait)
    assert opened.seconds == pytest.approx(0.2, abs=0.03)
    earlier_us = await ledger.sender_field("last_send_time_us") - opened.seconds * 1e6
    await ledger.redis.hset(SENDER_KEY, "last_send_time_us", earlier_us)
    block = await ledger.open(lease)
    assert len(block.messages) == 1
    assert block.interval_s == pytest.approx(0.2)


async def test_a_higher_rate_acts_at_the_next_block_however_low_the_old_one_was(ledger: Ledger) -> None:
    lease = await _lease(ledger, 0.001)
    await ledger.open(lease)
    assert isinstance(await ledger.open_block(lease), Wait)
    await ledger.control.set_rate(SENDER, 1000)
    block = await ledger.open(lease)
    assert len(block.messages) > 40
    assert block.interval_s == pytest.approx(0.001)


async def test_a_lifted_limit_acts_at_the_next_block(ledger: Ledger) -> None:
    lease = await _lease(ledger, 1)
    await ledger.open(lease)
    await ledger.control.set_rate(SENDER, 0)
    assert len((await ledger.open(lease)).messages) == 100


async def test_a_clock_that_was_set_back_delays_no_worker(ledger: Ledger) -> None:
    lease = await _lease(ledger, 1000)
    await ledger.open(lease)
    in_an_hour_us = (await ledger.now_ms() + 3_600_000) * 1000
    await ledger.redis.hset(SENDER_KEY, "last_send_time_us", in_an_hour_us)
    assert isinstance(await ledger.open_block(lease), Block)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate_per_s=st.integers(1, 5_000),
    asks=st.lists(st.tuples(st.floats(0, 1.5) | st.floats(0, 0.06), st.integers(1, 300)), min_size=1, max_size=30),
)
async def test_no_second_exceeds_the_rate_and_a_worker_that_waits_as_long_as_asked_is_served(
    ledger: Ledger, rate_per_s: int, asks: list[tuple[float, int]]
) -> None:
    await ledger.redis.flushall()
    await StoppedClock(ledger.redis).set(time.time())
    lease = await _lease(ledger, rate_per_s)
    created_ms = (await ledger.view()).created_ms
    passed_s, left_at_s = 0.0, dict[int, float]()
    wait_s = math.inf
    for after_s, limit in asks:
        # Instead of waiting, move the send times that were given out into the past.
        passed_s += after_s
        await ledger.redis.hset(
            SENDER_KEY, "last_send_time_us", await ledger.sender_field("last_send_time_us") - after_s * 1e6
        )
        opened = await ledger.open_block(lease, limit)
        if isinstance(opened, Wait):
            assert opened.seconds > 0
            assert after_s < wait_s, "the worker waited as long as required, and must wait again"
            wait_s = opened.seconds
            continue
        if isinstance(opened, Drained):
            break
        wait_s = math.inf
        assert isinstance(opened, Block)
        left_at_s.update((index, passed_s) for index, _ in opened.messages)
    messages = await ledger.messages()
    sent = [(int(messages[index].record.sent_ms + created_ms + at_s * 1000), 1) for index, at_s in left_at_s.items()]
    a_millisecond = rate_per_s / 1000
    assert max_cost_per_second(sorted(sent)) <= rate_per_s + max(rate_per_s / 20, 1) + a_millisecond


@pytest.mark.parametrize("limit", ["sender", "campaign"])
async def test_a_send_time_from_before_the_clock_was_set_back_delays_nothing(ledger: Ledger, limit: str) -> None:
    await ledger.submit(3, rate_per_s=5.0 if limit == "campaign" else 0.0)
    await ledger.control.set_rate(SENDER, 5.0 if limit == "sender" else 1_000.0)
    future_us = (await ledger.now_ms() + 600_000) * 1_000
    for key in (f"{hash_tag(SENDER)}:sender", campaign_key(SENDER, CAMPAIGN)):
        await ledger.redis.hset(key, mapping={"last_send_time_us": future_us, "last_send_time_cost": 1})
    block = await ledger.open(await ledger.take())
    assert block.messages
