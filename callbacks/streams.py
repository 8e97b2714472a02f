"""The Redis streams between receiver, reconciler, relay and dead letters: their names, limits and entries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.ledger import keys
from times_dispatch.ledger.reports.posted_requests import REQUEST
from times_dispatch.settings.model import CallbackSettings

REPORTS: Final = keys.REPORTS
"""Posted bodies that the receiver stored and no reconciler has finished; an entry holds one body or more (``pack``)."""

RELAY: Final = keys.RELAY
"""Posted bodies of another system of the same account, which wait to be posted to that system; one in each entry."""

RELAY_ID: Final = keys.RELAY_ID
"""String: the name of this ledger's relays in the header Via, so that a receiver recognizes bodies that they posted."""

DEAD_LETTERS: Final = keys.DEAD_LETTERS
"""Dead letters: rows that could not be used, each with its reason."""

FOREIGN_DEAD_LETTERS: Final = keys.FOREIGN_DEAD_LETTERS
"""Dead letters of other systems, in a stream of their own, so that a flood of such rows pushes out no row of ours."""

LONG_DEAD_LETTERS: Final = keys.LONG_DEAD_LETTERS
LONG_FOREIGN_DEAD_LETTERS: Final = keys.LONG_FOREIGN_DEAD_LETTERS
"""The same two streams for long rows, of which fewer are kept."""

DEAD_LETTER_TOTALS: Final = keys.DEAD_LETTER_TOTALS
"""Hash: reason → how many rows were ever moved to the dead letters for this reason."""

VIA: Final = b"via"
"""The field that names the relays of other ledgers through which a body came, as in the header Via; missing if none."""
FROM_LINKS: Final = b"l"
"""The field that says that the links process wrote the entry: the ids of visits in it are true. The receiver never
writes this field, so a client that posts cannot invent ids."""
BODY: Final = b"b"
"""The field of an entry that holds its payload, in all of these streams."""
VERSION: Final = b"v"
"""The field with the version of an entry's form, in decimal, in all of these streams; missing in entries of the first
form, so that today's entries do without. A release that changes the form adds this field to its entries."""
_KNOWN_VERSION: Final = b"1"

_MB: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class StreamLimits:
    """How many bytes of Redis' memory the streams may take, approximately."""

    max_waiting_bytes: int = 1024 * _MB
    """The size of ``reports`` above which the receiver takes no more reports."""
    max_relay_bytes: int = 512 * _MB
    """The size of ``relay`` above which more bodies become dead letters."""
    max_dead_letter_bytes: int = 256 * _MB
    """The size of each of the four streams of dead letters; the oldest rows are deleted for new rows."""

    @classmethod
    def of(cls, callbacks: CallbackSettings) -> "StreamLimits":
        """Return the limits of the settings."""
        return cls(
            max_waiting_bytes=callbacks.max_waiting_mb * _MB,
            max_relay_bytes=callbacks.max_relay_mb * _MB,
            max_dead_letter_bytes=callbacks.max_dead_letters_mb * _MB,
        )


DEFAULT_STREAM_LIMITS: Final = StreamLimits()


def is_known(fields: Mapping[bytes, bytes]) -> bool:
    """Say whether this release can read an entry with these fields.

    A reconciler and a relay leave other entries to the processes of the release that wrote them, and the dead letters
    keep them.
    """
    return fields.get(VERSION, _KNOWN_VERSION) == _KNOWN_VERSION


async def stream_bytes(redis: Redis, stream: str, *, samples: int | None = None) -> int:
    """Return how many bytes a stream takes; 0 without the permission for the command. Raises other Redis errors.

    Args:
        redis: where the stream is.
        stream: the key of the stream.
        samples: from how many of the oldest entries the bytes are estimated; None: five; 0: all entries are read.
    """
    try:
        return int(await redis.memory_usage(stream, samples=samples) or 0)
    except NoPermissionError:
        return 0


