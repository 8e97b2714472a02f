"""Connections that have much to parse at one moment parse it in several turns, in order."""

import asyncio
from typing import Any

from tests.kit.clock import FakeClock
from times_dispatch.http_server.parsing_turns import MAX_TURN_S, ParsingTurns


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


async def test_the_first_of_a_turn_has_time_and_the_next_turn_has_time_again() -> None:
    turns = ParsingTurns(clock=_SlowClock(MAX_TURN_S * 0.75))
    assert turns.has_time()
    assert turns.has_time()
    assert not turns.has_time()
    await asyncio.sleep(0)
    assert turns.has_time()


async def test_those_that_wait_parse_a_piece_each_in_turn_and_others_run_meanwhile() -> None:
    turns, parsed = ParsingTurns(clock=_SlowClock(MAX_TURN_S * 1.5)), list[str]()
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

    turns, parsed, errors = ParsingTurns(), list[str](), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    assert turns.has_time()
    turns.wait(Broken())
    turns.wait(_Connection("a", 1, parsed))
    for _ in range(3):
        await asyncio.sleep(0)
    assert ([type(error["exception"]) for error in errors], parsed) == ([RuntimeError], ["a"])
    assert turns.has_time()
