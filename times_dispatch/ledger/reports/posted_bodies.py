"""Hides a number in the posted bodies that wait in streams, for a reconciler or for the relay to another system."""

from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from times_dispatch.ledger.keys import RECONCILERS, RELAY, RELAYS, REPORTS
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.numbers.hidden_numbers import hide_numbers, names_number
from times_dispatch.ledger.protocol import Status
from times_dispatch.ledger.reports.posted_requests import REQUEST, searchable, unpack_requests
from times_dispatch.ledger.scripts import Script, text

_BODY: Final = b"b"
_MAX_PAGE_BYTES: Final = 16 * 1024 * 1024
_PAGE: Final = 200
"""How many entries one call reads; fewer of a stream with more than ``_MAX_PAGE_BYTES``, as an entry may have 1 MiB."""
_PAGE_OF_LARGE_STREAM: Final = 8
_GROUPS: Final = {REPORTS: RECONCILERS, RELAY: RELAYS}


class HiddenBodies(NamedTuple):
    """How many entries that held a number were changed, and how many were not."""

    replaced: int
    held: int
    """Entries of ``reports`` that a reconciler is applying, and will remove from the stream."""


class PostedBodies:
    """The entries of ``reports`` and ``relay``. Every method raises Redis errors."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._replace = Script(redis, "replace_body")

    async def with_number(self, number: str) -> list[bytes]:
        """Return the payloads of all entries that hold a number, E.164 digits without the plus."""
        return [payload for stream in _GROUPS async for _, payload, *_ in self._entries_with_number(stream, number)]

    async def hide(self, number: str) -> HiddenBodies:
        """Hide a number in all entries that wait.

        An entry that a reconciler is applying does not change, because a reply that is applied in two versions would
        count twice. A body that is being relayed may be posted twice, which does no harm.
        """
        replaced = held = 0
        for stream, group in _GROUPS.items():
            async for id_, _, hidden, request in self._entries_with_number(stream, number):
                reply = await self._replace(
                    SenderId(stream), group=group, id=id_, payload=hidden, request=request, or_held=int(stream == RELAY)
                )
                replaced += text(reply["status"]) == Status.REPLACED
                held += text(reply["status"]) == Status.HELD
        return HiddenBodies(replaced, held)

    async def _entries_with_number(self, stream: str, number: str) -> AsyncIterator[tuple[bytes, bytes, bytes, bytes]]:
        """Yield id and payload of the entries that hold a number, and the payload and request without the number."""
        after = "-"
        newest: Any = await self._redis.xrevrange(stream, count=1)
        size = await self._page_size(stream) if newest else 0
        while newest:
            page: Any = await self._redis.xrange(stream, min=after, max=newest[0][0], count=size)
            for id_, fields in page:
                payload = fields.get(_BODY, b"")
                hidden, request = hide_numbers(payload, number.__eq__), fields.get(REQUEST, b"")
                kept = _without_number(stream, payload, request, number) if request else b""
                if (hidden, kept) != (payload, request):
                    yield id_, payload, hidden, kept
            if len(page) < size:
                return
            after = f"({page[-1][0].decode()}"

    async def _page_size(self, stream: str) -> int:
        """Return how many entries one call reads, so that the entries take a bounded memory whatever their sizes."""
        try:
            used = await self._redis.memory_usage(stream, samples=0)
        except NoPermissionError:
            return _PAGE_OF_LARGE_STREAM
        return _PAGE if (used or 0) <= _MAX_PAGE_BYTES else _PAGE_OF_LARGE_STREAM


def _without_number(stream: str, payload: bytes, request: bytes, number: str) -> bytes:
    """Return the field REQUEST of an entry without the requests that hold a number; empty if none is left."""
    if stream == RELAY:
        return b"" if _holds(payload, request, number) else request
    try:
        bodies = msgspec.msgpack.decode(payload, type=list[bytes])
    except msgspec.DecodeError:
        return b""
    requests = unpack_requests(request, len(bodies))
    kept = [b"" if _holds(body, posted, number) else posted for body, posted in zip(bodies, requests, strict=True)]
    return request if kept == requests else msgspec.msgpack.encode(kept) if any(kept) else b""


def _holds(body: bytes, request: bytes, number: str) -> bool:
    return names_number(body, number) or names_number(searchable(request), number)
