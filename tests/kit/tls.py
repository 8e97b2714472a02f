"""TLS in front of a Redis without TLS, and a rogue server that stores the data that clients send."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import trustme


class Certificates:
    """A CA with certificates for a server and a client, and a server's certificate from an unknown CA."""

    def __init__(self, folder: Path) -> None:
        ca = trustme.CA()
        self.ca = folder / "ca.pem"
        ca.cert_pem.write_to_path(self.ca)
        client = ca.issue_cert("client@example.com")
        self.client, self.client_key = folder / "client.pem", folder / "client.key"
        client.cert_chain_pems[0].write_to_path(self.client)
        client.private_key_pem.write_to_path(self.client_key)
        self._issued = {
            "trusted": ca.issue_cert("localhost", "127.0.0.1"),
            "of an unknown CA": trustme.CA().issue_cert("localhost", "127.0.0.1"),
            "of another host": ca.issue_cert("redis.example.com"),
        }

    def server(self, kind: str, *, wants_client: bool = False) -> ssl.SSLContext:
        """Return the TLS context of a server with this kind of certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._issued[kind].configure_cert(context)
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context


class TlsServer:
    """Forwards a client's data to a server without TLS, or stores the data in ``received`` and answers nothing.

    Args:
        context: The TLS context with the certificate.
        forward_to: The port of the server without TLS; None to answer nothing.
        replaced: Texts in the answers of the server, each with a replacement of the same length.
    """

    def __init__(
        self, context: ssl.SSLContext, forward_to: int | None, *, replaced: Mapping[bytes, bytes] | None = None
    ) -> None:
        self._context = context
        self._replaced = dict(replaced or {})
        self._forward_to = forward_to
        self.received = b""
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        with contextlib.suppress(OSError), connection, self._context.wrap_socket(connection, server_side=True) as tls:
            self._open.append(tls)
            if self._forward_to is None:
                while part := tls.recv(65_536):
                    self.received += part
                return
            with socket.create_connection(("127.0.0.1", self._forward_to)) as plain:
                self._open.append(plain)
                while _forward(tls, plain, self._replaced):
                    pass


def _forward(tls: ssl.SSLSocket, plain: socket.socket, replaced: Mapping[bytes, bytes]) -> bool:
    """Wait for data of one side, and send the data to the other side; return whether both sides are open.

    One thread does both: in Python before 3.13, two threads cannot use a connection of OpenSSL at the same time.
    """
    readable = [tls] if tls.pending() else select.select([tls, plain], [], [], 300)[0]
    if not readable:
        return False
    if tls in readable:
        tls.setblocking(False)
        try:
            part = tls.recv(65_536)
        except ssl.SSLWantReadError:  # a part of a record, or a record without data
            part = None
        tls.settimeout(30)
        if part is not None:
            plain.sendall(part)
        return part != b""
    part = plain.recv(65_536)
    for text, instead in replaced.items():
        part = part.replace(text, instead)
    tls.sendall(part)
    return part != b""


@contextmanager
def tls_server(
    context: ssl.SSLContext, forward_to: int | None = None, *, replaced: Mapping[bytes, bytes] | None = None
) -> Iterator[TlsServer]:
    """Run a ``TlsServer`` with these arguments in threads; without a port, the server is the rogue server."""
    server = TlsServer(context, forward_to, replaced=replaced)
    try:
        yield server
    finally:
        server.close()
