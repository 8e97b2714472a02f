"""A Redis that hangs: a proxy that passes a number of commands on, and then keeps what clients send."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NO_LIMIT = 1 << 40


class HangingRedis:
    """Passes what clients send on to a server, until ``hang_after`` pieces were passed.

    A piece is what one read of a socket returns: a command or a pipeline.

    Args:
        target: The port of the server.
        context: The certificate; None is without TLS.
    """

    def __init__(self, target: int, context: ssl.SSLContext | None = None) -> None:
        self._target = target
        self._context = context
        self._lock = threading.Lock()
        self._goes_on = threading.Event()
        self._allowed = _NO_LIMIT
        self.pieces = 0
        """Pieces that were passed on since the last ``hang_after``."""
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def hang_after(self, pieces: int = _NO_LIMIT) -> None:
        """Pass so many pieces on from now on, and then hang."""
        with self._lock:
            self._allowed, self.pieces = pieces, 0
            self._goes_on.clear()

    def go_on(self) -> None:
        """Pass everything on, also what was kept."""
        self.hang_after()
        self._goes_on.set()

    def close(self) -> None:
        """End; what was kept is lost."""
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
    """Run the proxy in threads, with the arguments of ``HangingRedis``."""
    proxy = HangingRedis(target, context)
    try:
        yield proxy
    finally:
        proxy.close()
