"""Reading the whole body of a request, within limits of size and time."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from callbacks.request_body import BODY_TIMEOUT_S, AsgiMessage, BodyIncomplete, BodyTooLong, read_body
from tests.kit.clock import FakeClock
from times_dispatch.http_server.received_body import set_body_received


async def test_a_body_that_never_ends_is_incomplete() -> None:
    clock = FakeClock()
    begun = False

    async def receive() -> AsgiMessage:
        nonlocal begun
        if begun:
            await asyncio.Event().wait()
        begun = True
        return {"type": "http.request", "body": b"[", "more_body": True}

    reading = asyncio.create_task(read_body({"headers": []}, receive, clock=clock))
    await clock.advance(BODY_TIMEOUT_S - 0.1)
    assert not reading.done()
    await clock.advance(0.1)
    with pytest.raises(BodyIncomplete):
        await reading


async def test_a_body_whose_pieces_come_later_is_read_whole() -> None:
    pieces: asyncio.Queue[AsgiMessage] = asyncio.Queue()
    reading = asyncio.create_task(read_body({"headers": []}, pieces.get))
    for piece, is_last in ((b"[", False), (b"1,", False), (b"2]", True)):
        await asyncio.sleep(0)
        assert not reading.done()
        pieces.put_nowait({"type": "http.request", "body": piece, "more_body": not is_last})
    assert await reading == b"[1,2]"


async def test_a_body_cut_off_by_a_lost_connection_is_incomplete() -> None:
    messages: Iterator[AsgiMessage] = iter(
        [{"type": "http.request", "body": b"[", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> AsgiMessage:
        return next(messages)

    with pytest.raises(BodyIncomplete):
        await read_body({"headers": []}, receive)


async def test_no_timer_is_made_for_a_body_that_was_received() -> None:
    scope: AsgiMessage = {"headers": []}
    set_body_received(scope)

    async def receive() -> AsgiMessage:
        return {"type": "http.request", "body": b"[]", "more_body": False}

    class NoTimer(FakeClock):
        def timeout(self, seconds: float) -> Any:
            raise AssertionError(seconds)

    assert await read_body(scope, receive, clock=NoTimer()) == b"[]"


async def test_bytes_beyond_the_limit_are_not_kept() -> None:
    received = 0

    async def receive() -> AsgiMessage:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": received < 20}

    with pytest.raises(BodyTooLong):
        await read_body({"headers": []}, receive)
    assert received == 20
