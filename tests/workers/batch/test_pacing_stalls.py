"""The pacing of two workers that are late together, on a busy machine."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from random import Random
from typing import TypeVar

import pytest

from tests.kit.clock import FakeClock
from tests.workers.batch.test_pacing import NOW, Handler, a_plan
from times_dispatch.demo.comparison import max_per_second
from times_dispatch.ledger.openings import AHEAD_S, TOLERANCE_US, Block
from times_dispatch.ledger.reply_clock import ReplyClock
from workers.batch.batch_run import BatchRun
from workers.batch.context import OpeningLock
from workers.batch.pacing import Pacer, Spacing
from workers.batch.push_queue import PushQueue
from workers.batch.timings import BatchTimings

T = TypeVar("T")

SECONDS = 30.0
_slow = pytest.mark.slow  # half a minute of up to 400 messages/s is simulated; make fast has one case of each kind
_TIMINGS = BatchTimings()
_MAX_AHEAD_S = 0.35
"""As ``MAX_AHEAD_US`` in ``lua/lib/pacing.lua``."""
_EPOCH = 1_790_000_000.0


class SharedPace:
    """The ledger's pace of a sender (``lua/lib/pacing.lua``), from which all workers get their send times."""

    def __init__(self, rate: float) -> None:
        self.interval_s = 1 / rate
        self._next_at = NOW

    def open(self, now: float, ahead_s: float) -> tuple[float, int]:
        """Give out the send times of the next *ahead_s* seconds; return the first send time, and their number."""
        first = max(self._next_at, now - TOLERANCE_US / 1e6)
        messages = max(0, int((now + ahead_s - first) / self.interval_s) + 1)
        self._next_at = first + messages * self.interval_s
        return first, messages

    def confirm(self, now: float, messages: int) -> float:
        """Give out new send times for some messages; return the first send time."""
        first = max(self._next_at, now)
        self._next_at = first + messages * self.interval_s
        return first


class StalledWorker:
    """A worker with a pacer of its own, which opens blocks as ``BatchWorker`` does."""

    def __init__(self, clock: FakeClock, pace: SharedPace, rng: Random) -> None:
        self.handler = Handler(clock)
        self._clock, self._pace, self._rng = clock, pace, rng
        self._run = BatchRun(lease_deadline=NOW + 60, clock=clock)
        self._reply_clock = ReplyClock()
        self._indexes: Iterator[int] = count()
        self._pacer = Pacer(
            a_plan(),
            [],
            handler=self.handler,
            push_queue=PushQueue(1_000, clock=clock),
            run=self._run,
            spacing=Spacing(),
            max_sleep_s=_TIMINGS.max_sleep_s,
            clock=clock,
        )

    async def work(self) -> None:
        opening_lock = OpeningLock()
        while not self._run.stopping.is_set():
            ahead_s = max(AHEAD_S, min(opening_lock.expected_s, _MAX_AHEAD_S))
            asked_at, executed_at, (first, messages) = await self._call(partial(self._pace.open, ahead_s=ahead_s))
            opening_lock.note_opening(self._clock.monotonic() - asked_at)
            if messages and opening_lock.took_s > _TIMINGS.late_after_s:
                asked_at, executed_at, first = await self._call(partial(self._pace.confirm, messages=messages))
            opened_at = self._reply_clock.moment(
                _EPOCH + executed_at, asked_at=asked_at, replied_at=self._clock.monotonic()
            )
            opened = [(next(self._indexes), 0) for _ in range(messages)]
            block = Block(1, first - executed_at, self._pace.interval_s, opened)
            self._pacer.enqueue_block(block, opened_at=opened_at, start_by=asked_at + _TIMINGS.start_within_s)
            await self._wait(self._rng.uniform(0.0, 0.02))

    async def _call(self, script: Callable[[float], T]) -> tuple[float, float, T]:
        """Call the ledger; return the times of the call and of the script's execution, and the reply."""
        asked_at = self._clock.monotonic()
        await self._wait(self._rng.uniform(0.0, 0.005))
        executed_at = self._clock.monotonic()
        reply = script(executed_at)
        await self._wait(self._rng.uniform(0.0, 0.005))
        return asked_at, executed_at, reply

    def stop(self) -> None:
        self._run.stop()

    async def _wait(self, seconds: float) -> None:
        await self._clock.wait(self._run.stopping, seconds)


async def pushed_s(rate: float, *, workers: int, stalls_s: Iterator[tuple[float, float]], rng: Random) -> list[float]:
    """Return when workers pushed that stalled together; *stalls_s* yields the time until a stall, and its length."""
    clock, pace = FakeClock(now=NOW), SharedPace(rate)
    stalled = [StalledWorker(clock, pace, rng) for _ in range(workers)]
    tasks = [asyncio.create_task(worker.work()) for worker in stalled]
    while clock.monotonic() < NOW + SECONDS:
        between_s, stall_s = next(stalls_s)
        await clock.advance(between_s)
        await clock.stall(stall_s)
    for worker in stalled:
        worker.stop()
    await clock.advance(1.0)
    await asyncio.gather(*tasks)
    return sorted(at for worker in stalled for _, at in worker.handler.pushed if at < SECONDS)


def excess(moments: list[float], rate: float) -> float:
    """Return the excess of the fullest second over the rate, as a share of the rate; one extra message is allowed."""
    return (max_per_second([int(at * 1000) for at in moments]) - 1) / rate - 1


def brief_stalls(rng: Random) -> Iterator[tuple[float, float]]:
    """Stalls of up to 40 ms eight times a second, and of up to 120 ms every six seconds."""
    for number in count(1):
        yield rng.uniform(0.02, 0.18), rng.uniform(0.06, 0.12) if number % 50 == 0 else rng.uniform(0.0, 0.04)


def stalls_in_a_row(rng: Random) -> Iterator[tuple[float, float]]:
    """Three long stalls shortly after each other, every three seconds: send times are given out far ahead then."""
    while True:
        yield 3.0, rng.uniform(0.2, 0.4)
        yield rng.uniform(0.02, 0.1), rng.uniform(0.2, 0.4)
        yield rng.uniform(0.02, 0.1), rng.uniform(0.2, 0.4)


@pytest.mark.parametrize(
    ("rate", "workers"),
    [(100, 2), *(pytest.param(*more, marks=_slow) for more in [(200, 2), (200, 4), (400, 2)])],
)
async def test_workers_that_are_briefly_stalled_together_keep_and_use_the_rate(rate: float, workers: int) -> None:
    rng = Random(rate + workers)
    moments = await pushed_s(rate, workers=workers, stalls_s=brief_stalls(rng), rng=rng)
    assert excess(moments, rate) <= 0.07
    assert len(moments) >= 0.97 * rate * SECONDS


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=_slow) for seed in (2, 3))])
@pytest.mark.parametrize(("rate", "workers"), [(200, 2), pytest.param(200, 4, marks=_slow)])
async def test_workers_that_wake_together_after_long_stalls_keep_the_rate(rate: float, workers: int, seed: int) -> None:
    rng = Random(seed)
    moments = await pushed_s(rate, workers=workers, stalls_s=stalls_in_a_row(rng), rng=rng)
    assert excess(moments, rate) <= 0.07
