"""The durable streams between receiver, reconciler and relay, and a process's part in reading one of them."""

import asyncio
import math
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, cast

import msgspec
import structlog
from redis import exceptions as errors
from redis.asyncio import Redis
from redis.exceptions import RedisError

REPORTS = "reports"
"""Accepted from outside, not yet reconciled: each entry holds one or more posted bodies, byte for byte (``pack``)."""

RELAY = "relay"
"""Bodies that belong to another system of the same account, on their way there."""

REJECTED = "reports:rejected"
"""Rows set aside with their reason."""

FOREIGN = "reports:rejected:foreign"
"""Rows set aside that are not ours; apart, so that a flood of them pushes no other row out."""

REJECTED_LONG = "reports:rejected:long"
FOREIGN_LONG = "reports:rejected:foreign:long"
"""The same two for long rows, of which fewer are kept."""

TOTALS = "reports:rejected:totals"
"""Hash: reason → rows ever set aside for it."""

BODY = b"b"
"""The field that holds an entry's payload, in all of these streams."""

CLAIM_AFTER_MS = 15_000
"""What a reader has held this long without finishing is taken from it: it is dead, or frozen."""

PAGE = 1_000
LEAVE_WITHIN_S = 1.0

TROUBLE = (
    errors.ConnectionError,
    errors.TimeoutError,
    errors.OutOfMemoryError,
    errors.ReadOnlyError,
    errors.NoPermissionError,
    errors.ClusterDownError,
    errors.TryAgainError,
    OSError,
)
_TROUBLE_CODES = ("MISCONF", "NOREPLICAS", "BUSY ", "LOADING", "NOAUTH", "OOM ", "READONLY", "UNBLOCKED")


def is_trouble(error: BaseException) -> bool:
    """Say whether an error means that Redis cannot serve anybody now, and not that this one command is wrong."""
    if isinstance(error, TROUBLE):
        return True
    return isinstance(error, errors.ResponseError) and any(code in str(error) for code in _TROUBLE_CODES)


def pack(bodies: Sequence[bytes]) -> bytes:
    """Put posted bodies into the payload of one entry of ``reports``."""
    return msgspec.msgpack.encode(bodies)


def unpack(payload: bytes) -> list[bytes]:
    """Take the posted bodies out of an entry of ``reports``; raises ``msgspec.DecodeError`` if they cannot be."""
    return _UNPACKER.decode(payload)


_UNPACKER = msgspec.msgpack.Decoder(list[bytes])


async def store_alone(redis: Redis, bodies: Sequence[bytes]) -> None:
    """Put posted bodies into ``reports`` again, each into an entry of its own. Raises redis errors."""
    async with redis.pipeline(transaction=False) as pipe:
        for body in bodies:
            pipe.xadd(REPORTS, {BODY: pack([body])})
        raise_first(await pipe.execute(raise_on_error=False))


