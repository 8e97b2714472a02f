"""The queue of reports that are to be forwarded, in Redis: in order for each message, and bounded.

The queue has eight lanes, and all events of a message are in the same lane. A lane is a sorted set: its members are
ordered by the entry of the stream ``reports`` in which an event came, and within the entry by the position of the
event. So the order does not depend on which of several reconcilers is quicker. An event that is added twice, because a
reconciler died with it and another reconciler repeats the work, is in the queue once. The score is the time of the
entry, so that old events are found.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from zlib import crc32

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from callbacks.streams import REPORTS, raise_first
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.reports.forward_backlog import FORWARD, LANES, ForwardCount, lane_keys
from times_dispatch.ledger.scripts import Argument, Script
from times_dispatch.settings.model import CallbackSettings

HELD_BACK_S: Final = 60.0
"""How many seconds an unfinished entry of ``reports`` holds back later events. After this time the events of that
entry may be posted out of order."""

_POSITION: Final = struct.Struct(">QQI")
"""The entry's id, and the position in the entry."""
_DROPPED_AT_ONCE: Final = 500
"""Old events of each lane that one call drops."""
_MAX_SEQUENCE: Final = 2**64 - 1
_MEMBER_ENCODER: Final = msgspec.msgpack.Encoder()


EntryId = tuple[int, int]
"""The id of an entry in a stream: milliseconds since the epoch, and a sequence number."""


@dataclass(frozen=True, kw_only=True)
class ForwardLimits:
    """How many events may wait in the queue, and for how long."""

    max_events: int = 1_000_000
    max_bytes: int = 256_000_000
    """Bytes of Redis' memory, approximately. An event takes about 300."""
    max_age_s: float = 3 * 86_400.0
    """Events that wait longer than this are dropped."""

    @classmethod
    def of(cls, callbacks: CallbackSettings) -> "ForwardLimits":
        """Return the limits of the settings."""
        return cls(
            max_events=callbacks.max_forward_events,
            max_bytes=callbacks.max_forward_mb * 1_000_000,
            max_age_s=callbacks.max_forward_age_s,
        )


class ForwardedEvent(msgspec.Struct, frozen=True, array_like=True):
    """One event to forward."""

    event: str
    """The name of the event: delivered, failed, clicked or replied."""
    meta: str
    """The correlation id of the message, as we sent it."""
    row: bytes
    """The row as JSON."""
    via: bytes = b""
    """The relays of other ledgers through which the report came (``streams.VIA``)."""


class QueuedEvent(NamedTuple):
    """An event in the queue."""

    member: bytes
    """The member of the lane's sorted set that holds the event."""
    content: ForwardedEvent


_CONTENT: Final = msgspec.msgpack.Decoder(ForwardedEvent)


