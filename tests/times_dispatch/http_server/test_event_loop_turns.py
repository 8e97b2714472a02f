"""Work that many connections cause at one moment is done in several turns of the event loop, in order."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.kit.clock import FakeClock
from times_dispatch.http_server.event_loop_turns import (
    MAX_TURN_S,
    ForgettingTurns,
    ParsingTurns,
    StartingTurns,
    TurnTime,
)

MAX_STARTS = 16


class _SlowClock(FakeClock):
    """A clock that advances by *step_s* at each reading."""

    def __init__(self, step_s: float) -> None:
        super().__init__()
        self._step_s = step_s

    def monotonic(self) -> float:
        self._now += self._step_s
        return self._now


class _Connection:
    def __init__(self, name: str, pieces: int, parsed: list[str]) -> None:
        self._name = name
        self._pieces = pieces
        self._parsed = parsed

    def parse_deferred(self) -> bool:
        self._parsed.append(self._name)
        self._pieces -= 1
        return self._pieces > 0


async def test_short_work_has_the_time_of_a_turn_and_the_next_turn_has_time_again() -> None:
    turn_time = TurnTime(1.0, clock=_SlowClock(0.75))
    assert [turn_time.is_left() for _ in range(3)] == [True, True, False]
    await asyncio.sleep(0)
    assert turn_time.is_left()


async def test_the_first_of_a_turn_has_time_and_the_next_turn_has_time_again() -> None:
    turns = ParsingTurns(StartingTurns(MAX_STARTS), clock=_SlowClock(MAX_TURN_S * 0.75))
    assert turns.has_time()
    assert turns.has_time()
    assert not turns.has_time()
    await asyncio.sleep(0)
    assert turns.has_time()


async def test_those_that_wait_parse_a_piece_each_in_turn_and_others_run_meanwhile() -> None:
    turns, parsed = ParsingTurns(StartingTurns(MAX_STARTS), clock=_SlowClock(MAX_TURN_S * 1.5)), list[str]()
    assert turns.has_time()
    for name, pieces in (("a", 3), ("b", 1), ("c", 2)):
        turns.wait(_Connection(name, pieces, parsed))
    assert not turns.has_time()
    await asyncio.sleep(0)
    assert parsed == ["a"]  # at the second reading of the clock, the time of a turn is over
    for _ in range(10):
        await asyncio.sleep(0)
    assert parsed == ["a", "b", "c", "a", "c", "a"]
    assert turns.has_time()


async def test_an_error_of_one_connection_does_not_end_the_turns_of_the_others() -> None:
    class Broken:
        def parse_deferred(self) -> bool:
            raise RuntimeError

    turns, parsed, errors = ParsingTurns(StartingTurns(MAX_STARTS)), list[str](), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    assert turns.has_time()
    turns.wait(Broken())
    turns.wait(_Connection("a", 1, parsed))
    for _ in range(3):
        await asyncio.sleep(0)
    assert ([type(error["exception"]) for error in errors], parsed) == ([RuntimeError], ["a"])
    assert turns.has_time()


def _start(turns: StartingTurns, start: Callable[[], object]) -> None:
    if turns.may_start():
        start()
    else:
        turns.wait(start)


async def test_few_requests_start_in_one_turn_and_all_start_in_order() -> None:
    turns, started = StartingTurns(MAX_STARTS), list[int]()
    for number in range(3 * MAX_STARTS + 1):
        _start(turns, partial(started.append, number))
    counts = [len(started)]
    while len(started) <= 3 * MAX_STARTS:
        await asyncio.sleep(0)
        counts.append(len(started))
    assert counts == [MAX_STARTS, 2 * MAX_STARTS, 3 * MAX_STARTS, 3 * MAX_STARTS + 1]
    assert started == list(range(3 * MAX_STARTS + 1))


async def test_a_request_that_starts_when_another_ends_waits_for_those_before_it() -> None:
    turns, started, most = StartingTurns(MAX_STARTS), list[int](), 0

    async def answer(number: int) -> None:
        started.append(number)
        if number < 10 * MAX_STARTS:  # the next request of the connection
            start(number + 4 * MAX_STARTS)

    def start(number: int) -> None:
        _start(turns, lambda: tasks.append(asyncio.ensure_future(answer(number))))

    tasks = list[asyncio.Future[None]]()
    for number in range(4 * MAX_STARTS):
        start(number)
    for _ in range(100):
        before = len(started)
        await asyncio.sleep(0)
        most = max(most, len(started) - before)
    assert started == list(range(14 * MAX_STARTS))
    assert most <= 2 * MAX_STARTS


async def test_a_request_that_cannot_start_does_not_stop_the_others() -> None:
    turns, started = StartingTurns(MAX_STARTS), list[int]()

    def fail() -> None:
        raise RuntimeError

    handled = list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: handled.append(context))
    for number in range(MAX_STARTS):
        _start(turns, partial(started.append, number))
    _start(turns, fail)
    _start(turns, partial(started.append, MAX_STARTS))
    for _ in range(4):
        await asyncio.sleep(0)
    assert len(handled) == 1
    assert started == list(range(MAX_STARTS + 1))


async def test_nothing_is_parsed_in_a_turn_in_which_no_further_request_starts() -> None:
    starts, parsed, started = StartingTurns(MAX_STARTS), list[str](), list[int]()
    turns = ParsingTurns(starts, clock=FakeClock())
    for number in range(MAX_STARTS + 1):
        assert turns.has_time() is (number < MAX_STARTS)
        _start(starts, partial(started.append, number))
    turns.wait(_Connection("a", 1, parsed))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert parsed == ["a"]
    assert len(started) == MAX_STARTS + 1


async def test_connections_that_are_lost_at_one_moment_are_forgotten_in_turns_and_in_order() -> None:
    turns, forgotten, most = ForgettingTurns(clock=_SlowClock(MAX_TURN_S * 0.3)), list[int](), 0
    for number in range(30):
        turns.run(partial(forgotten.append, number))
    assert forgotten == [0, 1, 2, 3]
    for _ in range(30):
        before = len(forgotten)
        await asyncio.sleep(0)
        most = max(most, len(forgotten) - before)
    assert forgotten == list(range(30))
    assert most <= 4
    turns.run(partial(forgotten.append, 30))
    assert forgotten[-1] == 30


async def test_a_connection_that_cannot_be_forgotten_does_not_stop_the_others() -> None:
    turns, forgotten, errors = ForgettingTurns(clock=_SlowClock(MAX_TURN_S * 0.9)), list[int](), list[dict[str, Any]]()

    def fail() -> None:
        raise RuntimeError

    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    for number in range(3):
        turns.run(partial(forgotten.append, number))
    turns.run(fail)
    turns.run(partial(forgotten.append, 3))
    for _ in range(10):
        await asyncio.sleep(0)
    assert (len(errors), forgotten) == (1, [0, 1, 2, 3])
