"""The number and the order of pushes in flight, how many pushes may wait, and the end of waiting pushes at a stop."""

import asyncio

import pytest

from tests.kit.clock import FakeClock
from workers.batch.push_queue import MAX_LOOKAHEAD, PushQueue, QueuedPush


class WaitingHandler:
    """A handler whose pushes take as long as a test wants."""

    is_urgent = False

    def __init__(self) -> None:
        self.pushed: list[int] = []
        self.returned: list[int] = []
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

    def return_unsent(self, queued: QueuedPush) -> None:
        self.returned.append(queued.message_index)

    def message(self, index: int) -> QueuedPush:
        return QueuedPush(self, index, 0, 1, 0, float("inf"))


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_are_in_flight_than_allowed_and_all_are_pushed() -> None:
    handler, queue = WaitingHandler(), PushQueue(3)
    for index in range(10):
        queue.add(handler.message(index), is_paced=False)
    await _settle()
    assert handler.in_flight == 3
    handler.may_end.set()
    await _settle()
    assert handler.pushed == list(range(10))
    assert handler.max_in_flight == 3


async def test_a_message_that_comes_when_nothing_is_in_flight_is_pushed_at_once() -> None:
    handler, queue = WaitingHandler(), PushQueue(2)
    handler.may_end.set()
    for index in range(3):
        queue.add(handler.message(index), is_paced=False)
        await _settle()
    assert handler.pushed == [0, 1, 2]


async def test_messages_whose_send_time_has_come_overtake_those_without_a_send_time() -> None:
    handler, queue = WaitingHandler(), PushQueue(1)
    for index in range(3):
        queue.add(handler.message(index), is_paced=False)
    await _settle()
    for index in (10, 11):
        queue.add(handler.message(index), is_paced=True)
    handler.may_end.set()
    await _settle()
    assert handler.pushed == [0, 10, 11, 1, 2]


async def test_waiting_messages_are_returned_at_a_stop_and_pushes_in_flight_go_on() -> None:
    handler, queue = WaitingHandler(), PushQueue(2)
    for index in range(4):
        queue.add(handler.message(index), is_paced=index == 3)
    await _settle()
    queue.return_all()
    handler.may_end.set()
    await _settle()
    assert sorted(handler.pushed) == [0, 3]
    assert sorted(handler.returned) == [1, 2]
    assert handler.cut_short == []


async def test_pushes_that_are_cut_short_are_cancelled() -> None:
    handler, queue = WaitingHandler(), PushQueue(2)
    for index in range(2):
        queue.add(handler.message(index), is_paced=False)
    await _settle()
    queue.cancel_all()
    await _settle()
    assert sorted(handler.cut_short) == [0, 1]
    assert handler.in_flight == 0


@pytest.mark.parametrize(("pushed", "lookahead"), [(0, 0), (2, 1), (100, 79), (5_000, MAX_LOOKAHEAD)])
async def test_as_many_may_wait_as_are_pushed_in_a_moment(pushed: int, lookahead: int) -> None:
    clock = FakeClock()
    handler, queue = WaitingHandler(), PushQueue(1, clock=clock)
    handler.may_end.set()
    assert queue.lookahead() == 0
    for index in range(pushed):
        queue.add(handler.message(index), is_paced=False)
    await _settle()
    await clock.advance(0.0501)
    assert queue.lookahead() == lookahead


async def test_when_pushes_take_long_nothing_may_wait_any_more() -> None:
    clock = FakeClock()
    handler, queue = WaitingHandler(), PushQueue(1, clock=clock)
    handler.may_end.set()
    for index in range(100):
        queue.add(handler.message(index), is_paced=False)
    await _settle()
    await clock.advance(0.0501)
    assert queue.lookahead() > 0
    await clock.advance(0.049)
    assert queue.lookahead() > 0  # the queue has not looked again
    await clock.advance(0.0011)
    assert queue.lookahead() == 0


async def test_a_push_that_raises_fails_its_handler_and_no_other_and_the_queue_goes_on() -> None:
    healthy, broken, queue = WaitingHandler(), WaitingHandler(), PushQueue(1)
    broken.broken = {0}
    healthy.may_end.set()
    queue.add(broken.message(0), is_paced=False)
    for index in range(3):
        queue.add(healthy.message(index), is_paced=False)
    await _settle()
    assert [type(error) for error in broken.failures] == [KeyError]
    assert healthy.failures == []
    assert healthy.pushed == [0, 1, 2]


class UrgentHandler(WaitingHandler):
    is_urgent = True


async def test_urgent_messages_overtake_all_others() -> None:
    handler, urgent, queue = WaitingHandler(), UrgentHandler(), PushQueue(1)
    order = handler.pushed = urgent.pushed
    for index in range(2):
        queue.add(handler.message(index), is_paced=index == 1)
    await _settle()
    queue.add(urgent.message(7), is_paced=False)
    handler.may_end.set()
    urgent.may_end.set()
    await _settle()
    assert order == [1, 7, 0]


async def test_some_pushes_are_kept_for_urgent_messages_and_no_more_are_in_flight_than_allowed() -> None:
    handler, urgent, queue = WaitingHandler(), UrgentHandler(), PushQueue(5, kept=2)
    for index in range(6):
        queue.add(handler.message(index), is_paced=False)
    await _settle()
    assert handler.in_flight == 3
    for index in range(4):
        queue.add(urgent.message(index), is_paced=False)
    await _settle()
    assert (handler.in_flight, urgent.in_flight) == (3, 2)
    urgent.may_end.set()
    await _settle()
    assert (handler.in_flight, urgent.pushed) == (3, [0, 1, 2, 3])
    handler.may_end.set()
    await _settle()
    assert handler.pushed == list(range(6))


async def test_a_stop_returns_urgent_messages_too() -> None:
    urgent, queue = UrgentHandler(), PushQueue(1)
    for index in range(3):
        queue.add(urgent.message(index), is_paced=True)
    await _settle()
    queue.return_all()
    queue.cancel_all()
    await _settle()
    assert (urgent.returned, urgent.cut_short) == ([1, 2], [0])