class ForwardQueue:
    """The events that wait to be posted. Every method raises Redis errors."""

    def __init__(
        self,
        redis: Redis,
        *,
        limits: ForwardLimits | None = None,
        look_every_s: float = 0.25,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make a queue.

        Args:
            redis: the Redis with the queue and the stream ``reports``.
            limits: how much may wait; None takes the default limits.
            look_every_s: how often the queue looks which entries of ``reports`` are finished.
            clock: times how long an unfinished entry of ``reports`` holds back later events.
        """
        self._redis = redis
        self._limits = limits or ForwardLimits()
        self._clock = clock
        self._keys = lane_keys()
        self._queue = Script(redis, "queue_copies")
        self._remove = Script(redis, "remove_copies")
        self._oldest_entry: EntryId | None = None
        self._oldest_since_s = 0.0
        self._look_every_s = look_every_s
        self._complete_until: EntryId = (0, 0)
        self._complete_until_s = float("-inf")

    async def add_all(self, events: Sequence[tuple[bytes, int, ForwardedEvent]]) -> int:
        """Add events; return how many were dropped.

        Events are dropped if the queue or Redis is full: forwarding must not delay the reports themselves. Each dropped
        event is counted; it is counted twice if a reconciler dies after the count, because the next reconciler drops
        the event again.

        Args:
            events: for each event the id of its entry in ``reports``, its position in the entry, and the event.
        """
        if not events:
            return 0
        copies = list[dict[str, Argument]]()
        for entry_id, position, event in events:
            id_ = read_entry_id(entry_id)
            member = _POSITION.pack(*id_, position) + _MEMBER_ENCODER.encode(event)
            copies.append({"lane": lane_of(event.meta), "score": id_[0], "member": member})
        limits = self._limits
        reply = await self._queue(
            FORWARD, max_copies=limits.max_events, max_bytes=limits.max_bytes, lanes=LANES, copies=copies
        )
        return int(reply["dropped"])

    async def head(self, lane: int, max_events: int) -> list[QueuedEvent]:
        """Return the oldest events of a lane, in order.

        An event whose entry came after an unfinished entry of ``reports`` is left out, because the unfinished entry may
        hold an earlier event of the same message.
        """
        if not await self._redis.zcard(self._keys[lane]):
            return []
        # Before the lane is read: the events of entries that are finished by now are in the lane.
        complete_until = await self._find_complete_until()
        members: Any = await self._redis.zrange(self._keys[lane], 0, max_events - 1)
        return [
            QueuedEvent(member, _CONTENT.decode(member[_POSITION.size :]))
            for member in members
            if complete_until is None or _POSITION.unpack_from(member)[:2] <= complete_until
        ]

    async def _find_complete_until(self) -> EntryId | None:
        """Return the id of an entry of ``reports`` up to which all entries are finished; None for no bound.

        An old answer stays true, and is used for a while, because Redis' reply may hold two large entries.
        """
        now = self._clock.monotonic()
        if now < self._complete_until_s:
            return self._complete_until
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.xinfo_stream(REPORTS)
            pipe.time()
            stream, time = await pipe.execute(raise_on_error=False)
        if isinstance(stream, ResponseError) and "no such key" in str(stream):
            return None
        raise_first([stream, time])
        first = stream["first-entry"]
        oldest = read_entry_id(first[0]) if first else None
        if oldest != self._oldest_entry:
            self._oldest_entry, self._oldest_since_s = oldest, now
        if not oldest:  # later entries get later ids; a copy that is forwarded again has an id of another stream
            until = max(read_entry_id(stream["last-generated-id"]), (int(time[0]) * 1000 - 1, _MAX_SEQUENCE))
        elif now - self._oldest_since_s < HELD_BACK_S:
            until = (oldest[0], oldest[1] - 1) if oldest[1] else (oldest[0] - 1, _MAX_SEQUENCE)
        else:
            return None
        self._complete_until, self._complete_until_s = until, now + self._look_every_s
        return until

    async def remove(self, lane: int, events: Sequence[QueuedEvent], *, count: ForwardCount) -> None:
        """Remove events that were taken or refused, and count those that were still in the queue."""
        copies = [{"lane": lane, "member": event.member} for event in events]
        await self._remove(FORWARD, count=count.value, lanes=LANES, before_ms=0, max_old=0, copies=copies)

    async def drop_old(self) -> int:
        """Drop the events that wait for too long; return how many."""
        seconds, _ = await self._redis.time()
        before_ms = int((int(seconds) - self._limits.max_age_s) * 1000)
        dropped = 0
        while removed := await self._drop_before(before_ms):
            dropped += removed
        return dropped

    async def _drop_before(self, before_ms: int) -> int:
        """Drop some of the events whose entries came before a time; return how many, 0 if there are none."""
        reply = await self._remove(
            FORWARD,
            count=ForwardCount.DROPPED_OLD.value,
            lanes=LANES,
            before_ms=before_ms,
            max_old=_DROPPED_AT_ONCE,
            copies=[],
        )
        return int(reply["removed"])


def lane_of(meta: str) -> int:
    """Return the number of the lane that holds the events of a message."""
    return crc32(meta.encode()) % len(lane_keys())


def read_entry_id(entry_id: bytes) -> EntryId:
    """Return the time in milliseconds, and the sequence number, of an entry's id in a stream."""
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence or 0)


def body_of(events: Sequence[ForwardedEvent]) -> bytes:
    """Return one body with the rows of events, in order; the rows of neighbouring events of one kind share an array."""
    groups = list[tuple[str, list[bytes]]]()
    for event in events:
        if not groups or groups[-1][0] != event.event:
            groups.append((event.event, []))
        groups[-1][1].append(event.row)
    posted = (b'{"event":"%b","data":[%b]}' % (name.encode(), b",".join(rows)) for name, rows in groups)
    return b"[" + b",".join(posted) + b"]"


class _PostedGroup(msgspec.Struct):
    event: str
    data: list[msgspec.Raw]


class _RowMeta(msgspec.Struct):
    meta: str


def events_of(body: bytes) -> list[ForwardedEvent]:
    """Return the events of a body that ``body_of`` made; raise msgspec.DecodeError for another body."""
    return [
        ForwardedEvent(group.event, msgspec.json.decode(row, type=_RowMeta).meta, bytes(row))
        for group in msgspec.json.decode(body, type=list[_PostedGroup])
        for row in group.data
    ]
