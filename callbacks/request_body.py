"""The body of a request to the receiver: whole, of bearable size, and in time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

LONGEST_BODY: Final = 1024 * 1024
"""Bytes; one more is refused with 413."""

DISCARDED: Final = 8 * LONGEST_BODY
"""Bytes of an oversized body that are read and thrown away, so that whoever posts it gets to read the answer."""

BODY_TIMEOUT_S: Final = 10.0
"""From the end of a request's head to the last byte of its body."""


class BodyTooLong(Exception):
    """More than ``LONGEST_BODY`` was posted."""


class BodyIncomplete(Exception):
    """The poster went away, or stalled, before the whole body was there."""


async def read_body(headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> bytes:
    """Read a request's whole body; raises ``BodyTooLong`` or ``BodyIncomplete``."""
    if int(dict(headers).get(b"content-length", b"0")) > DISCARDED:
        raise BodyTooLong
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _read(receive)
    except TimeoutError as error:
        raise BodyIncomplete from error


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while (message := await receive())["type"] == "http.request":
        size += len(message["body"])
        if size > DISCARDED:
            raise BodyTooLong
        if size <= LONGEST_BODY:
            chunks.append(message["body"])
        if not message.get("more_body"):
            if size > LONGEST_BODY:
                raise BodyTooLong
            return b"".join(chunks)
    raise BodyIncomplete
