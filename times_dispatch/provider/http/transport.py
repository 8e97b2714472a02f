"""The wire: an httpx transport over connections of our own (``pool``, ``dialing``, ``connection``).

Where a request ends is what it means: before a connection is handed out nothing was written (NotSent); after that,
something may have been. Nothing is sent twice, no redirect is followed. No cookie, no compression, no proxy but the
provider's own.
"""

import asyncio
from typing import Any

import httpx

from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.failures import TooLate
from times_dispatch.provider.http.dialing import Dialer
from times_dispatch.provider.http.pool import Pool
from times_dispatch.provider.request.payload import Envelope, PushRequest

Origin = tuple[str, str, int | None]

_USER_AGENT = b"times-dispatch"
_OURS = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})


class ProviderTransport(httpx.AsyncBaseTransport):
    """Sends requests over a bounded pool of kept-alive HTTP/1.1 connections, on one event loop.

    Ends every request within the provider's total time-out, the wait for a connection and the body included. Raises
    NotSent if nothing was written, and otherwise an httpx.TransportError; neither holds the URL. Cancelling closes the
    connection, so that no late answer can reach another push. Raises TooLate for a push that must not begin any more.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._total_timeout_s = provider.total_timeout_s
        self._endpoint = httpx.URL(provider.endpoint)
        self._endpoint_length = len(provider.endpoint)
        self._pools: dict[Origin, Pool] = {}
        self._pool = self._pool_of(self._endpoint)
        """The provider's; others are for what goes beside the pushes, such as fetching a token."""
        self._envelope: Envelope | None = None
        self._before_target = self._after_target = b""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and read its whole answer."""
        if isinstance(request, PushRequest):
            pool, written = self._pool, self._push(request)
        else:
            pool, written = self._pool_of(request.url), await self._any(request)
        deadline = asyncio.get_running_loop().time() + self._total_timeout_s
        connection = pool.take_idle() or await pool.take(deadline)
        if isinstance(request, PushRequest) and not request.may_begin():
            pool.give_back(connection)
            raise TooLate
        try:
            status, headers, body = await connection.exchange(written, deadline)
        except BaseException:
            connection.close()
            raise
        pool.give_back(connection)
        return ReadResponse(status, body, headers)

    async def aclose(self) -> None:
        """Close the connections; what is in flight fails."""
        for pool in self._pools.values():
            await pool.close()

    def _pool_of(self, url: httpx.URL) -> Pool:
        origin = (url.scheme, url.host, url.port)
        if (pool := self._pools.get(origin)) is None:
            pool = self._pools[origin] = Pool(self._provider, Dialer(url, self._provider))
        return pool

    def _push(self, request: PushRequest) -> bytes:
        """Write a push of this provider's: all but its query or its body is written once."""
        if request.envelope is not self._envelope:
            self._prepare(request.envelope)
        content, before, after = request.written, self._before_target, self._after_target
        if content is None:
            query = request.target[self._endpoint_length :].encode("ascii")
            return b"%b%b%b\r\n" % (before, query, after)
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (before, after, len(content), content)

    def _prepare(self, envelope: Envelope) -> None:
        headers = [(name.encode("ascii"), value.encode("ascii")) for name, value in envelope.headers]
        self._before_target = b"%b %b" % (envelope.method.encode("ascii"), self._target(self._endpoint))
        self._after_target = self._rest_of_head(headers, self._endpoint)
        self._envelope = envelope

    async def _any(self, request: httpx.Request) -> bytes:
        """Write any other request."""
        content = await request.aread()
        headers = [pair for pair in request.headers.raw if pair[0].lower() not in _OURS]
        if content or request.method not in {"GET", "HEAD"}:
            headers.append((b"Content-Length", b"%d" % len(content)))
        method, target = request.method.encode("ascii"), self._target(request.url)
        return b"%b %b%b\r\n%b" % (method, target, self._rest_of_head(headers, request.url), content)

    def _target(self, url: httpx.URL) -> bytes:
        if not self._pool_of(url).dialer.forwards:
            return url.raw_path
        return b"%b://%b%b" % (url.raw_scheme, url.netloc, url.raw_path)

    def _rest_of_head(self, headers: list[tuple[bytes, bytes]], url: httpx.URL) -> bytes:
        given = {name.lower() for name, _ in headers}
        every = [(b"Host", url.netloc), *headers]
        if b"accept" not in given:
            every.append((b"Accept", b"*/*"))
        if b"user-agent" not in given:
            every.append((b"User-Agent", _USER_AGENT))
        dialer = self._pool_of(url).dialer
        if dialer.forwards and dialer.proxy_authorization:
            every.append((b"Proxy-Authorization", dialer.proxy_authorization.encode("ascii")))
        return b" HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in every)


class ReadResponse(httpx.Response):
    """An httpx.Response, read to its end, that becomes whole when somebody looks at more than status and content."""

    def __init__(self, status_code: int, body: bytes, received: list[tuple[bytes, bytes]]) -> None:
        self.status_code = status_code
        self._body = body
        self._received: list[tuple[bytes, bytes]] | None = received

    def __getattr__(self, name: str) -> Any:
        received = self.__dict__.pop("_received", None)
        if received is None:
            raise AttributeError(name)
        super().__init__(self.status_code, headers=received, stream=httpx.ByteStream(self._body))
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
