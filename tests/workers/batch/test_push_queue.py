"""How many pushes are in flight at once, in which order, how many may wait, and what becomes of those at a stop."""

import asyncio

import pytest

from tests.kit.clock import FakeClock
from workers.batch.push_queue import MAX_LOOKAHEAD, PushQueue, QueuedPush, Slot
from workers.batch.spacing import SenderSpacing


class Handler:
    """Does pushes that take as long as a test wants."""

    def __init__(self) -> None:
        self.pushed: list[int] = []
        self.given_back: list[int] = []
        self.cut_short: list[int] = []
        self.failures: list[BaseException] = []
        self.broken: set[int] = set()
        self.in_flight = self.max_in_flight = 0
        self.may_end = asyncio.Event()

    async def push(self, queued: QueuedPush) -> None:
        self.pushed.append(queued.message_index)
        if queued.message_index in self.broken:
            raise KeyError(queued.message_index)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cut_short.append(queued.message_index)
            raise
        finally:
            self.in_flight -= 1

    def fail(self, error: BaseException) -> None:
        self.failures.append(error)

    def give_back(self, queued: QueuedPush) -> None:
        self.given_back.append(queued.message_index)

    def message(self, index: int, slot: Slot | None = None, start_by: float = float("inf")) -> QueuedPush:
        return QueuedPush(self, index, 0, 1, 0, start_by, slot)


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_are_in_flight_than_allowed_and_all_are_pushed() -> None:
    handler, queue = Handler(), PushQueue(3)
    for index in range(10):
        queue.add(handler.message(index))
    await _settle()
    assert handler.in_flight == 3
    handler.may_end.set()
    await _settle()
    assert handler.pushed == list(range(10))
    assert handler.max_in_flight == 3


async def test_a_message_that_comes_when_nothing_is_in_flight_is_pushed_at_once() -> None:
    handler, queue = Handler(), PushQueue(2)
    handler.may_end.set()
    for index in range(3):
        queue.add(handler.message(index))
        await _settle()
    assert handler.pushed == [0, 1, 2]


async def test_messages_whose_slot_has_come_overtake_those_without_a_slot() -> None:
    clock = FakeClock()
    handler, queue, spacing = Handler(), PushQueue(1, clock=clock), SenderSpacing(clock)
    for index in range(3):
        queue.add(handler.message(index))
    await _settle()
    for index in (10, 11):
        queue.add(handler.message(index, Slot(spacing, clock.monotonic(), 0.01)))
    handler.may_end.set()
    await _settle()
    assert handler.pushed == [0, 10, 11, 1, 2]


async def test_what_waits_at_a_stop_is_given_back_and_what_is_in_flight_goes_on() -> None:
    clock = FakeClock()
    handler, queue, spacing = Handler(), PushQueue(2, clock=clock), SenderSpacing(clock)
    for index in range(4):
        slot = Slot(spacing, clock.monotonic(), 0.01) if index == 3 else None
        queue.add(handler.message(index, slot))
    await _settle()
    queue.drop()
    handler.may_end.set()
    await _settle()
    assert sorted(handler.pushed) == [0, 3]
    assert sorted(handler.given_back) == [1, 2]
    assert handler.cut_short == []


async def test_pushes_that_are_cut_short_are_cancelled() -> None:
    handler, queue = Handler(), PushQueue(2)
    for index in range(2):
        queue.add(handler.message(index))
    await _settle()
    queue.cut_short()
    await _settle()
    assert sorted(handler.cut_short) == [0, 1]
    assert handler.in_flight == 0


@pytest.mark.parametrize(("pushed", "lookahead"), [(0, 0), (2, 1), (100, 79), (5_000, MAX_LOOKAHEAD)])
async def test_as_many_may_wait_as_are_pushed_in_a_moment(pushed: int, lookahead: int) -> None:
    clock = FakeClock()
    handler, queue = Handler(), PushQueue(1, clock=clock)
    handler.may_end.set()
    assert queue.lookahead() == 0
    for index in range(pushed):
        queue.add(handler.message(index))
    await _settle()
    await clock.advance(0.0501)
    assert queue.lookahead() == lookahead


async def test_when_pushes_take_long_nothing_may_wait_any_more() -> None:
    clock = FakeClock()
    handler, queue = Handler(), PushQueue(1, clock=clock)
    handler.may_end.set()
    for index in range(100):
        queue.add(handler.message(index))
    await _settle()
    await clock.advance(0.0501)
    assert queue.lookahead() > 0
    await clock.advance(0.049)
    assert queue.lookahead() > 0  # it has not looked again
    await clock.advance(0.0011)
    assert queue.lookahead() == 0


async def test_a_push_that_raises_fails_its_handler_and_no_other_and_the_queue_goes_on() -> None:
    healthy, broken, queue = Handler(), Handler(), PushQueue(1)
    broken.broken = {0}
    healthy.may_end.set()
    queue.add(broken.message(0))
    for index in range(3):
        queue.add(healthy.message(index))
    await _settle()
    assert [type(error) for error in broken.failures] == [KeyError]
    assert healthy.failures == []
    assert healthy.pushed == [0, 1, 2]


class Stalled:
    """A sender at 100 messages a second: its first message was on time, then the push queue stood still for 0.2 s."""

    interval_s = 0.01

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.handler = Handler()
        self.handler.may_end.set()
        self.queue = PushQueue(100, clock=self.clock)
        self.spacing = SenderSpacing(self.clock)

    async def begin(self) -> None:
        self.add(0, slot=self.clock.monotonic())
        await _settle()
        await self.clock.advance(0.2)

    def add(self, index: int, *, slot: float) -> None:
        start_by = self.clock.monotonic() + 0.5
        self.queue.add(self.handler.message(index, Slot(self.spacing, slot, self.interval_s), start_by))


@pytest.mark.parametrize(("late_s", "pushed"), [(0.0349, [0, 1]), (0.0351, [0])])
async def test_a_message_that_is_a_little_late_is_pushed_and_a_later_one_is_put_off(
    late_s: float, pushed: list[int]
) -> None:
    stalled = Stalled()
    await stalled.begin()
    stalled.add(1, slot=stalled.clock.monotonic() - late_s)
    await _settle()
    assert stalled.handler.pushed == pushed


async def test_late_messages_go_between_those_on_time_one_for_every_twenty_five() -> None:
    stalled = Stalled()
    await stalled.begin()
    for index in (1, 2):
        stalled.add(index, slot=stalled.clock.monotonic() - 0.1)
    await _settle()
    assert stalled.handler.pushed == [0]
    for index in range(100, 160):
        stalled.add(index, slot=stalled.clock.monotonic())
        await _settle()
    assert [stalled.handler.pushed.index(index) for index in (1, 2)] == pytest.approx([26, 52], abs=1)


async def test_a_late_message_that_waited_for_too_long_goes_back() -> None:
    stalled = Stalled()
    await stalled.begin()
    stalled.add(1, slot=stalled.clock.monotonic() - 0.1)
    await _settle()
    await stalled.clock.advance(0.49)
    assert stalled.handler.given_back == []
    await stalled.clock.advance(0.02)
    assert stalled.handler.given_back == [1]
