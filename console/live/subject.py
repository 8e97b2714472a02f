"""A subject that viewers follow: read at intervals while somebody looks, and rendered once for viewers of one kind."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

import structlog
from redis.exceptions import RedisError

from times_dispatch.archive.errors import ArchiveError
from times_dispatch.clock import Clock
from times_dispatch.ledger.connection import RedisUnavailable
from times_dispatch.ledger.errors import CampaignArchived, CampaignDamaged, CampaignUnknown

T = TypeVar("T")
log = structlog.get_logger(__name__)

EVERY_S: Final = 0.4
"""The time between two readings of a subject."""


class Piece(NamedTuple):
    """A piece of a page."""

    html: str
    version: Hashable = None
    """What tells one state of the piece from another; None: its HTML does."""

    @property
    def state(self) -> Hashable:
        """The state of the piece: it is sent again when its state is another one."""
        return self.html if self.version is None else self.version


Pieces = Mapping[str, Piece]
"""The pieces of a page, by the names of their events."""


class LiveEvent(NamedTuple):
    """A piece as it is sent to all viewers of one kind."""

    state: Hashable
    """The state of the piece."""
    data: bytes


_UNAVAILABLE: Final = (RedisError, RedisUnavailable, OSError, TimeoutError)


class Subject(Generic[T]):
    """One thing that viewers look at."""

    def __init__(self, read: Callable[[], Awaitable[T]], *, clock: Clock) -> None:
        """Make a subject that nobody looks at yet.

        Args:
            read: reads the ledger.
            clock: times the readings.
        """
        self._read = read
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._rendered = dict[Hashable, Mapping[str, LiveEvent]]()
        self.viewers = 0
        self.number = 0
        """The number of the last reading; 0 before the first."""
        self.value: T | None = None
        """What was read last; None before the first reading."""
        self.is_unavailable = False
        """Whether the ledger did not answer the last time."""
        self.is_over = False
        """Whether there is nothing more to look at: the campaign has gone."""

    def enter(self) -> None:
        """Count one more viewer; the first starts the reader."""
        self.viewers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def leave(self) -> None:
        """Count one viewer less; the last ends the reader."""
        self.viewers -= 1
        if self.viewers == 0 and self._task is not None:
            self._task.cancel()
            self._task = None

    async def wait_after(self, number: int, *, timeout_s: float) -> None:
        """Wait for a reading after a number, at most for some seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.number <= number and not self.is_over:
                    await self._changed.wait()
        except TimeoutError:
            return

    def events(self, kind: Hashable, render: Callable[[T], Pieces]) -> Mapping[str, LiveEvent]:
        """Return the pieces of the last reading as events, made once for each kind of viewers."""
        if self.value is None:
            return {}
        if kind not in self._rendered:
            pieces = render(self.value).items()
            self._rendered[kind] = {name: LiveEvent(piece.state, event(name, piece.html)) for name, piece in pieces}
        return self._rendered[kind]

    def end(self) -> None:
        """Wake all viewers: there is nothing more to look at."""
        self.is_over = True
        self._wake()

    async def _run(self) -> None:
        while not self.is_over:
            began = self._clock.monotonic()
            try:
                value = await self._read()
            except (CampaignUnknown, CampaignDamaged, CampaignArchived, ArchiveError):
                self.end()
                return
            except _UNAVAILABLE as error:
                if not self.is_unavailable:
                    log.warning("the ledger does not answer the live pages", error=type(error).__name__)
                self.is_unavailable = True
            else:
                self.value, self.is_unavailable = value, False
                self._rendered.clear()
            self.number += 1
            self._wake()
            # A reading that takes long, of very many campaigns, must not keep the console and Redis busy all the time.
            await self._clock.sleep(max(EVERY_S, self._clock.monotonic() - began))

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def event(name: str, data: str) -> bytes:
    """Return a server-sent event; each line of the data is a line of the event."""
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
