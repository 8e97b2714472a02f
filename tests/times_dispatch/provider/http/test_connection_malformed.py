"""Malformed heads that arrive in pieces: the pieces never change the outcome, and hardly change the work."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest

from times_dispatch.provider.http import connection as module
from times_dispatch.provider.http.connection import MAX_HEAD_BYTES, Connection, RawResponse
from times_dispatch.provider.http.lenient_head import repair_response

MALFORMED = [
    b"HTTP/1.1  200 OK\r\nContent-Length: 4\r\n\r\nbody",
    b"\r\n\r\nHTTP/1.1\t200 OK\r\nContent-Length : 4\r\n\r\nbody",
    b"HTTP/1.1 200 OK\nX-A : a\n b\nContent-Length: 4, 4\n\nbody",
    b"HTTP/1.1  100 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    b"HTTP/1.1 100 x\r\n\r\nHTTP/1.1  103 x\r\n\r\n\r\nHTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 4\r\n\r\nbody",
    b"HTTP/1.1  200 OK\r\nTransfer-Encoding : chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    b"HTTP/1.1  200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody!",
    b"HTTP/1.1  OK\r\nContent-Length: 4\r\n\r\nbody",
    b"HTTP/1.1  101 Switching\r\nUpgrade: h2c\r\n\r\nbody",
    b"HTTP/1.1 200 OK\r\nno field\r\n\r\nbody",
    b"HTTQ/1.1  200 OK\r\n\r\n",
]


class _Wire:
    """A transport without a socket, to which a connection writes."""

    def write(self, _data: bytes) -> None: ...

    def abort(self) -> None: ...

    def get_extra_info(self, _name: str) -> None: ...


async def _outcome(pieces: Iterator[bytes]) -> RawResponse | BaseException | None:
    """Return the response or the error that results from the pieces; None if more bytes are needed."""
    connection = Connection()
    connection.connection_made(cast("asyncio.BaseTransport", _Wire()))
    waiting = connection.exchange(b"GET / HTTP/1.1\r\n\r\n", 1e18)
    for piece in pieces:
        connection.data_received(piece)
        if waiting.done():
            return waiting.exception() or waiting.result()
    waiting.cancel()
    return None


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def _told(outcome: RawResponse | BaseException | None) -> object:
    return repr(outcome) if isinstance(outcome, BaseException) else outcome


@pytest.mark.parametrize("response", MALFORMED, ids=range(len(MALFORMED)))
async def test_a_malformed_response_is_the_same_however_it_is_cut(response: bytes) -> None:
    whole = _told(await _outcome(iter([response])))
    assert whole is not None
    for size in (1, 2, 3, 7, 19):
        assert _told(await _outcome(_cut(response, size))) == whole
    for at in range(1, len(response)):
        assert _told(await _outcome(iter([response[:at], response[at:]]))) == whole


@pytest.mark.parametrize(
    "unit",
    [
        b"HTTP/1.1  100 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\r\n",
        b"HTTP/1.1  200 OK\n \n x\n",
        b"HTTP/1.1  100 x\n\n\n\n",
    ],
    ids=["announcements", "heads-in-a-head", "folded", "empty-lines"],
)
@pytest.mark.parametrize("size", [1, 19])
async def test_an_endless_malformed_head_is_not_read_again_with_each_piece(
    unit: bytes, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0

    def counting(received: bytes) -> Any:
        nonlocal read
        read += len(received)
        assert read < 4 * MAX_HEAD_BYTES
        return repair_response(received)

    monkeypatch.setattr(module, "repair_response", counting)
    endless = unit * (2 * MAX_HEAD_BYTES // len(unit))
    assert isinstance(await _outcome(_cut(endless, size)), httpx.RemoteProtocolError)
