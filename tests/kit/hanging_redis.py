"""A Redis that hangs: a proxy that forwards a number of commands, and then holds back all data of clients."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NO_LIMIT = 1 << 40


class HangingRedis:
    """Forwards data of clients to a server, until the number of pieces given to ``hang_after`` was forwarded.

    A piece is the data that one read of a socket returns: a command or a pipeline.

    Args:
        target: The port of the server.
        context: The TLS context of the proxy; None for no TLS.
    """

    def __init__(self, target: int, context: ssl.SSLContext | None = None) -> None:
        self._target = target
        self._context = context
        self._lock = threading.Lock()
        self._goes_on = threading.Event()
        self._allowed = _NO_LIMIT
        self.pieces = 0
        """Number of pieces that were forwarded since the last ``hang_after``."""
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def hang_after(self, pieces: int = _NO_LIMIT) -> None:
        """Forward this many further pieces, and then hang."""
        with self._lock:
            self._allowed, self.pieces = pieces, 0
            self._goes_on.clear()

    def go_on(self) -> None:
        """Forward the data that was held back, and all further data."""
        self.hang_after()
        self._goes_on.set()

    def close(self) -> None:
        """Close all connections; data that was held back is lost."""
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._context:
                client = self._context.wrap_socket(client, server_side=True)
            with client, socket.create_connection(("127.0.0.1", self._target)) as server:
                self._open += [client, server]
                threading.Thread(target=_copy, args=(server, client), daemon=True).start()
                while part := client.recv(65_536):
                    self._pass_or_wait()
                    server.sendall(part)

    def _pass_or_wait(self) -> None:
        with self._lock:
            self.pieces += 1
            hangs = self.pieces > self._allowed
        if hangs:
            self._goes_on.wait()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65_536):
            target.sendall(part)
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def hanging_redis(target: int, context: ssl.SSLContext | None = None) -> Iterator[HangingRedis]:
    """Run a ``HangingRedis`` with these arguments in threads."""
    proxy = HangingRedis(target, context)
    try:
        yield proxy
    finally:
        proxy.close()
