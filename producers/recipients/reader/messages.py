"""The messages between a command and the child process that reads a file, and their form in a pipe.

Each message is its length in four bytes, followed by MessagePack. The command decodes only these types, because the
child has read a foreign file, which may have made the child send anything.
"""

import struct

import msgspec

from producers.recipients.reader.limits import ReaderLimits

MAX_FRAME_BYTES = 16_000_000
"""The limit of bytes for a message of the child, so that the command does not need much memory."""
LENGTH = struct.Struct(">I")


class Open(msgspec.Struct, tag=True, frozen=True):
    """Ask the child to open a file; the first request to a child."""

    path: bytes
    hint: str
    limits: ReaderLimits


class Use(msgspec.Struct, tag=True, frozen=True):
    """Ask the child to use only these columns (``RecipientsFile.use``)."""

    columns: list[int]


class Read(msgspec.Struct, tag=True, frozen=True):
    """Ask the child for all rows."""


Request = Open | Use | Read


class Opened(msgspec.Struct, tag=True, frozen=True):
    """The file is open."""

    names: list[str]
    """The columns."""
    line: int
    """The line of the heading."""
    source: str
    left_out: list[str]


class Used(msgspec.Struct, tag=True, frozen=True):
    """The columns can be used."""


class Rows(msgspec.Struct, tag=True, frozen=True):
    """Some of the rows (``Chunk``)."""

    lines: list[int]
    rows: list[list[str]]
    broken: list[tuple[int, str, list[str]]]
    damaged: list[tuple[int, int, str]]
    """Index of the row, index of the column, and the reason."""
    fraction: float


class Ended(msgspec.Struct, tag=True, frozen=True):
    """All rows were sent."""

    left_out: list[str]


class Refused(msgspec.Struct, tag=True, frozen=True):
    """The file, or a column of the file, cannot be used."""

    mistakes: list[str]


class MemorySpent(msgspec.Struct, tag=True, frozen=True):
    """The child needs more memory than it may use, and ends."""


class Crashed(msgspec.Struct, tag=True, frozen=True):
    """The child ends because of an unexpected error."""

    error: str
    """The name of the error's type; the error's text is left out, because it may contain a value of the file."""


Response = Opened | Used | Rows | Ended | Refused | MemorySpent | Crashed


def packed(message: Request | Response) -> bytes:
    """Return the bytes of a message, with the length in front."""
    body = msgspec.msgpack.encode(message)
    return LENGTH.pack(len(body)) + body


_requests = msgspec.msgpack.Decoder(Request)
_responses = msgspec.msgpack.Decoder(Response)


def read_request(body: bytes) -> Request:
    """Return a request from its bytes without the length."""
    request: Request = _requests.decode(body)
    return request


def read_response(body: bytes | bytearray) -> Response:
    """Return a response from its bytes without the length; raise msgspec.MsgspecError if the bytes are no response."""
    response: Response = _responses.decode(body)
    return response
