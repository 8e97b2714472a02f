"""The wire: an httpx transport carried by pyreqwest (Rust: reqwest, hyper, rustls).

Nothing is sent twice: no redirect is followed, and hyper tries another connection only with a request that it got back
untouched because the idle connection it was meant for had already closed. No cookie, no compression, no proxy but the
provider's own.
"""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BodyDecodeError, DecodeError, PyreqwestError, RequestTimeoutError
from pyreqwest.http import HeaderMap
from pyreqwest.proxy import ProxyBuilder

from timesmobile.failures import Failure, NotSent
from timesmobile.payload import Envelope, PushRequest
from timesmobile.provider import Provider

LONGEST_ANSWER: Final = 65_536
"""Bytes of a body that are read; a longer one is no answer of the API's."""

# pyreqwest's classes prove nothing: it raises ConnectError and ConnectTimeoutError also after the server has read the
# whole request. The second cause, which is hyper's word, does: Connect comes before the first byte, SendRequest when
# some may have gone.
_BEFORE_THE_FIRST_BYTE: Final = "client error (Connect)"
_CONNECT_FAILURES: Final = (
    ("dns error", Failure.DNS),
    ("deadline has elapsed", Failure.CONNECT_TIMEOUT),
    ("operation timed out", Failure.CONNECT_TIMEOUT),
    ("Connection refused", Failure.REFUSED),
    ("tcp connect error", Failure.UNREACHABLE),
)


class PyreqwestTransport(httpx.AsyncBaseTransport):
    """Sends requests over a bounded pool of kept-alive HTTP/1.1 connections.

    Ends every request within the provider's total time-out, the wait for a connection and the body included. Raises
    NotSent if nothing was written, and otherwise an httpx.TransportError; neither holds the URL.

    Cancelling recalls only a request that waits for a connection. pyreqwest goes on with any other by itself, until it
    is answered or out of time, and so it does with its own queue: that is why the queue is here.
    """

    def __init__(self, provider: Provider) -> None:
        self._client = _client(provider)
        self._slots = asyncio.Semaphore(provider.max_connections)
        self._slot_timeout_s = provider.connect_timeout_s
        self._total_timeout_s = provider.total_timeout_s
        self._envelope: Envelope | None = None
        self._envelope_headers = HeaderMap()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and read its whole answer."""
        if isinstance(request, PushRequest):
            builder = self._client.request(request.envelope.method, request.target)
            builder.headers(self._headers(request.envelope))
            content = request.written
        else:
            builder = self._client.request(request.method, str(request.url))
            builder.headers(
                [pair for pair in request.headers.multi_items() if pair[0] not in {"host", "content-length"}]
            )
            content = await request.aread()
        if content is not None:
            builder.body_bytes(content)
        if waited_s := await self._wait_for_slot():
            builder.timeout(timedelta(seconds=max(self._total_timeout_s - waited_s, 0.001)))
        try:
            async with builder.build_streamed() as response:
                body = await response.body_reader.read(LONGEST_ANSWER)
                return ReadResponse(response.status, bytes(body or b""), response.headers)
        except PyreqwestError as error:
            failure = _translated(error)
        finally:
            self._slots.release()
        raise failure  # outside, so that the original, whose text holds the URL, is not its context

    async def _wait_for_slot(self) -> float:
        """Take one of the connections allowed; return the seconds that it took."""
        if not self._slots.locked():
            await self._slots.acquire()
            return 0.0
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(self._slot_timeout_s):
                await self._slots.acquire()
        except TimeoutError:
            raise NotSent(Failure.POOL_TIMEOUT) from None
        return time.monotonic() - began_s

    def _headers(self, envelope: Envelope) -> HeaderMap:
        if envelope is not self._envelope:
            self._envelope, self._envelope_headers = envelope, HeaderMap(envelope.headers)
        return self._envelope_headers

    async def aclose(self) -> None:
        """Close the connections; what is in flight fails."""
        await self._client.close()


class ReadResponse(httpx.Response):
    """An httpx.Response, read to its end, that becomes whole when somebody looks at more than status and content."""

    def __init__(self, status_code: int, body: bytes, received: HeaderMap) -> None:
        self.status_code = status_code
        self._body = body
        self._received: HeaderMap | None = received

    def __getattr__(self, name: str) -> Any:
        received = self.__dict__.pop("_received", None)
        if received is None:
            raise AttributeError(name)
        super().__init__(self.status_code, headers=list(received.items()), stream=httpx.ByteStream(self._body))
        return getattr(self, name)

    @property
    def content(self) -> bytes:
        """The body as it came."""
        return self._body

    async def aread(self) -> bytes:
        """Return the body, which is here already."""
        return self._body

    async def aclose(self) -> None:
        """Do nothing: the connection went back when the body had been read."""


def _client(provider: Provider) -> Client:
    builder = (
        ClientBuilder()
        .no_proxy()
        .http1_only()
        .follow_redirects(False)
        .referer(False)
        .default_cookie_store(False)
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .user_agent("times-dispatch")
        .connect_timeout(timedelta(seconds=provider.connect_timeout_s))
        .timeout(timedelta(seconds=provider.total_timeout_s))
        .pool_max_idle_per_host(provider.max_connections)
        .pool_idle_timeout(timedelta(seconds=provider.keep_idle_s))
    )
    if provider.proxy:
        builder = builder.proxy(ProxyBuilder.all(provider.proxy))
    if provider.ca_file:
        builder = builder.add_root_certificate_pem(Path(provider.ca_file).read_bytes())
    return builder.build()


def _translated(error: PyreqwestError) -> httpx.TransportError:
    """Return the error that says whether anything was sent, without the URL that pyreqwest's text holds."""
    causes = [cause["message"] for cause in (getattr(error, "details", None) or {}).get("causes") or ()]
    if len(causes) > 1 and causes[1] == _BEFORE_THE_FIRST_BYTE:
        known = (
            failure for marker, failure in _CONNECT_FAILURES if any(cause.startswith(marker) for cause in causes[2:])
        )
        return NotSent(next(known, Failure.TLS))
    if isinstance(error, RequestTimeoutError):
        return httpx.ReadTimeout("no answer in time")
    if isinstance(error, DecodeError) and not isinstance(error, BodyDecodeError):
        return httpx.RemoteProtocolError("the answer is not HTTP")
    return httpx.ReadError("connection lost")
