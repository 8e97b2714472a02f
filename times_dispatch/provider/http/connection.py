"""One kept-alive HTTP/1.1 connection: a request is written and its response read, one exchange at a time."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import httptools
import httpx

MAX_BODY_BYTES: Final = 65_536
"""How many bytes of a response body are read; a longer body is no response of an SMS API."""

NEVER: Final = float("inf")
_LENGTH_KNOWN: Final = frozenset({b"content-length", b"transfer-encoding"})


class RawResponse(NamedTuple):
    """A response, read to its end."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Connection(asyncio.Protocol):
    """An open connection; ``httptools`` (llhttp, the parser of Node.js) parses what is received.

    A response belongs to the exchange under way. Bytes that come without an exchange, or after the end of a response,
    close the connection: they could be taken for the response to another push.
    """

    def __init__(self) -> None:
        self.closed = False
        self.reusable = True
        """Whether another exchange may follow, according to the responses so far."""
        self.deadline = NEVER
        """When the exchange under way times out, on the event loop's clock."""
        self.idle_since = 0.0
        self.on_lost: Callable[[Connection], None] | None = None
        self._waiting: asyncio.Future[RawResponse] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._head_is_read = False

    def exchange(self, request: bytes, deadline: float) -> asyncio.Future[RawResponse]:
        """Write a request and return the future of its response, or of an httpx.TransportError."""
        waiting: asyncio.Future[RawResponse] = self._loop.create_future()
        if self.closed:
            waiting.set_exception(httpx.ReadError("connection lost"))
            return waiting
        self._waiting = waiting
        self._body = b""
        self.deadline = deadline
        self._transport.write(request)
        return waiting

    def expire(self) -> None:
        """End the exchange under way with a read time-out, and close."""
        self._fail(httpx.ReadTimeout("no response in time"))

    def close(self) -> None:
        """Close at once; an exchange under way is lost."""
        if not self.closed:
            self.closed, self.reusable = True, False
            self._transport.abort()

    # Called by the event loop (asyncio.Protocol).

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            asyncio.Transport, transport
        )  # uvloop's transports are no subclasses of asyncio.Transport
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(httpx.RemoteProtocolError("the response is not HTTP"))

    def eof_received(self) -> None:
        self.reusable = False  # the loop closes the connection after this call

    def connection_lost(self, error: Exception | None) -> None:
        if error is None and self._waiting and self._head_is_read and not self._length_is_known():
            self._complete()  # a response without a length ends with its connection
        self.closed, self.reusable = True, False
        self._fail(httpx.ReadError("connection lost"))
        if self.on_lost:
            self.on_lost(self)

    # Called by the parser (httptools.HttpResponseParser).

    def on_message_begin(self) -> None:
        self._headers, self._head_is_read = [], False
        if self._waiting is None:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._head_is_read = True

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body
        if len(self._body) > MAX_BODY_BYTES:
            self.reusable = False
            self._complete()

    def on_message_complete(self) -> None:
        # 100 and 103 only announce the response.
        if self._parser.get_status_code() >= 200 and self._waiting is not None:
            self.reusable = self.reusable and self._parser.should_keep_alive()
            self._complete()

    def _complete(self) -> None:
        waiting, self._waiting = self._waiting, None
        self.deadline = NEVER
        if waiting is not None and not waiting.done():
            response = RawResponse(self._parser.get_status_code(), self._headers, self._body[:MAX_BODY_BYTES])
            waiting.set_result(response)

    def _fail(self, error: httpx.TransportError) -> None:
        waiting, self._waiting = self._waiting, None
        self.deadline = NEVER
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
        self.close()

    def _length_is_known(self) -> bool:
        return any(name.lower() in _LENGTH_KNOWN for name, _ in self._headers)
