"""HTTP/1.1 for untrusted clients: uvicorn's protocol without upgrades, with limits that uvicorn does not have."""

import asyncio
import enum
from collections import deque
from functools import partial
from typing import Any, Final, cast

import httptools
import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from times_dispatch.http_server.event_loop_turns import DeferringFlowControl
from times_dispatch.http_server.received_body import set_body_received
from times_dispatch.http_server.server_load import ServerStateWithLoad, refuse_overload

MAX_HEAD_BYTES: Final = 32 * 1024
"""The maximum size of the head of a request, and of its trailers."""
MAX_FIELDS: Final = 200
"""The maximum number of fields of a head."""
MAX_PIPELINED: Final = 32
"""The maximum number of requests that wait for the response to another request of the same connection."""
MAX_UNWANTED_BYTES: Final = 64 * 1024
"""The maximum number of bytes of a request's body that may arrive after the response."""

_SLICE_BYTES: Final = 8 * 1024
_TIMER_STEP_S: Final = 0.002
"""Timers of the event loop have whole milliseconds, and may end too early by this time."""
_MAX_FRAMING_FACTOR: Final = 8
"""A chunk of one byte is framed by five bytes, or by some more if the size is padded."""
_UPGRADE_HEADERS: Final = frozenset({b"upgrade", b"connection", b"http2-settings"})


class _Phase(enum.Enum):
    """The event for which a connection waits, with the reason that is logged after a wait that is too long."""

    HEAD = "a request's head did not arrive in time"
    REQUEST = "a request did not end in time"
    RESPONSE = "a response did not end in time"
    NEXT_REQUEST = "no other request came in time"
    """The end of this wait is no fault of the client, and is not logged."""


class _HeadTooLong(Exception):
    """The head of a request has too many bytes or fields."""


class BoundedProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP/1.1 without upgrades to other protocols, and with more limits.

    Uvicorn limits unread bodies, and idle connections after a response. This class limits heads, trailers, pipelined
    requests, and the time for a head and for a request, and applies the limits of ``ServerLoad``.

    Clients may ask for HTTP/2 with the first request (``Upgrade: h2c``), and a server may answer that request in
    HTTP/1.1 (RFC 9110, section 7.8). The parser treats the body of such a request as data of the other protocol; so the
    request is parsed again without the header.
    """

    def __init__(self, config: uvicorn.Config, server_state: ServerState, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, server_state, *args, **kwargs)
        self._load = cast("ServerStateWithLoad", server_state).load
        self._receiver = self.app
        self._deferred = bytearray()
        """Received bytes that are parsed in a later turn of the event loop."""
        self._peer = ""
        self._phase = _Phase.HEAD
        self._due_s = 0.0
        """The time, by the clock of the event loop, at which the wait of the connection is too long."""
        self._timer: asyncio.TimerHandle | None = None
        """Calls ``_end_phase`` after this phase or an earlier phase: a timer for each would cost more than parsing."""
        self._timer_due_s = 0.0
        self._stalled: asyncio.TimerHandle | None = None
        """The timer that ends the connection if the client does not read."""
        self._unread = 0
        """The number of bytes that waited for the client at the last check."""
        self._clients: deque[str] = deque()
        """The clients of the requests whose responses are not complete, the oldest first (``ServerLoad.client``)."""
        self._under_way: RequestResponseCycle | None = None
        """The request that was started last; with pipelining, uvicorn's ``cycle`` is a waiting request."""
        self._is_message_complete = True
        self._is_head_read = False
        self._last_two_bytes = b""
        """The end of the received bytes, as long as no field of a head was read."""
        self._received_bytes = 0
        """The number of received bytes of the current request."""
        self._received_at_body = 0
        """The value of ``_received_bytes`` when the last byte of the request's body was received."""
        self._head_bytes = self._body_bytes = self._held_bytes = 0
        self._unwanted_bytes = 0
        """The number of bytes of the body that were received after the response to the current request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a connection, unless there are too many connections."""
        super().connection_made(cast("asyncio.Transport", transport))
        self.flow = DeferringFlowControl(self.transport, self._deferred)
        self._peer = self.client[0] if self.client else ""
        self._start_phase(_Phase.HEAD, self._load.limits.head_timeout_s)
        if not self._load.open(self, self._peer):
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and its requests, in turn with other lost connections; write nothing from now on."""
        for cycle in (self.cycle, self._under_way):  # otherwise a response would be a server error with a traceback
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
        self._load.losses.run(partial(self._forget, exc))

    def _forget(self, exc: Exception | None) -> None:
        self._forget_stall()
        if self._timer is not None:
            self._timer.cancel()
        self._release_bytes()
        self._take_deferred(len(self._deferred))
        while self._clients:
            self._load.end(self, self._clients.popleft(), is_idle=False)
        self._load.close(self, self._peer)
        if self._under_way is not None:
            self._under_way.message_event.set()
        super().connection_lost(exc)
        self.pipeline.clear()  # an unanswered request refers to its connection: only the garbage collector frees both
        self.cycle = self._under_way = cast("Any", None)

    def pause_writing(self) -> None:
        """Stop writing to a client that does not read, and begin to limit the time."""
        super().pause_writing()
        self._watch_stall()

    def _watch_stall(self) -> None:
        self._unread = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(self._load.limits.stalled_timeout_s, self._end_stalled)

    def resume_writing(self) -> None:
        """Continue to write after the client has read."""
        self._forget_stall()
        super().resume_writing()

    def _end_stalled(self) -> None:
        if self.transport.get_write_buffer_size() < self._unread:  # a slow client reads
            self._watch_stall()
            return
        self._load.refusals.warning("a client does not read its response")
        self.abort()

    def _forget_stall(self) -> None:
        if self._stalled:
            self._stalled.cancel()
            self._stalled = None

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes in pieces, so that no limit is exceeded by more than a piece."""
        self._begin_head()
        for at in range(0, len(data), _SLICE_BYTES):
            if self.transport.is_closing():
                return
            if self._deferred or not self._load.turns.has_time():
                self._defer(data[at:])
                return
            self._parse(data[at : at + _SLICE_BYTES])

    def _begin_head(self) -> None:
        if self._phase is _Phase.NEXT_REQUEST:
            self._start_phase(_Phase.HEAD, self._load.limits.head_timeout_s)

    def parse_deferred(self) -> bool:
        """Parse a piece of the deferred bytes; return whether bytes are left."""
        if self._deferred and not self.transport.is_closing():
            self._begin_head()
            self._parse(self._take_deferred(_SLICE_BYTES))
        if self.transport.is_closing():
            self._take_deferred(len(self._deferred))
        if not self._deferred:
            self._resume_reading()
        return bool(self._deferred)

    def shutdown(self) -> None:
        """Close the connection after the received requests are answered."""
        while self._deferred:
            self.parse_deferred()
        super().shutdown()

    def _defer(self, data: bytes) -> None:
        """Keep bytes for a later turn, and read no more bytes until these bytes are parsed."""
        if not self._deferred:
            self._load.turns.wait(self)
        self._deferred += data
        self.flow.pause_reading()
        if not self._load.hold(len(data), len(self._deferred), is_head=True):
            self.abort()

    def _take_deferred(self, length: int) -> bytes:
        taken = bytes(self._deferred[:length])
        del self._deferred[:length]
        self._load.held_bytes -= len(taken)
        return taken

    def _resume_reading(self) -> None:
        """Continue reading, unless bytes, requests or a body wait."""
        is_waiting = self.pipeline or (self.cycle and len(self.cycle.body) > HIGH_WATER_LIMIT)
        if not is_waiting and not self.transport.is_closing():
            self.flow.resume_reading()

    def on_message_begin(self) -> None:
        """Begin to count the bytes and fields of a request."""
        self._is_message_complete = self._is_head_read = False
        self._head_bytes = self._unwanted_bytes = 0
        # The first option is only for the first line: below the fields, a carriage return alone would end the head.
        self.parser.set_dangerous_leniencies(lenient_optional_lf_after_cr=True, lenient_optional_cr_before_lf=True)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Add a piece of the URL."""
        self._head_bytes += len(url)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _HeadTooLong
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a field of the head; fields of trailers are not needed."""
        if self._is_head_read:
            return
        self._head_bytes += len(name) + len(value) + 4  # ": " and the end of the line
        if self._head_bytes > MAX_HEAD_BYTES or len(self.headers) >= MAX_FIELDS:
            raise _HeadTooLong
        if not self.headers:
            self.parser.set_dangerous_leniencies(lenient_optional_lf_after_cr=False)
        name = name.lower()  # the same as uvicorn's method, whose call costs more
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Start the request, unless the request must be parsed again."""
        self._is_head_read = True
        # Bare line feeds are read in heads (RFC 9112, section 2.2), but not in chunks, where a request could be hidden.
        self.parser.set_dangerous_leniencies(lenient_optional_lf_after_cr=False, lenient_optional_cr_before_lf=False)
        self._received_at_body = self._received_bytes
        if self.parser.should_upgrade() or self.transport.is_closing():
            return
        if len(self.pipeline) >= MAX_PIPELINED:  # a piece of received bytes may hold hundreds of requests
            self._load.refusals.warning("too many requests are pipelined")
            self.abort()
            return
        client = self._load.client(self._peer, self.headers, self.url)
        self._clients.append(client)
        is_accepted = self._load.begin(self, client)
        if not is_accepted and len(self._clients) > 1:  # its refusal would wait, and take as much memory as any request
            self.abort()
            return
        self.app = self._receiver if is_accepted else cast("Any", refuse_overload)
        self._start_phase(_Phase.REQUEST, self._load.limits.request_timeout_s)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Add a piece of the body."""
        self._body_bytes += len(body)
        self._received_at_body = self._received_bytes
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request, unless the request must be parsed again."""
        self._received_bytes = self._body_bytes = self._received_at_body = 0
        if self.parser.should_upgrade():
            return
        self._is_message_complete = True
        set_body_received(cast("Any", self.scope))
        if self._load.limits.response_timeout_s:
            self._start_phase(_Phase.RESPONSE, self._load.limits.response_timeout_s)
        super().on_message_complete()
        if not self._clients:
            self._end_if_complete()

    def on_response_complete(self) -> None:
        """Start the next request of the connection, or wait for the next request as long as uvicorn does."""
        is_idle = len(self._clients) == 1
        if self._clients:  # empty after the connection was lost
            self._load.end(self, self._clients.popleft(), is_idle=is_idle and not self.transport.is_closing())
        if is_idle:
            self.cycle.body = bytearray()  # otherwise it is freed only by the next request
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            self._resume_reading()
        if not self._clients:
            self._end_if_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._under_way = cycle
        if self._load.starts.may_start():
            super()._start_asgi_task(cycle, app)
        else:
            self._load.starts.wait(partial(self._start_if_connected, cycle, app))

    def _start_if_connected(self, cycle: RequestResponseCycle, app: Any) -> None:
        if not cycle.disconnected:
            super()._start_asgi_task(cycle, app)

    def _end_if_complete(self) -> None:
        self._release_bytes()
        if self._is_message_complete:
            self._start_phase(_Phase.NEXT_REQUEST, self.timeout_keep_alive)
        elif not self._is_head_read:
            self._start_phase(_Phase.HEAD, self._load.limits.head_timeout_s)

    def _parse(self, data: bytes) -> None:
        self._received_bytes += len(data)
        try:
            self.parser.feed_data(data)
            if not (self._is_head_read or self.headers):
                self._last_two_bytes = (self._last_two_bytes + data[-2:])[-2:]
                if self._last_two_bytes == b"\n\n":  # which the parser takes for one end of the first line
                    self.parser.feed_data(b"\n")
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _HeadTooLong):
                self._refuse_head()
            else:
                self._load.refusals.warning("a request is not HTTP")
                self.send_400_response("Invalid HTTP request received.")
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_without_upgrade(data[upgrade.args[0] :])
        else:
            self._check_bounds(len(data))

    def _check_bounds(self, added_bytes: int) -> None:
        """Close the connection if its request is too long, or if all requests together hold too many bytes."""
        if self._received_bytes > MAX_HEAD_BYTES and not self._is_head_read:
            self._refuse_head()
        elif (
            self._received_bytes - self._received_at_body > MAX_HEAD_BYTES
            or self._received_bytes > 2 * MAX_HEAD_BYTES + _MAX_FRAMING_FACTOR * self._body_bytes
        ):
            self._load.refusals.warning("the trailers or chunks of a request are too long")
            self.abort()
        elif not self._clients and self._is_head_read and not self._is_message_complete:
            self._unwanted_bytes += added_bytes
            if self._unwanted_bytes > MAX_UNWANTED_BYTES:
                self._load.refusals.warning("a body goes on after the response")
                self.abort()
        elif self._clients or not self._is_message_complete:
            max_bytes = self._load.limits.max_body_bytes + MAX_HEAD_BYTES  # the application discards the rest
            added_bytes = min(added_bytes, max_bytes - self._held_bytes)
            self._held_bytes += added_bytes
            if not self._load.hold(added_bytes, self._held_bytes, is_head=not self._clients):
                self.abort()

    def _refuse_head(self) -> None:
        self._load.refusals.warning("the head of a request is too long")
        self.send_400_response("The request's head is too long.")

    def _release_bytes(self) -> None:
        self._load.held_bytes -= self._held_bytes
        self._held_bytes = 0

    def _start_phase(self, phase: _Phase, timeout_s: float) -> None:
        """Begin a phase of the connection; if no other phase begins within *timeout_s* seconds, the connection ends."""
        self._phase = phase
        self._due_s = due_s = self.loop.time() + timeout_s
        if self._timer is None or self._timer_due_s > due_s:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_due_s = self.loop.call_at(self._due_s, self._end_phase), self._due_s

    def _end_phase(self) -> None:
        self._timer = None
        if self._due_s > self.loop.time() + _TIMER_STEP_S:  # another phase began since the timer was made
            self._set_timer()
        elif self._phase is _Phase.NEXT_REQUEST:
            self.transport.close()
        else:
            self._load.refusals.warning(self._phase.value)
            self.abort()

    def _parse_without_upgrade(self, rest: bytes) -> None:
        method, target = self.parser.get_method(), self.url
        if method == b"CONNECT":  # a request for a tunnel
            self.send_400_response("This server makes no tunnels.")
            return
        closes = any(name == b"connection" and b"close" in value.lower() for name, value in self.headers)
        fields = [(name, value) for name, value in self.headers if name not in _UPGRADE_HEADERS]
        fields += [(b"connection", b"close")] if closes else []
        head = b"".join(b"%b: %b\r\n" % field for field in fields)
        self.parser = httptools.HttpRequestParser(self)
        self._received_bytes = 0
        again = b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, target, head, rest)
        for at in range(0, len(again), _SLICE_BYTES):
            if not self.transport.is_closing():
                self._parse(again[at : at + _SLICE_BYTES])
