"""TLS between a transport and a ``Connection``, with OpenSSL in memory (``ssl.SSLObject``).

asyncio and uvloop have such a layer for every kind of protocol. Their layer takes 256 KB of memory for each read, and
calls OpenSSL once more after each response, which costs an exception.
"""

import asyncio
import ssl
from typing import Any, Final, cast

from times_dispatch.provider.http.connection import Connection, EndUnverified

_READ_BYTES: Final = 4_096
"""The number of bytes that one call decrypts; nearly every response is shorter."""


class TlsTransport(asyncio.Protocol):
    """The transport of one connection over TLS, and the protocol of the transport that carries the TLS records.

    This carrier may itself be a TLS transport, to a proxy through which the connection has a tunnel.
    """

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        """Make the layer; the handshake begins when the carrier is connected.

        Args:
            context: verifies the server.
            host: the name in the server's certificate.
        """
        self._connection = Connection()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_open = False
        self._has_end = False
        """Whether the server has sent its end of TLS (close_notify)."""
        self._error: Exception | None = None

    async def shake_hands(self) -> Connection:
        """Return the connection after the handshake.

        Raises:
            ssl.SSLError: the server or its certificate was refused, or the server does not speak TLS.
            ConnectionResetError: the server closed the connection during the handshake.
        """
        is_handed_over = False
        try:
            await self._opened
            is_handed_over = True
        finally:
            if not is_handed_over:  # even if the time-out came during the last step
                self.abort()
        return self._connection

    # Called by the connection (asyncio.Transport).

    def write(self, data: bytes) -> None:
        """Encrypt and write data."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            self._fail(error)
        else:
            self._carrier.write(self._outgoing.read())

    def abort(self) -> None:
        """Close the connection immediately, without close_notify."""
        self._carrier.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the TLS layer as ``ssl_object``, and any other value from the carrier."""
        return self._tls if name == "ssl_object" else self._carrier.get_extra_info(name, default)

    # Called by the carrier (asyncio.Protocol).

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._carrier = cast(asyncio.Transport, transport)
        self._continue_handshake()

    def data_received(self, data: bytes) -> None:
        self._incoming.write(data)
        if not self._is_open:
            self._continue_handshake()
        if self._is_open and self._incoming.pending:
            self._read()

    def connection_lost(self, error: Exception | None) -> None:
        if self._is_open:
            cut = None if self._has_end else EndUnverified("the connection was closed without its end of TLS")
            self._connection.connection_lost(error or self._error or cut)
        elif not self._opened.done():
            self._opened.set_exception(ConnectionResetError("the connection was lost"))

    def _continue_handshake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._flush()  # sends the alert with the reason to the server
            if not self._opened.done():
                self._opened.set_exception(error)
        else:
            self._flush()
            self._is_open = True
            self._connection.connection_made(cast(asyncio.Transport, self))
            if not self._opened.done():
                self._opened.set_result(None)

    def _read(self) -> None:
        """Decrypt received data, and pass it to the connection."""
        tls, incoming, connection = self._tls, self._incoming, self._connection
        try:
            while not connection.closed:
                data = tls.read(_READ_BYTES)
                if not data:
                    self._has_end = True
                    connection.eof_received()
                    self._carrier.close()
                    return
                connection.data_received(data)
                if not incoming.pending and not tls.pending():
                    break
        except ssl.SSLWantReadError:
            pass  # a record is incomplete, or has no data for the connection
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._carrier.write(self._outgoing.read())

    def _fail(self, error: Exception) -> None:
        self._error = error
        self.abort()