class MeasuredStream:
    """A stream whose bytes are measured from all its entries: new entries may be much longer than the oldest ones.

    A measurement of 100,000 long entries takes Redis 50 ms, so a stream with many entries is measured every few
    seconds. Between two measurements the bytes are those of the last one and those that this process added.
    """

    def __init__(
        self,
        redis: Redis,
        stream: str,
        *,
        few_entries: int = 1_000,
        measure_every_s: float = 5.0,
        full_every_s: float = 1.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Make a measured stream.

        Args:
            redis: where the stream is.
            stream: the key of the stream.
            few_entries: a stream with at most so many entries is measured at each call.
            measure_every_s: how often a stream with more entries is measured.
            full_every_s: how often it is measured while it seems to be full, because entries may have left it since.
            clock: times the measurements.
        """
        self._redis = redis
        self._stream = stream
        self._few_entries = few_entries
        self._measure_every_s = measure_every_s
        self._full_every_s = full_every_s
        self._clock = clock
        self._bytes = 0
        self._measured_s = float("-inf")

    async def has_room(self, added: int, *, entries: int, max_bytes: int) -> bool:
        """Return whether a stream of so many entries has room for *added* bytes. Raises Redis errors."""
        now = self._clock.monotonic()
        every_s = self._measure_every_s if self._bytes + added <= max_bytes else self._full_every_s
        if entries <= self._few_entries or now >= self._measured_s + every_s:
            self._bytes = await stream_bytes(self._redis, self._stream, samples=0)
            self._measured_s = now
        return self._bytes + added <= max_bytes

    def add(self, size: int) -> None:
        """Note that this process added entries that take so many bytes."""
        self._bytes += size


def pack(bodies: Sequence[bytes]) -> bytes:
    """Make the payload of one entry of ``reports`` from posted bodies."""
    return msgspec.msgpack.encode(bodies)


def unpack(payload: bytes) -> list[bytes]:
    """Return the bodies in the payload of an entry of ``reports``; raise ``msgspec.DecodeError`` if it has none."""
    return _UNPACKER.decode(payload)


def posted_bodies(payload: bytes) -> list[bytes]:
    """Return the bodies in the payload of an entry; the payload of an entry that the receiver did not write is one."""
    try:
        return unpack(payload)
    except msgspec.DecodeError:
        return [payload]


_UNPACKER = msgspec.msgpack.Decoder(list[bytes])


def pack_requests(requests: Sequence[bytes]) -> bytes:
    """Make the field REQUEST of an entry of ``reports``; empty if no request is kept (``posted_requests``)."""
    return pack(requests) if any(requests) else b""


def fields_of(payload: bytes, via: bytes, *, from_links: bool = False, request: bytes = b"") -> dict[Any, Any]:
    """Return the fields of an entry of ``reports`` or ``relay``."""
    fields: dict[Any, Any] = {BODY: payload}
    if request:
        fields[REQUEST] = request
    if via:
        fields[VIA] = via
    if from_links:
        fields[FROM_LINKS] = b"1"
    return fields


async def store_one_by_one(
    redis: Redis, bodies: Sequence[bytes], requests: Sequence[bytes], *, via: bytes = b"", from_links: bool = False
) -> None:
    """Add posted bodies that came through the same relays to ``reports``, each as an entry. Raises Redis errors.

    Args:
        redis: where the stream is.
        bodies: the bodies.
        requests: for each body, the request in which it was posted; empty if it was not kept (``posted_requests``).
        via: the relays of other ledgers through which the bodies came (``VIA``).
        from_links: whether the links process stored the bodies (``FROM_LINKS``).
    """
    async with redis.pipeline(transaction=False) as pipe:
        for body, request in zip(bodies, requests, strict=True):
            fields = fields_of(pack([body]), via, from_links=from_links, request=pack_requests([request]))
            pipe.xadd(REPORTS, fields)
        raise_first(await pipe.execute(raise_on_error=False))


def raise_first(replies: Sequence[Any]) -> None:
    """Raise the first error among a pipeline's replies.

    ``Pipeline.execute`` would raise an error that quotes the command, and the command may hold a recipient's words.
    """
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
