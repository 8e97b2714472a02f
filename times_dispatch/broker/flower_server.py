"""Flower's HTTP server: bounds for untrusted clients, whose connections are served in turns of the event loop."""

import asyncio
import selectors
from collections import deque
from collections.abc import Awaitable
from typing import Any, Final

import tornado.netutil
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPInputError, HTTPMessageDelegate, RequestStartLine, ResponseStartLine
from tornado.iostream import IOStream

from times_dispatch.http_server.server_load import max_connections

_MAX_CONNECTIONS: Final = 256
_MAX_ACCEPTED: Final = 8
"""Connections that are accepted in one turn. Tornado's own number is 128, which stalls the event loop for 40 ms."""
_BOUNDS: Final = {
    "max_header_size": 8 * 1024,
    "max_body_size": 64 * 1024,
    "max_buffer_size": 128 * 1024,
    "body_timeout": 10.0,
    "idle_connection_timeout": 75.0,
    "no_keep_alive": True,
}
"""Tornado reads a whole body before Flower checks the login: by default up to 100 MB, without a time limit. Requests
that wait on kept connections would all start in one turn. The fields of a longer head would leave so many objects that
one garbage collection takes 50 ms.
"""


class OneEventSelector(selectors.DefaultSelector):
    """Gives the event loop the events of one file in each turn; asyncio would handle all ready files in one turn."""

    def __init__(self) -> None:
        super().__init__()
        self._ready: deque[tuple[selectors.SelectorKey, int]] = deque()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the events of one ready file, or no events; files that are ready at one moment take turns."""
        if not self._ready:
            self._ready.extend(super().select(timeout))
        while self._ready:
            key, events = self._ready.popleft()
            if self.get_map().get(key.fd) is key:  # otherwise the file was closed or changed, and is asked again
                return [(key, events)]
        return []


class _WithoutChunks(HTTPMessageDelegate):
    """Refuses a request whose body comes in chunks, which browsers never send.

    Tornado reads 256 chunks of a connection in one turn, also if each has one byte, and then continues in the same turn
    as all other connections with chunks.
    """

    def __init__(self, delegate: HTTPMessageDelegate) -> None:
        self._delegate = delegate

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        if "Transfer-Encoding" in headers:
            raise HTTPInputError("a body must have a Content-Length")
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._delegate.on_connection_close()


class BoundedServer(HTTPServer):
    """Tornado's server with bounds; if too many connections are open, a new one closes the oldest."""

    def initialize(self, *args: Any, **options: Any) -> None:
        """Make a server that does not listen yet."""
        bounded: dict[str, Any] = {**options, **_BOUNDS}
        super().initialize(*args, **bounded)
        self._max_connections = max_connections(_MAX_CONNECTIONS)
        self._streams: dict[IOStream, None] = {}
        """The open connections, the oldest first."""

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Serve a new connection."""
        if len(self._streams) >= self._max_connections:
            oldest = next(iter(self._streams))
            del self._streams[oldest]
            oldest.close()
        self._streams[stream] = None
        super().handle_stream(stream, address)

    def start_request(self, server_conn: Any, request_conn: Any) -> Any:
        """Begin a request; on a closed connection, Tornado would go on with the bytes that it had read before."""
        if server_conn.stream.closed():
            raise asyncio.CancelledError  # ends the connection's task, and leaves no line in the log
        return _WithoutChunks(super().start_request(server_conn, request_conn))

    def on_close(self, server_conn: Any) -> None:
        """Forget a closed connection."""
        self._streams.pop(server_conn.stream, None)
        super().on_close(server_conn)


def serve_in_turns() -> None:
    """Make the event loop that Flower will use, and bound the connections that are accepted in one turn."""
    asyncio.set_event_loop(asyncio.SelectorEventLoop(OneEventSelector()))
    tornado.netutil._DEFAULT_BACKLOG = _MAX_ACCEPTED  # Tornado has no option for this number
