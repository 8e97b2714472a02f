"""The bodies of dead letters. Some come from processes that do not know which numbers are forgotten.

A receiver stores unreadable bodies as dead letters. A receiver does not have the key of forgotten numbers, because
anybody can connect to the receiver. So a reconciler, which has the key, hides forgotten numbers in all new dead
letters.
"""

from contextlib import suppress
from typing import Any, Final

from redis.asyncio import Redis

from times_dispatch.ledger.errors import ForgetKeyRefused
from times_dispatch.ledger.keys import (
    DEAD_LETTERS,
    DEAD_LETTERS_SEARCHED,
    FOREIGN_DEAD_LETTERS,
    LONG_DEAD_LETTERS,
    LONG_FOREIGN_DEAD_LETTERS,
    RECONCILERS,
)
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.numbers.hidden_numbers import Hide
from times_dispatch.ledger.protocol import Status
from times_dispatch.ledger.reports.posted_requests import REQUEST, hide_with_requests
from times_dispatch.ledger.scripts import Script, text

SEARCH_EVERY_S: Final = 5.0
_STREAMS: Final = (DEAD_LETTERS, FOREIGN_DEAD_LETTERS, LONG_DEAD_LETTERS, LONG_FOREIGN_DEAD_LETTERS)
_BODY: Final = b"b"
_PAGE: Final = 8
"""How many entries one call reads; a long entry has 1 MiB."""


class DeadLetterBodies:
    """The dead letters of a ledger. Every method raises Redis errors."""

    def __init__(self, redis: Redis, hide: Hide) -> None:
        """Take the function that hides numbers in bodies, or raises ``ForgetKeyRefused``."""
        self._redis = redis
        self._hide = hide
        self._replace = Script(redis, "replace_body")

    async def hide_new(self) -> int:
        """Hide numbers in the dead letters since the last call of any process; return how many dead letters changed.

        A changed dead letter becomes the newest dead letter. If two processes read the same dead letters, only one of
        the processes changes them. A process without the right key leaves all dead letters to the processes that have
        the key.
        """
        changed = 0
        searched: Any = await self._redis.hgetall(DEAD_LETTERS_SEARCHED)
        with suppress(ForgetKeyRefused):
            for stream in _STREAMS:
                changed += await self._hide_in(stream, after=searched.get(stream.encode(), b"0-0").decode())
        return changed

    async def _hide_in(self, stream: str, *, after: str) -> int:
        changed = 0
        newest: Any = await self._redis.xrevrange(stream, count=1)
        while newest:
            page: Any = await self._redis.xrange(stream, min=f"({after}", max=newest[0][0], count=_PAGE)
            if not page:
                break
            bodies = [fields.get(_BODY, b"") for _, fields in page]
            requests = [fields.get(REQUEST, b"") for _, fields in page]
            hidden = zip(*await hide_with_requests(bodies, requests, self._hide), strict=True)
            for (id_, _), body, request, (payload, kept) in zip(page, bodies, requests, hidden, strict=True):
                if (payload, kept) != (body, request):
                    reply = await self._replace(
                        SenderId(stream), group=RECONCILERS, id=id_, payload=payload, request=kept, or_held=1
                    )
                    changed += text(reply["status"]) == Status.REPLACED
            after = page[-1][0].decode()
            await self._redis.hset(DEAD_LETTERS_SEARCHED, stream, after)
        return changed
