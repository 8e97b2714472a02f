"""Reads the whole body of a request to the receiver, within a maximum size and time."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.http_server.received_body import is_body_received
from times_dispatch.http_server.server_load import DEFAULT_SERVER_LIMITS

AsgiMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]

MAX_BODY_BYTES: Final = DEFAULT_SERVER_LIMITS.max_body_bytes

MAX_DISCARDED_BYTES: Final = 8 * MAX_BODY_BYTES
"""How many bytes of a too long body are read and discarded, so that the provider reads the response."""

BODY_TIMEOUT_S: Final = 10.0
"""The time from the end of a request's head to the last byte of its body, in seconds."""


class BodyTooLong(Exception):
    """The body has more than ``MAX_BODY_BYTES``."""


class BodyIncomplete(Exception):
    """The connection was closed or stalled before the whole body had arrived."""


async def read_body(scope: AsgiMessage, receive: Receive, *, clock: Clock = SYSTEM_CLOCK) -> bytes:
    """Read a request's whole body; raise ``BodyTooLong`` or ``BodyIncomplete``."""
    if is_body_received(scope):  # a timer would cost more than the rest of this function
        return await _read(receive)
    if int(dict(scope["headers"]).get(b"content-length", b"0")) > MAX_DISCARDED_BYTES:
        raise BodyTooLong
    try:
        async with clock.timeout(BODY_TIMEOUT_S):
            return await _read(receive)
    except TimeoutError as error:
        raise BodyIncomplete from error


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while (message := await receive())["type"] == "http.request":
        size += len(message["body"])
        if size > MAX_DISCARDED_BYTES:
            raise BodyTooLong
        if size <= MAX_BODY_BYTES:
            chunks.append(message["body"])
        if not message.get("more_body"):
            if size > MAX_BODY_BYTES:
                raise BodyTooLong
            return b"".join(chunks)
    raise BodyIncomplete
