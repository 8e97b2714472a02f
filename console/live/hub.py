"""All subjects that viewers follow, and the events for one viewer."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from console.live.subject import Pieces, Subject
from times_dispatch.clock import SYSTEM_CLOCK, Clock

T = TypeVar("T")

KEEP_ALIVE_S: Final = 5.0
"""After this many seconds without a change, a piece is sent again, so that both ends notice a dead connection."""
STREAM_LASTS_S: Final = 3600.0
"""After this many seconds a stream ends, and the browser opens a new stream."""
MAX_STREAMS: Final = 300
"""The maximum of open streams; a stream takes memory for the events that its browser has not read."""
MAX_STREAMS_OF_USER: Final = 200
"""The maximum of open streams of one person; a page has one stream."""
CHECK_EVERY_S: Final = 1.0
"""How many seconds pass between two checks whether the viewer of a stream is still logged in."""


class LiveHub:
    """The subjects of one console process."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._subjects = dict[str, Subject[Any]]()
        self._streams = Counter[str]()
        """How many streams each person has open."""
        self._is_closed = False

    @property
    def viewers(self) -> int:
        """The number of pages that follow a subject now."""
        return sum(subject.viewers for subject in self._subjects.values())

    def has_room(self, user: str) -> bool:
        """Return whether a person may open one more stream."""
        return self._streams.total() < MAX_STREAMS and self._streams[user] < MAX_STREAMS_OF_USER

    async def run(self, stop: Any) -> None:
        """Wait for the stop, then end all streams, so that the server need not wait for them."""
        await stop.wait()
        self.close()

    def close(self) -> None:
        """End all streams; streams that begin later end at once."""
        self._is_closed = True
        for subject in self._subjects.values():
            subject.end()

    @contextmanager
    def _counted(self, user: str) -> Iterator[None]:
        self._streams[user] += 1
        try:
            yield
        finally:
            self._streams[user] -= 1
            self._streams += Counter()  # drops the names of people without a stream

    @contextmanager
    def following(self, name: str, read: Callable[[], Awaitable[T]]) -> Iterator[Subject[T]]:
        """Follow a subject; the subject is made for the first viewer, and dropped after the last viewer.

        Args:
            name: the name of the subject.
            read: reads the subject; only the first viewer's function is used.
        """
        subject: Subject[T] = self._subjects.setdefault(name, Subject(read, clock=self._clock))
        if subject.is_over:
            subject = self._subjects[name] = Subject(read, clock=self._clock)
        if self._is_closed:
            subject.end()
        subject.enter()
        try:
            yield subject
        finally:
            subject.leave()
            if subject.viewers == 0 and self._subjects.get(name) is subject:
                del self._subjects[name]

    async def events(
        self,
        name: str,
        read: Callable[[], Awaitable[T]],
        *,
        user: str,
        kind: Hashable,
        render: Callable[[T], Pieces],
        is_allowed: Callable[[], bool],
    ) -> AsyncIterator[bytes]:
        """Yield the events for one viewer, first every piece, then each piece that changed.

        No event comes if too many streams are open.

        Args:
            name: the name of the subject.
            read: reads the subject.
            user: the name of the viewer.
            kind: viewers of one kind get the same pieces.
            render: makes the pieces.
            is_allowed: returns whether the viewer may still see the page; called every ``CHECK_EVERY_S`` seconds.
        """
        if not self.has_room(user):
            return
        number, began = 0, self._clock.monotonic()
        checked_at = spoke_at = began
        with self._counted(user), self.following(name, read) as subject:
            while True:
                if subject.number == number and not subject.is_over:
                    await subject.wait()
                now, message = self._clock.monotonic(), b""
                if subject.is_over or now - began >= STREAM_LASTS_S:
                    return
                if now - checked_at >= CHECK_EVERY_S:
                    if not is_allowed():
                        return
                    checked_at = now
                if subject.number != number:
                    message = subject.message(kind, render, after=number)
                    number = subject.number
                if not message and now - spoke_at >= KEEP_ALIVE_S:
                    message = subject.sign_of_life
                if message:
                    spoke_at = now
                    yield message
