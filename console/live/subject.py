"""A subject that viewers follow: read at intervals while it has viewers, and rendered once for viewers of one kind."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

import structlog
from redis.exceptions import RedisError

from times_dispatch.archive.errors import ArchiveError
from times_dispatch.clock import Clock
from times_dispatch.ledger.connection import RedisUnavailable
from times_dispatch.ledger.errors import CampaignArchived, CampaignDamaged, CampaignUnknown
from times_dispatch.tls_options import connection_problem

T = TypeVar("T")
log = structlog.get_logger(__name__)

EVERY_S: Final = 0.5
"""Seconds between two readings of a subject."""
WAKE_EVERY_S: Final = 2.5
"""Viewers are woken after this many seconds even if the ledger does not answer, so that each stream sends an event."""
LEDGER_PIECE: Final = "ledger"
"""The piece that says whether the ledger answers."""
_UNAVAILABLE: Final = (
    '<p class="note critical"><span class="sign" aria-hidden="true">✗</span> Redis does not answer: the figures are of '
    "the time before. Sending has stopped too, and goes on by itself when Redis is back.</p>"
)


class Piece(NamedTuple):
    """A piece of a page."""

    html: str
    version: Hashable = None
    """The value that changes when the piece changes; None: the HTML of the piece is this value."""

    @property
    def state(self) -> Hashable:
        """The state of the piece; the piece is sent again when its state has changed."""
        return self.html if self.version is None else self.version


Pieces = Mapping[str, Piece]
"""The pieces of a page, by the names of their events."""


class _Event(NamedTuple):
    """A piece as it is sent to all viewers of one kind."""

    state: Hashable
    """The state of the piece."""
    data: bytes
    since: int
    """The number of the last reading that changed the piece."""


class _Rendering:
    """The pieces of the last reading for viewers of one kind, and the texts that were made of them."""

    def __init__(self, number: int, events: Mapping[str, _Event]) -> None:
        self.number = number
        """The number of the reading."""
        self.events = events
        self.messages = dict[int, bytes]()
        """The text that viewers get, by the number of the reading that they have."""


_LEDGER_FAILS: Final = (RedisError, RedisUnavailable, OSError, TimeoutError)


class Subject(Generic[T]):
    """One page that viewers follow together."""

    def __init__(self, read: Callable[[], Awaitable[T]], *, clock: Clock) -> None:
        """Make a subject without viewers.

        Args:
            read: reads the ledger.
            clock: times the readings.
        """
        self._read = read
        self._clock = clock
        self._tasks = list[asyncio.Task[None]]()
        self._changed = asyncio.Event()
        self._rendered = dict[Hashable, _Rendering]()
        self._ledger = _Event(False, event(LEDGER_PIECE, ""), 0)
        self.viewers = 0
        self.number = 0
        """The number of the last reading that differs from the reading before; 0 before the first reading."""
        self.value: T | None = None
        """The result of the last reading; None before the first reading."""
        self.is_over = False
        """Whether the subject no longer exists: its campaign has left the ledger."""

    @property
    def is_unavailable(self) -> bool:
        """Return whether the ledger did not answer the last reading."""
        return bool(self._ledger.state)

    @property
    def sign_of_life(self) -> bytes:
        """Return the event that a stream sends when nothing changes: scripts in a browser do not see an empty line."""
        return self._ledger.data

    def enter(self) -> None:
        """Count one more viewer; the first viewer starts the reader."""
        self.viewers += 1
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._wake_sometimes())]

    def leave(self) -> None:
        """Count one viewer less; the last viewer ends the reader."""
        self.viewers -= 1
        if self.viewers == 0:
            for task in self._tasks:
                task.cancel()
            self._tasks.clear()

    async def wait(self) -> None:
        """Wait for the next reading, at most ``WAKE_EVERY_S`` seconds."""
        await self._changed.wait()

    def message(self, kind: Hashable, render: Callable[[T], Pieces], *, after: int) -> bytes:
        """Return the events of the pieces that changed after a reading, as one text for all viewers of that reading.

        Args:
            kind: viewers of one kind get the same pieces.
            render: makes the pieces; used once for each kind and reading.
            after: the number of the reading that the viewer has; with 0, every piece is in the message.
        """
        rendering = self._rendering(kind, render)
        if after not in rendering.messages:
            events = (*rendering.events.values(), self._ledger)
            rendering.messages[after] = b"".join(each.data for each in events if not after or each.since > after)
        return rendering.messages[after]

    def _rendering(self, kind: Hashable, render: Callable[[T], Pieces]) -> _Rendering:
        last = self._rendered.get(kind)
        if last is not None and last.number == self.number:
            return last
        before = last.events if last is not None else {}
        if self.value is None:
            events: Mapping[str, _Event] = {}
        elif last is not None and self.is_unavailable:
            events = before  # the value is that of an earlier reading
        else:
            pieces = render(self.value).items()
            events = {name: self._event(name, piece, before.get(name)) for name, piece in pieces}
        self._rendered[kind] = _Rendering(self.number, events)
        return self._rendered[kind]

    def _event(self, name: str, piece: Piece, before: _Event | None) -> _Event:
        """Return a piece as an event; HTML that differs while the state is the same is sent to new viewers only."""
        since = before.since if before is not None and before.state == piece.state else self.number
        return _Event(piece.state, event(name, piece.html), since)

    def end(self) -> None:
        """Mark the subject as over, and wake all viewers."""
        self.is_over = True
        self._wake()

    async def _run(self) -> None:
        try:
            while not self.is_over:
                began = self._clock.monotonic()
                await self._read_once()
                # No pause is shorter than its reading: very many campaigns must not keep Redis busy all the time.
                await self._clock.sleep(max(EVERY_S, self._clock.monotonic() - began))
        finally:
            self.end()  # also after an unexpected error: without readings, a stream must end

    async def _read_once(self) -> None:
        try:
            value = await self._read()
        except (CampaignUnknown, CampaignDamaged, CampaignArchived, ArchiveError):
            self.end()
        except _LEDGER_FAILS as error:
            if not self.is_unavailable:
                log.warning("the ledger does not answer the live pages", error=connection_problem(error))
            self._next(is_unavailable=True)
        else:
            # A reading without a change is not rendered, not compared piece by piece, and wakes no viewer.
            if self.is_unavailable or self.value is None or value != self.value:
                self.value = value
                self._next(is_unavailable=False)

    def _next(self, *, is_unavailable: bool) -> None:
        """Give the reading a number, and wake all viewers."""
        self.number += 1
        if is_unavailable is not self._ledger.state:
            data = event(LEDGER_PIECE, _UNAVAILABLE if is_unavailable else "")
            self._ledger = _Event(is_unavailable, data, self.number)
        self._wake()

    async def _wake_sometimes(self) -> None:
        """Wake the viewers also while a reading takes long: one task is cheaper than a time-out of each viewer."""
        while not self.is_over:
            await self._clock.sleep(WAKE_EVERY_S)
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def event(name: str, data: str) -> bytes:
    """Return a server-sent event; each line of the data is a line of the event."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
