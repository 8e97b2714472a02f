"""Makes connections: DNS, TCP, the provider's proxy, TLS. If this fails, no byte of a request was written."""

import asyncio
import socket
import ssl
from base64 import b64encode
from functools import partial
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.failures import Failure
from times_dispatch.provider.http.connection import Connection
from times_dispatch.provider.http.tls_sessions import ResumingContext, client_context
from times_dispatch.provider.http.tls_transport import TlsTransport
from times_dispatch.provider.push_errors import NotSent

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_PROXY_REPLY_BYTES: Final = 16_384
_SHARE_FOR_FIRST: Final = 0.25
"""The share of the connect time-out for which connections wait at most for the TLS session of the first connection."""


class Dialer:
    """Makes connections to the origin of a URL, through the provider's proxy if there is one."""

    def __init__(self, url: httpx.URL, provider: Provider) -> None:
        self.host = url.raw_host.decode("ascii")
        self.port = url.port or _DEFAULT_PORTS[url.scheme]
        self.forwards = bool(provider.proxy) and url.scheme == "http"
        """Whether a proxy forwards requests (for http) instead of tunnelling them. Such requests name the full URL."""
        self.proxy_authorization = ""
        self.tls = client_context(provider.ca_file) if url.scheme == "https" else None
        """The TLS context of all connections to the origin, which counts the resumed sessions."""
        self._proxy = urlsplit(provider.proxy) if provider.proxy else None
        if self._proxy and self._proxy.username:
            login = f"{unquote(self._proxy.username)}:{unquote(self._proxy.password or '')}"
            self.proxy_authorization = "Basic " + b64encode(login.encode()).decode()

    async def dial(self, within_s: float) -> Connection:
        """Return a new connection within ``within_s`` seconds; raise NotSent with the reason if there is none."""
        try:
            async with asyncio.timeout(within_s):
                connection = await (self._dial_tls(self.tls, within_s) if self.tls else self._dial())
        except (OSError, EOFError, UnicodeError, ValueError) as error:
            failure = _failure(error)
            if self.tls:
                self.tls.forget_session(of_all=True)  # the session may be the cause
        else:
            return connection
        raise NotSent(failure)  # outside of ``except``, so that the original error is not the context

    async def _dial_tls(self, tls: ResumingContext, within_s: float) -> Connection:
        async with tls.first_alone(_SHARE_FOR_FIRST * within_s):
            connection = await self._dial()
            tls.count(connection.tls)
        return connection

    async def _dial(self) -> Connection:
        if self._proxy is None:
            return await _connect(self.host, self.port, self.tls, self.host)
        host, scheme = self._proxy.hostname or "", self._proxy.scheme
        port = self._proxy.port or _DEFAULT_PORTS[scheme]
        to_proxy = httpx.create_ssl_context(trust_env=False) if scheme == "https" else None
        if self.tls is None:
            return await _connect(host, port, to_proxy, host)
        return await self._connect_through_tunnel(await _first_address(host, port), port, to_proxy, host)

    async def _connect_through_tunnel(
        self, address: str, port: int, to_proxy: ssl.SSLContext | None, name: str
    ) -> Connection:
        """Request a tunnel of the proxy at an address (RFC 9110, section 9.3.6), and start TLS through the tunnel.

        ``to_proxy`` is the TLS context for the proxy itself, and ``name`` the host name in the proxy's certificate.
        """
        to = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        login = f"Proxy-Authorization: {self.proxy_authorization}\r\n" if self.proxy_authorization else ""
        carrier, request = await asyncio.get_running_loop().create_connection(
            _TunnelRequest, address, port, ssl=to_proxy, server_hostname=name if to_proxy else None
        )
        connection: Connection | None = None
        try:
            carrier.write(f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{login}\r\n".encode("ascii"))
            if not (await request.status).startswith(b"2"):
                raise ssl.SSLError("the proxy refuses the tunnel")
            assert self.tls is not None  # noqa: S101  # for the type checker
            through_tunnel = TlsTransport(self.tls, self.host)
            carrier.set_protocol(through_tunnel)
            through_tunnel.connection_made(carrier)
            connection = await through_tunnel.shake_hands()
        finally:
            if connection is None:
                carrier.abort()
        return connection


class _TunnelRequest(asyncio.Protocol):
    """Reads the reply of a proxy to the request for a tunnel."""

    def __init__(self) -> None:
        self.status: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """The future of the reply's status code, set when the head was read to its end; or of an EOFError."""
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self.status.done():
            return
        if b"\r\n\r\n" in self._head:
            self.status.set_result(self._head.split(b" ", 2)[1] if b" " in self._head else b"")
        elif len(self._head) > _MAX_PROXY_REPLY_BYTES:
            self.status.set_exception(EOFError())

    def connection_lost(self, error: Exception | None) -> None:
        if not self.status.done():
            self.status.set_exception(error or EOFError())


async def _connect(host: str, port: int, tls: ssl.SSLContext | None, name: str) -> Connection:
    """Connect to the first address of a host that accepts a connection; ``name`` is the name in the certificate."""
    loop = asyncio.get_running_loop()
    refusal: OSError | None = None
    for address in await _addresses(host, port):
        try:
            if tls is None:
                return (await loop.create_connection(Connection, address, port))[1]
            _, layer = await loop.create_connection(partial(TlsTransport, tls, name), address, port)
            return await layer.shake_hands()
        except (ssl.SSLError, TimeoutError):
            raise
        except OSError as error:
            refusal = refusal or error
    raise refusal or OSError("no address")


async def _first_address(host: str, port: int) -> str:
    return (await _addresses(host, port))[0]


async def _addresses(host: str, port: int) -> list[str]:
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in infos]


def _failure(error: Exception) -> Failure:
    """Return why no connection was made. The reason only informs people: in all cases, no byte was sent."""
    match error:
        case socket.gaierror() | UnicodeError():
            return Failure.DNS
        case ssl.SSLError() | EOFError() | ValueError():
            return Failure.TLS
        case TimeoutError():
            return Failure.CONNECT_TIMEOUT
        case ConnectionRefusedError():
            return Failure.REFUSED
        case ConnectionError():
            return Failure.TLS  # lost during the handshake
        case _:
            return Failure.UNREACHABLE
