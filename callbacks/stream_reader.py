"""A reader of a stream: any number of readers share its entries, and no entry is lost when a reader dies."""

import math
import os
import secrets
import socket
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from callbacks.streams import BODY, FROM_LINKS, REPORTS, VIA, is_known, pack, pack_requests, posted_bodies
from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger.numbers.hidden_numbers import Hide
from times_dispatch.ledger.reports.posted_requests import REQUEST, hide_with_requests, unpack_requests
from times_dispatch.log_sums import LogSums

log = structlog.get_logger(__name__)

CLAIM_AFTER_MS: Final = 15_000
"""An entry that a reader has held for this long may be claimed: the reader is dead or frozen."""

RELEASE_WITHIN_S: Final = 1.0
_FORGET_AFTER_MS: Final = 600_000
"""A reader that holds nothing and did not call Redis for this long is dead; its name leaves the group. A frozen reader
gets its name back with its next read."""
_MAX_NEWER: Final = 100_000
"""How many ids of entries of newer versions a reader remembers, some 10 MB."""
_FORGET_DEAD: Final = """
local removed, consumers = 0, redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers.err then return 0 end
for _, consumer in ipairs(consumers) do
  local fields = {}
  for index = 1, #consumer, 2 do fields[consumer[index]] = consumer[index + 1] end
  if fields.pending == 0 and fields.idle >= tonumber(ARGV[2]) and fields.name ~= ARGV[3] then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], fields.name)
    removed = removed + 1
  end
end
return removed
"""
"""A script, because a reader must not get an entry between the check that it holds none and its removal: Redis forgets
which entries a removed reader held."""


class Entry(NamedTuple):
    """One entry of a stream, as a reader gets it."""

    id: bytes
    payload: bytes
    deliveries: int
    """How often the entry was delivered to a reader, this time included."""
    via: bytes = b""
    """The relays of other ledgers through which the payload came (``streams.VIA``)."""
    from_links: bool = False
    """Whether the links process wrote the entry (``streams.FROM_LINKS``)."""
    request: bytes = b""
    """The request in which the payload was posted, or for ``reports`` the requests of all bodies; empty if none was
    kept (``posted_requests``)."""

    @property
    def size(self) -> int:
        """The bytes of payload and request."""
        return len(self.payload) + len(self.request)