def raise_first(replies: Sequence[Any]) -> None:
    """Raise the first error of a pipeline's replies, bare: redis-py would quote the command, and what people wrote."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply


class Entry(NamedTuple):
    """One entry of a stream, as handed to this reader."""

    id: bytes
    payload: bytes
    deliveries: int
    """How often it was handed to a reader, this time included."""


class Reader:
    """One process's part in a consumer group: entries are shared among all readers, and each is held until it is done.

    A reader that dies leaves what it held to the others (``claim``). Every method raises redis errors; a group that
    is missing (first start, flushed server) is made, from the beginning of the stream.
    """

    def __init__(self, redis: Redis, stream: str, group: str, name: str | None = None) -> None:
        self._redis = redis
        self._stream = stream
        self._group = group
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"

    async def read(self, count: int, *, block_ms: int) -> list[Entry]:
        """Take up to ``count`` entries that nobody was handed before.

        Waits ``block_ms`` for the first, which must stay below the socket's time-out.
        """
        try:
            reply: Any = await self._redis.xreadgroup(
                self._group, self.name, {self._stream: ">"}, count=count, block=block_ms
            )
        except errors.ResponseError as error:
            await self._make_group(error)
            return []
        pairs = reply[0][1] if reply else []
        return [Entry(id_, fields.get(BODY, b""), 1) for id_, fields in pairs]

    async def claim(
        self, count: int, wait_ms: Callable[[int], int], *, together_until: float = math.inf
    ) -> list[Entry]:
        """Take over up to ``count`` entries, oldest first, that were held longer than ``wait_ms(deliveries)``.

        One that is handed out more than ``together_until`` times comes alone, after the others: if it kills its
        reader, that counts against no other entry.
        """
        overdue: dict[bytes, int] = {}
        after: str | bytes = "-"
        while len(overdue) < count:
            try:
                page: Any = await self._redis.xpending_range(
                    self._stream, self._group, min=after, max="+", count=PAGE, idle=wait_ms(1)
                )
            except errors.ResponseError as error:
                await self._make_group(error)
                return []
            for held in page:
                if held["time_since_delivered"] >= wait_ms(held["times_delivered"]):
                    overdue[held["message_id"]] = held["times_delivered"] + 1
            if len(page) < PAGE:
                break
            after = b"(" + page[-1]["message_id"]
        if not overdue:
            return []
        ids = [id_ for id_, deliveries in overdue.items() if deliveries <= together_until][:count]
        ids = ids or list(overdue)[:1]
        # Of two readers that saw the same entry the second finds it no longer idle, and does not get it.
        pairs: Any = await self._redis.xclaim(self._stream, self._group, self.name, wait_ms(1), cast("list[Any]", ids))
        return [Entry(id_, fields.get(BODY, b""), overdue[id_]) for id_, fields in pairs if id_ is not None]

    async def keep(self, ids: Sequence[bytes], *, idle_ms: int = 0) -> None:
        """Hold entries as if they had been handed out just now, or ``idle_ms`` ago; this counts as no delivery."""
        if ids:
            await self._redis.xclaim(self._stream, self._group, self.name, 0, list(ids), idle=idle_ms, justid=True)

    async def done(self, ids: Sequence[bytes]) -> None:
        """Finish entries: nobody is handed them again, and their memory is freed."""
        if not ids:
            return
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.xack(self._stream, self._group, *ids)
            pipe.xdel(self._stream, *ids)
            await pipe.execute()

    async def leave(self, unfinished: Sequence[bytes] = ()) -> None:
        """Hand back what is unfinished, for others to claim at once, and give up the name; neither if Redis is away."""
        with suppress(errors.RedisError, OSError, TimeoutError):
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await self.keep(unfinished, idle_ms=CLAIM_AFTER_MS)
                held: Any = await self._redis.xpending_range(
                    self._stream, self._group, min="-", max="+", count=1, consumername=self.name
                )
                # With the name of a reader Redis would forget what it holds, and nobody would ever be handed it.
                if not held:
                    await self._redis.xgroup_delconsumer(self._stream, self._group, self.name)

    async def _make_group(self, error: errors.ResponseError) -> None:
        if not str(error).startswith("NOGROUP"):
            raise error
        try:
            await self._redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except errors.ResponseError as raced:
            if not str(raced).startswith("BUSYGROUP"):
                raise


log = structlog.get_logger(__name__)

EVERY_S = 60.0
LATE_S = 60.0
"""Reconcilers apply a report within a second or so, and one that another died over within a minute."""


class Backlog(NamedTuple):
    """What is stored and not yet applied."""

    entries: int
    """Each holds one or more posted bodies."""
    oldest_s: float
    """How long the first has been waiting."""


async def backlog(redis: Redis) -> Backlog:
    """Look at the stream; entries leave it when they are done."""
    entries = int(await redis.xlen(REPORTS))
    oldest: Any = await redis.xrange(REPORTS, count=1)
    if not oldest:
        return Backlog(0, 0.0)
    seconds, microseconds = await redis.time()
    stored_ms = int(oldest[0][0].partition(b"-")[0])
    return Backlog(entries, max(0.0, int(seconds) + int(microseconds) / 1e6 - stored_ms / 1000))


async def watch(redis: Redis, *, every_s: float = EVERY_S, late_s: float = LATE_S) -> None:
    """Warn again and again, as long as reports wait for too long; never ends by itself."""
    while True:
        try:
            waiting = await backlog(redis)
        except (RedisError, OSError) as error:
            log.warning("ledger away", error=type(error).__name__, doing="backlog")
        else:
            if waiting.oldest_s >= late_s:
                log.warning("reports wait for a reconciler", entries=waiting.entries, oldest_s=round(waiting.oldest_s))
        await asyncio.sleep(every_s)
