"""A minimal client of the Redis protocol over a Unix socket."""

import socket
from collections.abc import Sequence
from typing import Any

from redis import exceptions

Command = tuple[Any, ...]

_ANSWERS_WITHIN_S = 600.0
"""Real seconds: a limit for a server that hangs. No call takes longer than some milliseconds of CPU time."""


def word(part: Any) -> str:
    if isinstance(part, bytes):
        return part.decode().upper() if len(part) < 16 and part.isascii() else ""
    return part.upper() if isinstance(part, str) else ""


def as_bytes(part: Any) -> bytes:
    if isinstance(part, bytes):
        return part
    return repr(part).encode() if isinstance(part, float) else str(part).encode()


class ServerSocket:
    """A client with only the functions that a simulation needs, because a simulation spends most of its time here."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_ANSWERS_WITHIN_S)
        self._socket.connect(path)
        self._buffer = b""
        self._at = 0

    def call(self, commands: Sequence[Command]) -> list[Any]:
        packed = []
        for command in commands:
            if isinstance(command[0], str) and " " in command[0]:  # redis-py joins a command of two words
                command = (*command[0].split(), *command[1:])  # noqa: PLW2901
            packed.append(b"*%d\r\n" % len(command))
            for part in command:
                encoded = part if isinstance(part, bytes) else as_bytes(part)
                packed.append(b"$%d\r\n%b\r\n" % (len(encoded), encoded))
        self._socket.sendall(b"".join(packed))
        return [self._reply() for _ in commands]

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> None:
        received = self._socket.recv(262_144)
        if not received:
            raise ConnectionError("the server of the simulation is gone")
        self._buffer, self._at = self._buffer[self._at :] + received, 0

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n", self._at)) < 0:
            self._more()
        line = self._buffer[self._at : end]
        self._at = end + 2
        return line

    def _bulk(self, length: int) -> bytes:
        while len(self._buffer) - self._at < length + 2:
            self._more()
        value = self._buffer[self._at : self._at + length]
        self._at += length + 2
        return value

    def _reply(self) -> Any:
        line = self._line()
        kind, rest = line[:1], line[1:]
        match kind:
            case b"$":
                value: Any = None if rest == b"-1" else self._bulk(int(rest))
            case b"=":
                value = self._bulk(int(rest))[4:]
            case b":":
                value = int(rest)
            case b"*" | b"~" | b">":
                value = None if rest == b"-1" else [self._reply() for _ in range(int(rest))]
            case b"+":
                value = rest
            case b"%":
                value = {self._reply(): self._reply() for _ in range(int(rest))}
            case b"-":
                value = _error(rest.decode())
            case b",":
                value = float(rest)
            case b"#":
                value = rest == b"t"
            case _:
                value = None
        return value


def _error(message: str) -> exceptions.ResponseError:
    code, _, rest = message.partition(" ")
    kinds = {"NOSCRIPT": exceptions.NoScriptError, "OOM": exceptions.OutOfMemoryError}
    kind = kinds.get(code)
    return kind(rest) if kind else exceptions.ResponseError(message)
