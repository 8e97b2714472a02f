"""One persistent HTTP/1.1 connection, which writes a request and reads the response, one exchange at a time."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import httptools
import httpx
import msgspec

from times_dispatch.content_encoding import BodyDamaged, UnknownEncoding, decompress
from times_dispatch.provider.http.lenient_head import (
    BEGINNING,
    HeadInvalid,
    has_end_of_head,
    repair_response,
    skip_announcements,
)
from times_dispatch.unreadable_json import UNREADABLE_JSON

MAX_BODY_BYTES: Final = 65_536
"""The maximum size of a response body; a longer body is no response of an SMS API."""
MAX_BODY_PIECES: Final = 4_096
"""The maximum number of chunks of a response body. A server that sends each character in a chunk of its own can answer
with 4,096 characters; more chunks would hold up the other connections of the process for many milliseconds.
"""
MAX_HEAD_BYTES: Final = 65_536
"""The maximum size of the head of a response, including the interim responses before it (100, 103)."""
MAX_TRAILER_BYTES: Final = 65_536
_MAX_FRAMING_FACTOR: Final = 8
"""A chunk of one byte is framed by five bytes, or by some more if the size is padded."""
_SLICE_BYTES: Final = 4_096
_PLAIN_BEGINNINGS: Final = b"{["
"""A body that begins with one of these bytes is uncompressed JSON: no compressed text begins with these bytes."""

NEVER: Final = float("inf")
ACKNOWLEDGED_WITHIN_MS: Final = 6_000
"""The connection is lost if the kernel of the other host has not acknowledged a request after this time. Even a slow
provider acknowledges immediately. So a host that is cut off from the provider notices this long before responses time
out.
"""
_TCP_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", 0)
"""The socket option of Linux; 0 on systems without this option."""


class EndUnverified(ConnectionError):
    """A TLS connection was closed without close_notify of the server: an attacker may have cut the connection."""


class RawResponse(NamedTuple):
    """A response that was read to its end."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Connection(asyncio.Protocol):
    """An open connection; ``httptools`` (llhttp, the parser of Node.js) parses the received bytes.

    A response belongs to the current exchange. Bytes that arrive without an exchange, or after the end of a response,
    close the connection: such bytes could be mistaken for the response to another push.
    """

    def __init__(self) -> None:
        self.closed = False
        self.reusable = True
        """Whether another exchange may follow, according to the responses so far."""
        self.deadline = NEVER
        """When the current exchange times out, by the event loop's clock."""
        self.idle_since = 0.0
        self.on_lost: Callable[[Connection], None] | None = None
        self._waiting: asyncio.Future[RawResponse] | None = None
        self._parser = self._new_parser()
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: bytes | bytearray = b""
        self._body_pieces = 0
        self._head_is_read = False
        self._head = b""
        """The received bytes of an incomplete head."""
        self._is_recovering = False
        """Whether the parser has refused the head of the current exchange."""
        self._received_bytes = 0
        """The number of bytes that the current exchange has received."""

    def exchange(self, request: bytes, deadline: float) -> asyncio.Future[RawResponse]:
        """Write a request and return the future of its response, or of an httpx.TransportError."""
        waiting: asyncio.Future[RawResponse] = self._loop.create_future()
        if self.closed:
            waiting.set_exception(httpx.ReadError("connection lost"))
            return waiting
        self._waiting = waiting
        self._body, self._received_bytes, self._is_recovering = b"", 0, False
        self.deadline = deadline
        self._transport.write(request)
        return waiting

    def expire(self) -> None:
        """End the current exchange with a read time-out, and close the connection."""
        self._fail(httpx.ReadTimeout("no response in time"))

    def close(self) -> None:
        """Close the connection immediately; the current exchange is lost."""
        if not self.closed:
            self.closed, self.reusable = True, False
            self._transport.abort()

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS layer; None without TLS."""
        return cast("ssl.SSLObject | None", self._transport.get_extra_info("ssl_object"))

    # Called by the event loop (asyncio.Protocol).

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(
            asyncio.Transport, transport
        )  # uvloop's transports are no subclasses of asyncio.Transport
        self._loop = asyncio.get_running_loop()
        if _TCP_USER_TIMEOUT and (connected := transport.get_extra_info("socket")):
            connected.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, ACKNOWLEDGED_WITHIN_MS)

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            self.close()
            return
        if self._received_bytes or len(data) > _SLICE_BYTES:
            self._receive_slices(data)
            return
        # Nearly every response is short, and arrives in one piece.
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._received_bytes, self._head = len(data), b""
            self._recover(data, error)
            return
        if self._waiting is not None:
            self._received_bytes, self._head = len(data), b"" if self._head_is_read else data

    def eof_received(self) -> None:
        self.reusable = False  # the loop closes the connection after this call

    def connection_lost(self, error: Exception | None) -> None:
        if self._is_end_of_response(error):
            self._complete()
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
        if self._body:
            self._append_to_body(body)
            return
        self._body = body
        if len(body) > MAX_BODY_BYTES:
            self._cut_body()

    def on_message_complete(self) -> None:
        # 100 and 103 are interim responses.
        if self._parser.get_status_code() >= 200 and self._waiting is not None:
            self.reusable = self.reusable and self._parser.should_keep_alive()
            self._complete()

    def _complete(self) -> None:
        waiting, self._waiting = self._waiting, None
        self.deadline = NEVER
        if waiting is not None and not waiting.done():
            body = self._body if isinstance(self._body, bytes) else bytes(self._body)
            if body and body[0] not in _PLAIN_BEGINNINGS:
                body = self._decompressed(body)
            waiting.set_result(RawResponse(self._parser.get_status_code(), self._headers, body))

    def _fail(self, error: httpx.TransportError) -> None:
        waiting, self._waiting = self._waiting, None
        self.deadline = NEVER
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
        self.close()

    def _new_parser(self) -> httptools.HttpResponseParser:
        """Return a parser that accepts bare line feeds in heads, and blanks after the sizes of chunks."""
        parser = httptools.HttpResponseParser(self)
        parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        return parser

    def _append_to_body(self, body: bytes) -> None:
        if isinstance(self._body, bytes):
            self._body, self._body_pieces = bytearray(self._body), 1
        self._body += body
        self._body_pieces += 1
        if len(self._body) > MAX_BODY_BYTES or self._body_pieces > MAX_BODY_PIECES:
            self._cut_body()

    def _cut_body(self) -> None:
        """End the exchange with only the beginning of a body that is too long or has too many pieces."""
        self._body = self._body[:MAX_BODY_BYTES]
        self.reusable = False
        self._complete()

    def _receive_slices(self, data: bytes) -> None:
        """Parse a response that is long or arrives in pieces; end the exchange if a part is too long."""
        if not self._received_bytes:
            self._head = b""
        for at in range(0, len(data), _SLICE_BYTES):
            piece = data[at : at + _SLICE_BYTES]
            self._received_bytes += len(piece)
            try:
                self._parser.feed_data(piece)
            except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
                self._recover(piece, error)
            else:
                self._head = b"" if self._head_is_read else self._head + piece
            if self._waiting is None:
                if at + _SLICE_BYTES < len(data):
                    self.reusable = False  # bytes after the response are no response to another push
                return
            if self._received_bytes > self._max_received_bytes():
                self._fail(httpx.RemoteProtocolError("the response is too long"))
                return

    def _max_received_bytes(self) -> int:
        if not self._head_is_read:
            return MAX_HEAD_BYTES
        return MAX_HEAD_BYTES + MAX_TRAILER_BYTES + _MAX_FRAMING_FACTOR * len(self._body)

    def _recover(self, data: bytes, error: Exception) -> None:
        """Read a head that the parser refuses by the lenient rules of RFC 9112; fail if the head cannot be read.

        The connection is closed after such a response.
        """
        unreadable = httpx.RemoteProtocolError("the response is not HTTP")
        if self._waiting is None or self._head_is_read or isinstance(error, httptools.HttpParserUpgrade):
            self._fail(unreadable)
            return
        searched = len(self._head) if self._is_recovering and len(self._head) >= len(BEGINNING) else None
        self._head += data
        self.reusable, self._is_recovering = False, True
        if searched is not None and not has_end_of_head(self._head, searched):
            return  # a head that arrives in many pieces is not read again with each piece
        try:
            self._head = skip_announcements(self._head)
            repaired = repair_response(self._head)
            if repaired is not None:
                self._parser = self._new_parser()
                self._body = b""
                self._parser.feed_data(repaired)
        except (HeadInvalid, httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(unreadable)

    def _decompressed(self, body: bytes) -> bytes:
        """Return the decompressed body; a body that cannot be decompressed is returned unchanged, without a meaning."""
        encoding = b",".join(value for name, value in self._headers if name.lower() == b"content-encoding")
        try:
            content = decompress(body, encoding.decode("latin-1"), max_bytes=MAX_BODY_BYTES)[:MAX_BODY_BYTES]
        except (UnknownEncoding, BodyDamaged):
            return body
        if content is not body:
            self._headers = [pair for pair in self._headers if pair[0].lower() != b"content-encoding"]
        return content

    def _is_end_of_response(self, error: Exception | None) -> bool:
        """Return whether the end of the connection is the end of the current response.

        A response without a length ends with the connection, and over TLS with a verified end (RFC 9112, 9.8).
        """
        if self._waiting is None or not self._head_is_read or self._length_is_known():
            return False
        return error is None or (isinstance(error, EndUnverified) and self._is_whole_document())

    def _is_whole_document(self) -> bool:
        """Return whether the body is a complete JSON object or array; no beginning of a document is a document."""
        if not self._body.startswith((b"{", b"[")):
            return False
        try:
            msgspec.json.decode(self._body.decode(errors="replace"))  # a text that is not UTF-8 is accepted
        except UNREADABLE_JSON:
            return False
        return True

    def _length_is_known(self) -> bool:
        """Return whether the response has a length; otherwise it ends with the connection (RFC 9112, 6.3)."""
        codings = b",".join(value for name, value in self._headers if name.lower() == b"transfer-encoding")
        if codings:
            return codings.rpartition(b",")[2].strip().lower() == b"chunked"
        return any(name.lower() == b"content-length" for name, _ in self._headers)
