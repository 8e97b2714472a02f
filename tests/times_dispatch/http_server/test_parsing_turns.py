"""Connections that have much to parse at one moment parse it in several turns, in order."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from times_dispatch.http_server import parsing_turns
from times_dispatch.http_server.parsing_turns import ParsingTurns


class _Connection:
    def __init__(self, name: str, pieces: int, parsed: list[str]) -> None:
        self._name = name
        self._pieces = pieces
        self._parsed = parsed

    def parse_deferred(self) -> bool:
        self._parsed.append(self._name)
        self._pieces -= 1
        return self._pieces > 0


async def test_the_first_of_a_turn_has_time_and_the_next_turn_has_time_again(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = ParsingTurns()
    assert turns.has_time()
    assert turns.has_time()
    monkeypatch.setattr(parsing_turns, "MAX_TURN_S", 0.0)
    assert not turns.has_time()
    monkeypatch.undo()
    await asyncio.sleep(0)
    assert turns.has_time()


async def test_those_that_wait_parse_a_piece_each_in_turn_and_others_run_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns, parsed = ParsingTurns(), list[str]()
    assert turns.has_time()
    for name, pieces in (("a", 3), ("b", 1), ("c", 2)):
        turns.wait(_Connection(name, pieces, parsed))
    assert not turns.has_time()
    clock = SimpleNamespace(perf_counter=iter(i * 0.003 for i in range(1_000)).__next__)
    monkeypatch.setattr(parsing_turns, "time", clock)
    await asyncio.sleep(0)
    assert parsed == ["a"]  # the second look at the clock is beyond the time of a turn
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
