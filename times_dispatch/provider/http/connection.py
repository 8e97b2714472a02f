"""One kept-alive HTTP/1.1 connection: a request out, its answer in, one exchange at a time."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import httptools
import httpx

LONGEST_ANSWER: Final = 65_536
"""Bytes of a body that are read; a longer one is no answer of the API's."""

NEVER: Final = float("inf")
_LENGTH_KNOWN: Final = frozenset({b"content-length", b"transfer-encoding"})


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Connection(asyncio.Protocol):
    """A connection that stands; ``httptools`` (llhttp, the parser of Node.js) reads what comes over it.

    An answer belongs to the exchange under way and to nothing else: whatever comes while there is none, or after the
    answer's end, closes the connection.
    """

    def __init__(self) -> None:
        self.closed = False
        self.reusable = True
        """Whether another exchange may follow, as far as the answers so far say."""
        self.deadline = NEVER
        """On the loop's clock: when the exchange under way is over at the latest."""
        self.idle_since = 0.0
        self.on_lost: Callable[[Connection], None] | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._head_is_read = False

    def exchange(self, request: bytes, deadline: float) -> asyncio.Future[Answer]:
        """Write a request and return its answer to come. What ends without one ends in an httpx.TransportError."""
        waiting: asyncio.Future[Answer] = self._loop.create_future()
        if self.closed:
            waiting.set_exception(httpx.ReadError("connection lost"))
            return waiting
        self._waiting = waiting
        self._body = b""
        self.deadline = deadline
        self._transport.write(request)
        return waiting

    def expire(self) -> None:
        """End the exchange for its time being over."""
        self._fail(httpx.ReadTimeout("no answer in time"))

    def close(self) -> None:
        """Close at once; an exchange under way is lost."""
        if not self.closed:
            self.closed, self.reusable = True, False
            self._transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._waiting is None:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(httpx.RemoteProtocolError("the answer is not HTTP"))

    def eof_received(self) -> None:
        """Take notice that nothing more will come; the loop closes the connection."""
        self.reusable = False

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        if error is None and self._waiting and self._head_is_read and not self._length_is_known():
            self._complete()  # an answer without a length ends with its connection
        self.closed, self.reusable = True, False
        self._fail(httpx.ReadError("connection lost"))
        if self.on_lost:
            self.on_lost(self)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin an answer."""
        self._headers, self._head_is_read = [], False
        if self._waiting is None:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Take notice that the body begins."""
        self._head_is_read = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._body = self._body + body if self._body else body
        if len(self._body) > LONGEST_ANSWER:
            self.reusable = False
            self._complete()

    def on_message_complete(self) -> None:
        """End an answer, if it is one: 100 and 103 only announce it."""
        if self._parser.get_status_code() >= 200 and self._waiting is not None:
            self.reusable = self.reusable and self._parser.should_keep_alive()
            self._complete()

    def _complete(self) -> None:
        waiting, self._waiting = self._waiting, None
        self.deadline = NEVER
        if waiting is not None and not waiting.done():
            answer = Answer(self._parser.get_status_code(), self._headers, self._body[:LONGEST_ANSWER])
            waiting.set_result(answer)

    def _fail(self, error: httpx.TransportError) -> None:
        waiting, self._waiting = self._waiting, None
        self.deadline = NEVER
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
        self.close()

    def _length_is_known(self) -> bool:
        return any(name.lower() in _LENGTH_KNOWN for name, _ in self._headers)
