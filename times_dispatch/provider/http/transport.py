"""An httpx transport for pushes, over the package's own connections (``pool``, ``dialing``, ``connection``).

A request that failed before it had a connection, so that no byte was written, raises NotSent. Any other error means
that bytes may have been written. No request is sent twice, and no redirect is followed. There are no cookies, and no
proxy except the provider's proxy. Requests ask for uncompressed responses; compressed responses are accepted.
"""

import asyncio
from typing import Any

import httpx

from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.http.dialing import Dialer
from times_dispatch.provider.http.pool import Pool
from times_dispatch.provider.push_errors import NotSent, TooLate
from times_dispatch.provider.request.payload import Envelope, PushRequest

Origin = tuple[str, str, int | None]

_USER_AGENT = b"times-dispatch"
_OWN_HEADERS = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})


class ProviderTransport(httpx.AsyncBaseTransport):
    """Sends requests over a pool of persistent HTTP/1.1 connections, on one event loop.

    The provider's total time-out limits every request, including the wait for a connection and the body of the
    response. Cancelling a request closes the connection, so that no late response can reach another push.

    Raises NotSent if no byte was written, TooLate if the push was no longer allowed to begin, and otherwise another
    httpx.TransportError. No error contains the URL.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._total_timeout_s = provider.total_timeout_s
        self._endpoint = httpx.URL(provider.endpoint)
        self._endpoint_length = len(provider.endpoint)
        self._pools: dict[Origin, Pool] = {}
        self._pool = self._pool_of(self._endpoint)
        """The pool for the provider's endpoint. Other origins, such as a token server, have their own pools."""
        self._envelope: Envelope | None = None
        self._before_target = self._after_target = b""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, and read the whole response."""
        if isinstance(request, PushRequest):
            pool, raw = self._pool, self._encode_push(request)
        else:
            pool, raw = self._pool_of(request.url), await self._encode(request)
        deadline = asyncio.get_running_loop().time() + self._total_timeout_s
        connection = pool.take_idle() or await pool.take(deadline)
        if isinstance(request, PushRequest) and not request.may_begin():
            pool.release(connection)
            raise TooLate
        is_read = False
        try:
            status, headers, body = await connection.exchange(raw, deadline)
            is_read = True
        finally:
            if not is_read:  # also after a cancellation: a late response must not reach another push
                connection.close()
        pool.release(connection)
        return ReadResponse(status, body, headers)

    async def can_connect(self) -> bool:
        """Return whether a connection to the endpoint can be made, with TLS; the connection is closed immediately."""
        try:
            connection = await self._pool.dialer.dial(self._provider.connect_timeout_s)
        except NotSent:
            return False
        connection.close()
        return True

    async def aclose(self) -> None:
        """Close the connections; requests in flight fail."""
        for pool in self._pools.values():
            await pool.close()

    def _pool_of(self, url: httpx.URL) -> Pool:
        origin = (url.scheme, url.host, url.port)
        if (pool := self._pools.get(origin)) is None:
            pool = self._pools[origin] = Pool(self._provider, Dialer(url, self._provider))
        return pool

    def _encode_push(self, request: PushRequest) -> bytes:
        """Return the bytes of a push; query or body are encoded for each push, the rest once per envelope."""
        if request.envelope is not self._envelope:
            self._encode_envelope(request.envelope)
        body, before, after = request.body, self._before_target, self._after_target
        if body is None:
            query = request.target[self._endpoint_length :].encode("ascii")
            return b"%b%b%b\r\n" % (before, query, after)
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (before, after, len(body), body)

    def _encode_envelope(self, envelope: Envelope) -> None:
        headers = [(name.encode("ascii"), value.encode("ascii")) for name, value in envelope.headers]
        self._before_target = b"%b %b" % (envelope.method.encode("ascii"), self._target(self._endpoint))
        self._after_target = self._head_after_target(headers, self._endpoint)
        self._envelope = envelope

    async def _encode(self, request: httpx.Request) -> bytes:
        """Return the bytes of any other request."""
        content = await request.aread()
        headers = [pair for pair in request.headers.raw if pair[0].lower() not in _OWN_HEADERS]
        if content or request.method not in {"GET", "HEAD"}:
            headers.append((b"Content-Length", b"%d" % len(content)))
        method, target = request.method.encode("ascii"), self._target(request.url)
        return b"%b %b%b\r\n%b" % (method, target, self._head_after_target(headers, request.url), content)

    def _target(self, url: httpx.URL) -> bytes:
        if not self._pool_of(url).dialer.forwards:
            return url.raw_path
        return b"%b://%b%b" % (url.raw_scheme, url.netloc, url.raw_path)

    def _head_after_target(self, headers: list[tuple[bytes, bytes]], url: httpx.URL) -> bytes:
        names = {name.lower() for name, _ in headers}
        all_headers = [(b"Host", url.netloc), *headers]
        if b"accept" not in names:
            all_headers.append((b"Accept", b"*/*"))
        if b"accept-encoding" not in names:
            all_headers.append((b"Accept-Encoding", b"identity"))
        if b"user-agent" not in names:
            all_headers.append((b"User-Agent", _USER_AGENT))
        dialer = self._pool_of(url).dialer
        if dialer.forwards and dialer.proxy_authorization:
            all_headers.append((b"Proxy-Authorization", dialer.proxy_authorization.encode("ascii")))
        return b" HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in all_headers)


class ReadResponse(httpx.Response):
    """A complete httpx.Response, which is constructed only if more than the status and the content is read."""

    def __init__(self, status_code: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.status_code = status_code
        self._body = body
        self._raw_headers: list[tuple[bytes, bytes]] | None = headers

    def __getattr__(self, name: str) -> Any:
        headers = self.__dict__.pop("_raw_headers", None)
        if headers is None:
            raise AttributeError(name)
        super().__init__(self.status_code, headers=headers, stream=httpx.ByteStream(self._body))
        return getattr(self, name)

    @property
    def content(self) -> bytes:
        """The complete body of the response."""
        return self._body

    async def aread(self) -> bytes:
        """Return the body, which is already complete."""
        return self._body

    async def aclose(self) -> None:
        """Do nothing: the connection went back to the pool when the body was complete."""
