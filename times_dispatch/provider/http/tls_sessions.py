"""TLS to a provider: a new connection resumes an earlier session, which saves most of the handshake."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

_SHARE_OF_LIFETIME: Final = 0.5
"""A session is replaced after this share of the time for which the server accepts the session."""
_TICKET_PAUSES_S: Final = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
"""The pauses, in seconds, between the checks whether the first connection has got a ticket."""


class ResumingContext(ssl.SSLContext):
    """The context of all connections to one host; a session is bound to the certificate that was verified for it.

    asyncio has no argument for a session, so the context adds the session for each connection. A server of TLS 1.3
    sends its tickets after the handshake, so a session is looked up when the next connection is made. One session
    serves many connections: Python copies a session whenever the session is read, which takes a third of the CPU time
    of a handshake.

    A worker makes hundreds of connections at the same time when it starts. With ``first_alone``, one connection does
    its handshake before the others, so that all others resume its session.
    """

    handshakes = 0
    """The number of connections that this context has begun."""
    resumed = 0
    """The number of connections, counted by ``count``, that resumed a session."""
    _latest: ssl.SSLObject | None = None
    """The connection with the last finished handshake."""
    _first: asyncio.Future[None] | None = None
    """A future that is done when the server has sent a ticket to the first connection, or after the last check."""
    _session: ssl.SSLSession | None = None
    _renew_at_s = 0.0
    """When the session is replaced by a newer session, in epoch seconds."""

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Make the TLS layer of a connection, with a session if there is one."""
        if self._latest and (self._session is None or time.time() >= self._renew_at_s):
            self._take_session(self._latest)
        self.handshakes += 1
        return super().wrap_bio(*args, **{**kwargs, "session": self._session})

    def count(self, connection: ssl.SSLObject | None) -> None:
        """Count a connection with a finished handshake; forget the session if the server did not resume the session."""
        self._latest = connection
        if connection and connection.session_reused:
            self.resumed += 1
        else:
            self.forget_session()

    @asynccontextmanager
    async def first_alone(self, at_most_s: float) -> AsyncIterator[None]:
        """Do the first of several handshakes alone: the others wait for its ticket, at most *at_most_s* seconds."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + at_most_s
        while self._first and (left_s := until_s - loop.time()) > 0:
            await asyncio.wait([self._first], timeout=left_s)
        if self._latest or self._first:
            yield
            return
        self._first = first = loop.create_future()
        try:
            yield
        finally:
            self._end_first(first, iter(_TICKET_PAUSES_S))

    def _end_first(self, first: asyncio.Future[None], pauses_s: Iterator[float]) -> None:
        """End the wait of the other connections when the first has a ticket; some servers never send a ticket."""
        if self._latest and self._session is None:
            self._take_session(self._latest)
        pause_s = next(pauses_s, None)
        if self._latest and self._session is None and pause_s:
            asyncio.get_running_loop().call_later(pause_s, self._end_first, first, pauses_s)
        else:
            self._first = None
            first.set_result(None)

    def forget_session(self, *, of_all: bool = False) -> None:
        """Begin the next connection with the session of the latest connection, or, with *of_all*, without a session."""
        self._session = None
        if of_all:
            self._latest = None

    def _take_session(self, connection: ssl.SSLObject) -> None:
        session = connection.session
        if session and session.has_ticket:
            self._session = session
            self._renew_at_s = session.time + _SHARE_OF_LIFETIME * session.timeout


def client_context(ca_file: str = "") -> ResumingContext:
    """Return a context that verifies servers like httpx: it checks their names, and trusts Mozilla's certificates.

    Args:
        ca_file: a PEM file with more trusted certificates; empty for none.
    """
    usual = httpx.create_ssl_context(trust_env=False)
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options, context.verify_flags = usual.options, usual.verify_flags
    context.minimum_version = usual.minimum_version
    context.load_verify_locations(cadata=b"".join(usual.get_ca_certs(binary_form=True)))
    context.set_alpn_protocols(["http/1.1"])
    if ca_file:
        context.load_verify_locations(ca_file)
    return context
