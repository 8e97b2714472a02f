"""A server of an attacker: it sends a response without an end, or sends the response byte by byte."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ENDLESS_HTTP = {
    "a body": (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536),
    "a head of one line": (b"HTTP/1.1 200 OK\r\nA: ", b"x" * 65_536),
    "a head of many lines": (b"HTTP/1.1 200 OK\r\n", b"A: x\r\n" * 10_000),
    "interim responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000),
    "a chunk's length": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 65_536),
    "a compressed body": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
        b"\x00\x00\x00\xff\xff" * 10_000,
    ),
}
ENDLESS_MAIL = {
    "one line of a mail server": (b"220 ", b"x" * 65_536),
    "lines of a mail server": (b"", b"220-hello\r\n" * 5_000),
}
SLOW_HTTP = {
    "a slow head": b"HTTP/1.1 200 OK\r\n" + b"A: x\r\n" * 10_000,
    "a slow body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
}
SLOW_MAIL = {"a slow mail server": b"220-hello\r\n" * 10_000}


class HostileServer:
    """A server that sends bytes to each client until the client disconnects, and stores the data that clients send."""

    def __init__(self, first: bytes, then: bytes, *, slow: bool = False) -> None:
        self.sent = self.connections = 0
        self.received = b""
        self._first, self._then, self._slow = first, then, slow
        self.ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def end(self) -> None:
        self.ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        with suppress(OSError), connection:
            if self._first.startswith(b"HTTP") or self._then.startswith(b"HTTP"):
                self.received += connection.recv(65_536)
            else:
                threading.Thread(target=self._receive, args=(connection,), daemon=True).start()
            if self._slow:
                for byte in self._first:
                    connection.sendall(bytes([byte]))
                    self.sent += 1
                    if self.ended.wait(0.05):
                        return
            connection.sendall(self._first)
            while self._then and not self.ended.is_set():
                connection.sendall(self._then)
                self.sent += len(self._then)
            self.ended.wait(30)

    def _receive(self, connection: socket.socket) -> None:
        with suppress(OSError):
            while data := connection.recv(65_536):
                self.received += data


@contextmanager
def hostile_server(first: bytes, then: bytes = b"", *, slow: bool = False) -> Iterator[HostileServer]:
    hostile = HostileServer(first, then, slow=slow)
    try:
        yield hostile
    finally:
        hostile.end()