class StreamReader:
    """One process in a consumer group. A reader holds each entry that it gets until it finishes the entry.

    Entries that a dead reader holds are claimed by the others. Every method but ``release`` raises Redis errors. A
    missing group (at the first start, or after a flush) is created, from the beginning of the stream.
    """

    def __init__(
        self,
        redis: Redis,
        stream: str,
        group: str,
        name: str | None = None,
        *,
        page: int = 1_000,
        hide: Hide | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Join a consumer group.

        Args:
            redis: the Redis with the stream.
            stream: the key of the stream.
            group: the name of the consumer group.
            name: the name of this reader, which no other reader of the group has; None makes a name.
            page: how many held entries ``claim`` reads in one call to Redis.
            hide: replaces forgotten phone numbers in payloads by other digits; None leaves payloads as they are.
            clock: times the calls of ``release``.
        """
        self._redis = redis
        self._stream = stream
        self._group = group
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._page = page
        self._hide = hide
        self._clock = clock
        self._forget_dead = redis.register_script(_FORGET_DEAD)
        self._has_forgotten = False
        self._sums = LogSums(log)
        self._newer = set[bytes]()
        """Entries of newer versions that this reader has left to others, and does not claim again."""

    async def read(self, count: int, *, block_ms: int) -> list[Entry]:
        """Return up to *count* entries that were not delivered before.

        Waits up to *block_ms* for the first entry; this must be less than the connection's socket time-out. The first
        call removes the names of readers that died long ago from the group.
        """
        if not self._has_forgotten:
            await self.forget_dead()
            self._has_forgotten = True
        try:
            reply: Any = await self._redis.xreadgroup(
                self._group, self.name, {self._stream: ">"}, count=count, block=block_ms
            )
        except ResponseError as error:
            await self._create_group(error)
            return []
        return await self._hidden(
            await self._known([(id_, fields, 1) for _stream, entries in reply or [] for id_, fields in entries])
        )

    async def forget_dead(self, after_ms: int = _FORGET_AFTER_MS) -> int:
        """Remove other readers that hold no entry and have not called Redis for *after_ms*; return how many.

        A group that is missing has no readers.
        """
        return int(await self._forget_dead(keys=[self._stream], args=[self._group, after_ms, self.name]))

    async def claim(
        self, count: int, min_idle_ms: Callable[[int], int], *, alone_after: float = math.inf
    ) -> list[Entry]:
        """Take over up to *count* entries that their readers have held for too long, the oldest entries first.

        Args:
            count: the maximum number of entries to claim.
            min_idle_ms: returns how long an entry must have been held, by the number of its deliveries.
            alone_after: an entry with more deliveries than this is returned alone, after all others. If the entry kills
                its reader, the deliveries of no other entry are counted.
        """
        overdue: dict[bytes, int] = {}
        after: str | bytes = "-"
        while len(overdue) < count:
            try:
                page: Any = await self._redis.xpending_range(
                    self._stream, self._group, min=after, max="+", count=self._page, idle=min_idle_ms(1)
                )
            except ResponseError as error:
                await self._create_group(error)
                return []
            for held in page:
                is_overdue = held["time_since_delivered"] >= min_idle_ms(held["times_delivered"])
                if is_overdue and held["message_id"] not in self._newer:
                    overdue[held["message_id"]] = held["times_delivered"] + 1
            if len(page) < self._page:
                break
            after = b"(" + page[-1]["message_id"]
        if not overdue:
            return []
        ids = [id_ for id_, deliveries in overdue.items() if deliveries <= alone_after][:count]
        ids = ids or list(overdue)[:1]
        # Of two readers that claim the same entry, the second does not get the entry, which is no longer idle.
        pairs: Any = await self._redis.xclaim(
            self._stream, self._group, self.name, min_idle_ms(1), cast("list[Any]", ids)
        )
        return await self._hidden(
            await self._known([(id_, fields, overdue[id_]) for id_, fields in pairs if id_ is not None])
        )

    async def renew(self, ids: Sequence[bytes], *, idle_ms: int = 0) -> None:
        """Reset the idle time of held entries to *idle_ms*; this does not count as a delivery."""
        if ids:
            await self._redis.xclaim(self._stream, self._group, self.name, 0, list(ids), idle=idle_ms, justid=True)

    async def finish(self, ids: Sequence[bytes]) -> None:
        """Delete entries from the stream, so that no reader gets them again."""
        if not ids:
            return
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.xack(self._stream, self._group, *ids)
            pipe.xdel(self._stream, *ids)
            await pipe.execute()

    async def release(self, unfinished: Sequence[bytes] = ()) -> None:
        """Let other readers claim the unfinished entries at once, and leave the group.

        Raises nothing: if Redis is unavailable, other readers claim the entries after ``CLAIM_AFTER_MS``.
        """
        with suppress(RedisError, OSError):
            async with self._clock.timeout(RELEASE_WITHIN_S):
                await self.renew(unfinished, idle_ms=CLAIM_AFTER_MS)
                held: Any = await self._redis.xpending_range(
                    self._stream, self._group, min="-", max="+", count=1, consumername=self.name
                )
                # Redis forgets which entries a deleted consumer held, so no reader could claim these entries.
                if not held:
                    await self._redis.xgroup_delconsumer(self._stream, self._group, self.name)

    async def _known(self, delivered: list[tuple[bytes, dict[bytes, bytes], int]]) -> list[Entry]:
        """Return the entries whose form this version can read, and let other readers claim the others at once.

        An entry of a newer version counts as not delivered to this reader.
        """
        known, newer = list[Entry](), defaultdict[int, list[bytes]](list)
        for id_, fields, deliveries in delivered:
            if is_known(fields):
                known.append(_entry(id_, fields, deliveries))
            else:
                newer[deliveries].append(id_)
        for deliveries, ids in newer.items():
            if len(self._newer) >= _MAX_NEWER:
                self._newer.clear()
            self._newer.update(ids)
            await self._redis.xclaim(
                self._stream,
                self._group,
                self.name,
                0,
                cast("list[Any]", ids),
                idle=CLAIM_AFTER_MS,
                retrycount=deliveries - 1,
                justid=True,
            )
            self._sums.error("entries are left to processes of a newer version", stream=self._stream, entries=len(ids))
        return known

    async def _hidden(self, entries: list[Entry]) -> list[Entry]:
        """Return entries without forgotten phone numbers; after an error the entries stay held, to be claimed later."""
        if not self._hide or not entries:
            return entries
        hide = self._hide
        payloads = iter(await hide([entry.payload for entry in entries if not entry.request]))
        return [
            await self._hidden_with_requests(entry, hide) if entry.request else entry._replace(payload=next(payloads))
            for entry in entries
        ]

    async def _hidden_with_requests(self, entry: Entry, hide: Hide) -> Entry:
        if self._stream != REPORTS:
            (payload,), (request,) = await hide_with_requests([entry.payload], [entry.request], hide)
            return entry._replace(payload=payload, request=request)
        bodies = posted_bodies(entry.payload)
        requests = unpack_requests(entry.request, len(bodies))
        hidden = await hide_with_requests(bodies, requests, hide)
        if hidden == (bodies, requests):  # a copy of each entry would take twice the memory
            return entry
        return entry._replace(payload=pack(hidden[0]), request=pack_requests(hidden[1]))

    async def _create_group(self, error: ResponseError) -> None:
        """Create the group if *error* says that it is missing; raise any other error."""
        if not str(error).startswith("NOGROUP"):
            raise error
        try:
            await self._redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except ResponseError as raced:
            if not str(raced).startswith("BUSYGROUP"):
                raise


def _entry(id_: bytes, fields: dict[bytes, bytes], deliveries: int) -> Entry:
    payload, via, request = fields.get(BODY, b""), fields.get(VIA, b""), fields.get(REQUEST, b"")
    return Entry(id_, payload, deliveries, via, FROM_LINKS in fields, request)
