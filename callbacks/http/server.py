"""The HTTP server of the receiver: uvicorn, stopped by an event, without upgrades to other protocols."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 65_536
"""How long the head of a request may be, and also its trailers."""
_MAX_FRAMING_FACTOR: Final = 8
"""A chunk of one byte is framed by five bytes, or by some more if the size is padded."""
_UPGRADE_HEADERS: Final = frozenset({b"upgrade", b"connection", b"http2-settings"})


class ReportProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP/1.1 without upgrades to other protocols, and with a bound for heads and trailers.

    Clients may ask for HTTP/2 with the first request (``Upgrade: h2c``), and a server may answer that request in
    HTTP/1.1 (RFC 9110, section 7.8). The parser takes the body of such a request for the other protocol; so the request
    is parsed again without the header.
    """

    _received_bytes = 0
    """How many bytes of the request under way were received."""
    _body_bytes = 0
    _is_head_read = False

    def data_received(self, data: bytes) -> None:
        """Parse what was received."""
        self._unset_keepalive_if_required()
        self._received_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_without_upgrade(data[upgrade.args[0] :])
        else:
            self._check_bounds()

    def on_headers_complete(self) -> None:
        """Start the request, unless it is to be parsed again."""
        self._is_head_read = True
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, unless it is to be parsed again."""
        self._received_bytes = self._body_bytes = 0
        self._is_head_read = False
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _check_bounds(self) -> None:
        """Close the connection of a request whose head or trailers are too long."""
        if self._received_bytes <= MAX_HEAD_BYTES:
            return
        if not self._is_head_read:
            self.send_400_response("The request's head is too long.")
        elif self._received_bytes > 2 * MAX_HEAD_BYTES + _MAX_FRAMING_FACTOR * self._body_bytes:
            self.transport.abort()

    def _parse_without_upgrade(self, rest: bytes) -> None:
        method, target = self.parser.get_method(), self.url
        if method == b"CONNECT":  # a request for a tunnel, which has no other meaning
            self.send_400_response("This server makes no tunnels.")
            return
        closes = any(name == b"connection" and b"close" in value.lower() for name, value in self.headers)
        fields = [(name, value) for name, value in self.headers if name not in _UPGRADE_HEADERS]
        if closes:
            fields.append((b"connection", b"close"))
        head = b"%b %b HTTP/1.1\r\n" % (method, target) + b"".join(b"%b: %b\r\n" % field for field in fields)
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(head + b"\r\n" + rest)


class HttpServer(uvicorn.Server):
    """Uvicorn without its handling of signals, which would raise them again; an event stops the server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to ``run_until_signalled``."""
        yield

    async def run_until(self, stop: asyncio.Event) -> None:
        """Serve until the stop is set; then close the listener, and answer the requests in progress."""

        async def stop_serving() -> None:
            await stop.wait()
            self.should_exit = True

        stopping = asyncio.create_task(stop_serving())
        try:
            await self.serve()
        finally:
            stopping.cancel()
