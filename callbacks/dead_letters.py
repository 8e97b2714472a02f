"""Dead letters: posted reports that could not be used, kept with the reason, counted, and replayed on demand.

A dead letter is one row of a posted body, made a body of its own; or a whole body, if its rows cannot be separated.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis

from callbacks.relay.forward_queue import ForwardedEvent, ForwardQueue, events_of
from callbacks.request_body import MAX_BODY_BYTES
from callbacks.streams import (
    BODY,
    DEAD_LETTER_TOTALS,
    DEAD_LETTERS,
    DEFAULT_STREAM_LIMITS,
    FOREIGN_DEAD_LETTERS,
    LONG_DEAD_LETTERS,
    LONG_FOREIGN_DEAD_LETTERS,
    is_known,
    raise_first,
    store_one_by_one,
    stream_bytes,
)
from times_dispatch.ledger.numbers.forgetting import spellings
from times_dispatch.ledger.numbers.hidden_numbers import Hide, names_number
from times_dispatch.ledger.reports.posted_requests import REQUEST, hide_with_requests, searchable
from times_dispatch.unreadable_json import UNREADABLE_JSON

_SHORT_STREAMS: Final = (DEAD_LETTERS, FOREIGN_DEAD_LETTERS)
_LONG_STREAMS: Final = (LONG_DEAD_LETTERS, LONG_FOREIGN_DEAD_LETTERS)

_KEPT_SHARE: Final = 0.9
"""The share of the limit that a stream fills after its oldest rows were deleted; so not every new row causes a
deletion."""

_REASON: Final = b"reason"
_DETAIL: Final = b"detail"
_TOO_LONG_BYTES: Final = b"too_long_bytes"
"""The field that holds the length, in bytes, of a row that was too long to be kept."""


@dataclass(frozen=True, kw_only=True)
class DeadLetterLimits:
    """How many dead letters are kept. The oldest rows of a full stream are deleted; the totals still count them."""

    max_rows: int = 50_000
    """Rows in each of the two streams of short rows, approximately."""
    long_bytes: int = 64 * 1024
    """A row with more bytes than this is long, and goes to one of the two streams of long rows."""
    max_long_rows: int = 256
    """Rows in each of the two streams of long rows: 256 MiB, if all rows have the length of the longest body."""
    max_row_bytes: int = MAX_BODY_BYTES + 1024
    """The length of the longest body that the receiver accepts, plus some bytes that make a row a body of its own. Of a
    longer row, only the reason and the size are kept."""
    max_bytes: int = DEFAULT_STREAM_LIMITS.max_dead_letter_bytes
    """Bytes in each of the four streams, approximately."""
    page: int = 1_000
    """Short rows that are read in one call to Redis."""
    written_rows: int = 200
    """Rows that are written in one call to Redis, within some milliseconds."""
    written_bytes: int = 1024 * 1024
    """Bytes of the rows that are written in one call to Redis; a longer row is written alone."""
    long_page: int = 8
    """Long rows that are read in one call to Redis."""


_DEFAULT_LIMITS: Final = DeadLetterLimits()


class DeadLetterReason(StrEnum):
    """Why a report became a dead letter. The values are stored in Redis, and ``--reason`` takes them."""

    NOT_OURS = "not_ours"
    """The id in the report is not ours, and no relay is configured."""
    FORGED = "forged"
    """The id in the report has the form of our ids, but our key did not make its signature."""
    UNKNOWN = "unknown_message"
    """The id in the report is ours, but the ledger does not have the message, or has it no longer."""
    ARCHIVED = "archived"
    """The id in the report is ours, but its campaign is in the archive, where nothing changes."""
    UNREADABLE = "unreadable"
    """The posted body cannot be read at all."""
    UNUSABLE = "unusable_row"
    """The row cannot be used; the detail of the dead letter says why (``UnusableRow.reason``)."""
    NOT_APPLIED = "not_applied"
    """Each try to apply the report failed or ended its reconciler; or the report is a stop reply, and the ledger no
    longer has the number of the message."""
    RELAY_REFUSED = "relay_refused"
    """The id in the report is not ours, and the other system refused the report."""
    RELAY_FAILED = "relay_failed"
    """The id in the report is not ours, and the other system could not be reached in time."""
    RELAY_FULL = "relay_full"
    """The id in the report is not ours, and too many reports waited for the other system."""
    FORWARD_REFUSED = "forward_refused"
    """The report was applied; the system to which it was to be forwarded refused its copy."""

    @property
    def text(self) -> str:
        """The reason in words for people."""
        return _TEXTS[self]

    @classmethod
    def _missing_(cls, value: object) -> "DeadLetterReason | None":
        """Return the reason with this text for people: earlier versions stored the text instead of the value."""
        return next((reason for reason, text in _TEXTS.items() if text == value), None)


_TEXTS: Final = {
    DeadLetterReason.NOT_OURS: "not ours",
    DeadLetterReason.FORGED: "forged",
    DeadLetterReason.UNKNOWN: "unknown campaign or message",
    DeadLetterReason.ARCHIVED: "too late: the campaign is archived",
    DeadLetterReason.UNREADABLE: "unreadable",
    DeadLetterReason.UNUSABLE: "a row that cannot be used",
    DeadLetterReason.NOT_APPLIED: "could not be applied",
    DeadLetterReason.RELAY_REFUSED: "refused by the relay's host",
    DeadLetterReason.RELAY_FAILED: "the relay's host could not be reached in time",
    DeadLetterReason.RELAY_FULL: "too much is waiting for the relay's host",
    DeadLetterReason.FORWARD_REFUSED: "a copy that was refused by the host to which reports are forwarded",
}

_FOREIGN_REASONS = frozenset(
    {
        DeadLetterReason.NOT_OURS,
        DeadLetterReason.FORGED,
        DeadLetterReason.RELAY_REFUSED,
        DeadLetterReason.RELAY_FAILED,
        DeadLetterReason.RELAY_FULL,
        DeadLetterReason.FORWARD_REFUSED,  # copies of our reports: a flood of copies must push out no row of ours
    }
)


class DeadLetter(NamedTuple):
    """A report that is to be kept as a dead letter."""

    reason: DeadLetterReason
    body: bytes
    """A body that can be posted again as it is."""
    detail: str = ""
    """The mistake in the row, for people; empty if the reason says everything."""
    request: bytes = b""
    """The request in which the body was posted; empty if it was not kept (``posted_requests``)."""


class StoredDeadLetter(msgspec.Struct, frozen=True):
    """A dead letter as it is kept."""

    id: str
    at_ms: int
    """When the report became a dead letter, in epoch milliseconds."""
    reason: DeadLetterReason
    body: bytes
    """The posted bytes, with what recipients wrote and clicked; empty if the row was too long to be kept."""
    too_long: int = 0
    """The length of a row that was too long to be kept, in bytes; 0 if the row was kept."""
    detail: str = ""
    """The mistake in the row, for people; empty if the reason says everything."""
    request: bytes = b""
    """The request in which the body was posted; empty if it was not kept (``posted_requests``)."""
    is_newer: bool = False
    """Whether a newer version wrote the dead letter in a form that this version cannot read, and does not replay."""


class DeadLetters:
    """All dead letters. Every method raises Redis errors."""

    def __init__(self, redis: Redis, *, limits: DeadLetterLimits = _DEFAULT_LIMITS, hide: Hide | None = None) -> None:
        """Make the dead letters of a ledger.

        Args:
            redis: the ledger.
            limits: how many are kept.
            hide: replaces forgotten phone numbers in bodies before they are kept; None keeps bodies unchanged.
        """
        self._redis = redis
        self._limits = limits
        self._hide = hide

    async def add(self, rows: Sequence[DeadLetter]) -> None:
        """Keep rows, and count them by reason."""
        if self._hide and rows:
            bodies, requests = await hide_with_requests(
                [row.body for row in rows], [row.request for row in rows], self._hide
            )
            rows = [
                row._replace(body=body, request=request)
                for row, body, request in zip(rows, bodies, requests, strict=True)
            ]
        page: list[DeadLetter] = []
        page_bytes = 0
        for row in rows:
            size = len(row.body) + len(row.request)
            if page and (len(page) == self._limits.written_rows or page_bytes + size > self._limits.written_bytes):
                await self._add(page)
                page, page_bytes = [], 0
            page.append(row)
            page_bytes += size
        if page:
            await self._add(page)

    async def _add(self, rows: Sequence[DeadLetter]) -> None:
        limits, streams = self._limits, set[str]()
        async with self._redis.pipeline(transaction=False) as pipe:
            for reason, body, detail, request in rows:
                is_foreign = reason in _FOREIGN_REASONS
                fields: dict[Any, Any] = {_REASON: reason.value, BODY: body}
                if detail:
                    fields[_DETAIL] = detail
                if len(body) > limits.max_row_bytes:
                    fields |= {BODY: b"", _TOO_LONG_BYTES: len(body)}
                size = len(body)
                if request and size + len(request) <= limits.max_row_bytes:
                    fields[REQUEST] = request
                    size += len(request)
                if limits.long_bytes < size <= limits.max_row_bytes:
                    stream = _LONG_STREAMS[is_foreign]
                    pipe.xadd(stream, fields, maxlen=limits.max_long_rows, approximate=False)
                else:
                    stream = _SHORT_STREAMS[is_foreign]
                    pipe.xadd(stream, fields, maxlen=limits.max_rows, approximate=True)
                streams.add(stream)
            for reason, number in Counter(row.reason for row in rows).items():
                pipe.hincrby(DEAD_LETTER_TOTALS, reason.value, number)
            raise_first(await pipe.execute(raise_on_error=False))
        for stream in streams:
            await self._shorten(stream)

    async def _shorten(self, stream: str) -> None:
        """Delete the oldest rows of a stream that takes too many bytes."""
        used = await stream_bytes(self._redis, stream)
        if used > self._limits.max_bytes:
            rows: int = await self._redis.xlen(stream)
            kept = int(rows * self._limits.max_bytes / used * _KEPT_SHARE)
            await self._redis.xtrim(stream, maxlen=kept, approximate=False)

    async def oldest(self, *, reason: DeadLetterReason | None = None, limit: int = 100) -> list[StoredDeadLetter]:
        """Return the oldest *limit* dead letters, of one reason or of all reasons; the oldest first."""
        matching: list[StoredDeadLetter] = []
        for stream in (*_SHORT_STREAMS, *_LONG_STREAMS):
            enough = len(matching) + limit
            async for page in self._pages(stream):
                matching.extend(row for row in page if reason in {None, row.reason})
                if len(matching) >= enough:
                    break
        return sorted(matching, key=attrgetter("at_ms"))[:limit]

    async def count(self) -> dict[DeadLetterReason, int]:
        """Return how many dead letters there are now, by reason. Reads all dead letters."""
        counter: Counter[DeadLetterReason] = Counter()
        for stream in (*_SHORT_STREAMS, *_LONG_STREAMS):
            async for page in self._pages(stream):
                counter.update(row.reason for row in page)
        return dict(sorted(counter.items()))

    async def totals(self) -> dict[DeadLetterReason, int]:
        """Return how many reports ever became dead letters, by reason."""
        stored: Any = await self._redis.hgetall(DEAD_LETTER_TOTALS)
        totals: Counter[DeadLetterReason] = Counter()
        for reason, number in stored.items():
            totals[_reason(reason.decode(errors="replace"))[0]] += int(number)
        return dict(sorted(totals.items()))

    async def with_number(self, number: str, *, deletes: bool) -> list[bytes]:
        """Return the bodies of the dead letters that hold a number, in whatever form it is written.

        Args:
            number: E.164 digits without the plus.
            deletes: whether these dead letters are deleted.
        """
        words = [word.encode() for word in spellings(number)]

        def holds_number(content: bytes) -> bool:
            return any(word in content for word in words) or names_number(content, number)

        bodies = list[bytes]()
        for stream in (*_SHORT_STREAMS, *_LONG_STREAMS):
            async for page in self._pages(stream):
                rows = [
                    row
                    for row in page
                    if any(map(holds_number, (row.body, row.detail.encode(), searchable(row.request))))
                ]
                if rows and deletes:
                    await self._redis.xdel(stream, *(row.id for row in rows))
                bodies += [row.body for row in rows]
        return bodies

    async def replay(self, *, reason: DeadLetterReason | None = None) -> int:
        """Give the dead letters of one reason, or all of them, to the reconcilers again; return how many.

        A row that fails again becomes a new dead letter. A row that was too long to be kept stays, and so does a row of
        a newer version. A copy of a report that was refused is forwarded again; it stays if the queue of forwarding is
        full. A replay that is stopped half-way may give rows to the reconcilers twice, which is harmless, and copies to
        the other system twice.
        """
        replayed = 0
        for stream in (*_SHORT_STREAMS, *_LONG_STREAMS):
            async for page in self._pages(stream):
                rows = [row for row in page if row.body and not row.is_newer and reason in {None, row.reason}]
                copies = [row for row in rows if row.reason is DeadLetterReason.FORWARD_REFUSED]
                rows = [row for row in rows if row.reason is not DeadLetterReason.FORWARD_REFUSED]
                if rows:
                    await store_one_by_one(self._redis, [row.body for row in rows], [row.request for row in rows])
                rows += await self._forward_again(copies)
                if rows:
                    await self._redis.xdel(stream, *(row.id for row in rows))
                    replayed += len(rows)
        return replayed

    async def _forward_again(self, rows: Sequence[StoredDeadLetter]) -> list[StoredDeadLetter]:
        """Put copies of reports into the queue of forwarding; return the dead letters that may be deleted.

        If the queue has no room for all copies, no dead letter may be deleted. A copy that cannot be read stays.
        """
        readable, events = list[StoredDeadLetter](), list[tuple[bytes, int, ForwardedEvent]]()
        for row in rows:
            with suppress(*UNREADABLE_JSON):
                events += [(row.id.encode(), 0, event) for event in events_of(row.body)]
                readable.append(row)
        return [] if await ForwardQueue(self._redis).add_all(events) else readable

    async def _pages(self, stream: str) -> AsyncIterator[list[StoredDeadLetter]]:
        """Yield the rows of a stream, but no row that is added meanwhile: a replay must not read its own failures."""
        size = self._limits.long_page if stream in _LONG_STREAMS else self._limits.page
        newest: Any = await self._redis.xrevrange(stream, count=1)
        after = "-"
        while newest:
            ((newest_id, _),) = newest
            page: Any = await self._redis.xrange(stream, min=after, max=newest_id, count=size)
            rows = [_read(id_, fields) for id_, fields in page]
            yield rows
            if len(rows) < size:
                return
            after = f"({rows[-1].id}"


def _read(id_: bytes, fields: dict[bytes, bytes]) -> StoredDeadLetter:
    text = id_.decode()
    milliseconds, _, _ = text.partition("-")
    reason, detail = _reason(_text(fields, _REASON))
    return StoredDeadLetter(
        id=text,
        at_ms=int(milliseconds),
        reason=reason,
        detail=_text(fields, _DETAIL) or detail,
        body=fields.get(BODY, b""),
        request=fields.get(REQUEST, b""),
        is_newer=not is_known(fields),
        too_long=int(too_long)
        if (too_long := _text(fields, _TOO_LONG_BYTES)).isdecimal() and len(too_long) < 20
        else 0,
    )


def _text(fields: dict[bytes, bytes], name: bytes) -> str:
    """Return a field as text, whatever its bytes: an entry that another program wrote must not hide other entries."""
    return fields.get(name, b"").decode(errors="replace")


def _reason(stored: str) -> tuple[DeadLetterReason, str]:
    """Return a stored reason and a detail: earlier versions stored the parser's text, now the detail, as the reason."""
    try:
        return DeadLetterReason(stored), ""
    except ValueError:
        return DeadLetterReason.UNUSABLE, stored
