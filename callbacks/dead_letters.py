"""Rows that could not be used: kept with their reason, counted, and tried again when somebody says so."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis

from callbacks.request_body import LONGEST_BODY
from callbacks.streams import (
    BODY,
    FOREIGN,
    FOREIGN_LONG,
    PAGE,
    REJECTED,
    REJECTED_LONG,
    TOTALS,
    raise_first,
    store_alone,
)

MOST_KEPT: Final = 50_000
"""Rows of each of the two streams, about; beyond it the oldest go, and only the totals still tell of them."""

LONG: Final = 64 * 1024
"""Bytes; a longer row goes to a stream for such, whose bound is small enough for the longest."""

MOST_LONG_KEPT: Final = 256
"""Rows of each of these two streams: a quarter of a GiB of the longest."""

LONGEST_KEPT: Final = LONGEST_BODY + 1024
"""Bytes: whatever the receiver takes, and a row of it as a body of its own. Of a longer one only reason and size."""

_PAGES: Final = {REJECTED: PAGE, REJECTED_LONG: 8, FOREIGN: PAGE, FOREIGN_LONG: 8}
"""All streams of rows set aside, and how many are read at once."""

_REASON = b"reason"
_CUT = b"cut"


class Reason(StrEnum):
    """Why a row was set aside; the parser's own reasons (``RejectedRow.reason``) come beside these."""

    NOT_OURS = "not ours"
    """It carries somebody else's id, and there is no relay to hand it to."""
    FORGED = "forged"
    """It carries an id of our form with a tag that our key did not make."""
    UNKNOWN = "unknown campaign or message"
    """It carries an id of ours, but the ledger knows no such message (any more)."""
    UNREADABLE = "unreadable"
    POISON = "could not be applied"
    """The ledger refused it, or reconcilers died of it, again and again."""
    RELAY_REFUSED = "refused by the relay's host"
    RELAY_FAILED = "the relay's host could not be reached in time"
    RELAY_FULL = "too much is waiting for the relay's host"


_FOREIGN_REASONS = frozenset(
    {Reason.NOT_OURS, Reason.FORGED, Reason.RELAY_REFUSED, Reason.RELAY_FAILED, Reason.RELAY_FULL}
)


class DeadLetterRow(NamedTuple):
    """A row (or a whole body) to set aside."""

    reason: str
    body: bytes
    """Bytes that can be posted again as they are."""


class DeadLetter(msgspec.Struct, frozen=True):
    """A row that was set aside."""

    id: str
    at_ms: int
    """Epoch milliseconds."""
    reason: str
    body: bytes
    """As it came; may hold what people wrote and clicked. Empty if it was too long to be kept."""
    too_long: int = 0
    """The bytes that it had, if it was too long to be kept."""


class DeadLetters:
    """All rows set aside. Every method raises redis errors."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, rows: Sequence[DeadLetterRow]) -> None:
        """Keep rows. Raises the first error bare, because redis-py's own would quote what the row holds."""
        if not rows:
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            for reason, body in rows:
                short, long = (FOREIGN, FOREIGN_LONG) if reason in _FOREIGN_REASONS else (REJECTED, REJECTED_LONG)
                kept: dict[Any, Any] = {_REASON: reason, BODY: body}
                if len(body) > LONGEST_KEPT:
                    kept = {_REASON: reason, BODY: b"", _CUT: len(body)}
                if LONG < len(body) <= LONGEST_KEPT:
                    pipe.xadd(long, kept, maxlen=MOST_LONG_KEPT, approximate=False)
                else:
                    pipe.xadd(short, kept, maxlen=MOST_KEPT, approximate=True)
            for reason, number in Counter(row.reason for row in rows).items():
                pipe.hincrby(TOTALS, reason, number)
            raise_first(await pipe.execute(raise_on_error=False))

    async def kept(self, *, reason: str = "", most: int = 100) -> list[DeadLetter]:
        """List what is kept, oldest first, of one reason or (empty) of all."""
        found: list[DeadLetter] = []
        for stream in _PAGES:
            enough = len(found) + most
            async for page in self._pages(stream):
                found.extend(kept for kept in page if reason in ("", kept.reason))
                if len(found) >= enough:
                    break
        return sorted(found, key=attrgetter("at_ms"))[:most]

    async def count(self) -> dict[str, int]:
        """Count what is kept now, by reason; reads it all."""
        counter: Counter[str] = Counter()
        for stream in _PAGES:
            async for page in self._pages(stream):
                counter.update(kept.reason for kept in page)
        return dict(counter)

    async def totals(self) -> dict[str, int]:
        """Return how many rows were ever set aside, by reason."""
        totals: Any = await self._redis.hgetall(TOTALS)
        return {reason.decode(): int(number) for reason, number in totals.items()}

    async def replay(self, *, reason: str = "") -> int:
        """Hand what is kept (of one reason, or of all) to the reconcilers once more; return how many rows that was.

        What fails again is set aside again, as a new row; what was too long to be kept stays. Stopped half-way it may
        hand rows over twice, which is harmless.
        """
        moved = 0
        for stream in _PAGES:
            async for page in self._pages(stream):
                rows = [kept for kept in page if kept.body and reason in ("", kept.reason)]
                if rows:
                    await store_alone(self._redis, [kept.body for kept in rows])
                    await self._redis.xdel(stream, *(kept.id for kept in rows))
                    moved += len(rows)
        return moved

    async def _pages(self, stream: str) -> AsyncIterator[list[DeadLetter]]:
        """Read a stream to the end that it had at the start: what a replay sets aside again is not met again."""
        newest: Any = await self._redis.xrevrange(stream, count=1)
        after = "-"
        while newest:
            page: Any = await self._redis.xrange(stream, min=after, max=newest[0][0], count=_PAGES[stream])
            yield [_read(id_, fields) for id_, fields in page]
            if len(page) < _PAGES[stream]:
                return
            after = "(" + page[-1][0].decode()


def _read(id_: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    text = id_.decode()
    return DeadLetter(
        text,
        int(text.partition("-")[0]),
        fields.get(_REASON, b"").decode(),
        fields.get(BODY, b""),
        int(fields.get(_CUT, 0)),
    )
