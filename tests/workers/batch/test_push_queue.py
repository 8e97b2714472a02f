"""Turns: how many pushes at once, in which order, how many may wait, and what becomes of those that wait at the end."""

import asyncio

import pytest

from workers.batch import push_queue as pushers_module
from workers.batch.push_queue import MOST_AHEAD, PushQueue, QueuedPush


class Batch:
    """Pushes that take as long as a test wants."""

    def __init__(self) -> None:
        self.pushed: list[int] = []
        self.given_up: list[int] = []
        self.cut_short: list[int] = []
        self.in_flight = self.most_in_flight = 0
        self.gate = asyncio.Event()

    async def push(self, turn: QueuedPush) -> None:
        self.pushed.append(turn.place)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cut_short.append(turn.place)
            raise
        finally:
            self.in_flight -= 1

    def give_up(self, turn: QueuedPush) -> None:
        self.given_up.append(turn.place)

    def turn(self, place: int) -> QueuedPush:
        return QueuedPush(self, place, 0, 1, 0, float("inf"))


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_are_in_flight_than_there_are_places_and_all_have_their_turn() -> None:
    batch, pushers = Batch(), PushQueue(3)
    for place in range(10):
        pushers.add(batch.turn(place), due=False)
    await _settle()
    assert batch.in_flight == 3
    batch.gate.set()
    await _settle()
    assert batch.pushed == list(range(10))
    assert batch.most_in_flight == 3


async def test_what_comes_when_nothing_is_in_flight_is_pushed_as_well() -> None:
    batch, pushers = Batch(), PushQueue(2)
    batch.gate.set()
    for place in range(3):
        pushers.add(batch.turn(place), due=False)
        await _settle()
    assert batch.pushed == [0, 1, 2]


async def test_what_is_due_goes_before_what_may_go_at_any_time() -> None:
    batch, pushers = Batch(), PushQueue(1)
    for place in range(3):
        pushers.add(batch.turn(place), due=False)
    await _settle()
    for place in (10, 11):
        pushers.add(batch.turn(place), due=True)
    batch.gate.set()
    await _settle()
    assert batch.pushed == [0, 10, 11, 1, 2]


async def test_what_waits_at_a_stop_is_given_up_and_what_is_in_flight_is_not() -> None:
    batch, pushers = Batch(), PushQueue(2)
    for place in range(4):
        pushers.add(batch.turn(place), due=place == 3)
    await _settle()
    pushers.drop()
    batch.gate.set()
    await _settle()
    assert sorted(batch.pushed) == [0, 3]
    assert sorted(batch.given_up) == [1, 2]
    assert batch.cut_short == []


async def test_what_is_cut_short_learns_of_it() -> None:
    batch, pushers = Batch(), PushQueue(2)
    for place in range(2):
        pushers.add(batch.turn(place), due=False)
    await _settle()
    pushers.cut_short()
    await _settle()
    assert sorted(batch.cut_short) == [0, 1]
    assert batch.in_flight == 0


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pushers_module, "time", clock)
    return clock


@pytest.mark.parametrize(("pushed", "ahead"), [(0, 0), (2, 1), (100, 79), (5_000, MOST_AHEAD)])
async def test_as_many_may_wait_as_are_pushed_in_a_moment(clock: Clock, pushed: int, ahead: int) -> None:
    batch, pushers = Batch(), PushQueue(1)
    batch.gate.set()
    assert pushers.ahead() == 0
    for place in range(pushed):
        pushers.add(batch.turn(place), due=False)
    await _settle()
    clock.now_s += 0.0501
    assert pushers.ahead() == ahead


async def test_when_pushes_take_long_nothing_may_wait_any_more(clock: Clock) -> None:
    batch, pushers = Batch(), PushQueue(1)
    batch.gate.set()
    for place in range(100):
        pushers.add(batch.turn(place), due=False)
    await _settle()
    clock.now_s += 0.0501
    assert pushers.ahead() > 0
    clock.now_s += 0.049
    assert pushers.ahead() > 0  # it has not looked again
    clock.now_s += 0.0011
    assert pushers.ahead() == 0
