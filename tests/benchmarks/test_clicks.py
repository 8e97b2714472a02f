"""The client of the benchmark of clicks reads each answer whole, whatever its status."""

import pytest

from benchmarks.clicks import CONNECTIONS, _click, _click_all
from tests.kit.scripted_server import ScriptedConnection, serving

FOUND = "302 Found"
UNAVAILABLE = "503 Service Unavailable"


async def test_answers_with_and_without_a_body_are_counted_by_status() -> None:
    async def talk(connection: ScriptedConnection) -> None:
        for status in (FOUND, UNAVAILABLE, UNAVAILABLE, FOUND):
            await connection.request()
            await connection.answer(b"" if status == FOUND else b"<p>try again\r\n\r\n</p>", status=status)

    async with serving(talk) as server:
        assert await _click(server.port, [b"/TIMESM/x"] * 4) == {302: 2, 503: 2}


async def test_clicks_that_were_not_redirected_are_named_by_their_status() -> None:
    async def refuse(connection: ScriptedConnection) -> None:
        await connection.request()
        await connection.answer(b"full", status=UNAVAILABLE)

    async with serving(refuse) as server:
        with pytest.raises(AssertionError, match=f"^0 of {CONNECTIONS} clicks were redirected; {CONNECTIONS} got 503$"):
            await _click_all(server.port, [b"/TIMESM/x"] * CONNECTIONS)
