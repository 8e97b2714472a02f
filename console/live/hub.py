"""All subjects that viewers follow, and the events for one viewer."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from console.live.subject import Pieces, Subject
from times_dispatch.clock import SYSTEM_CLOCK, Clock

T = TypeVar("T")

KEEP_ALIVE_S: Final = 5.0
"""After this time without a change a piece is sent again, so that a dead connection is noticed at both ends."""
STREAM_LASTS_S: Final = 3600.0
"""After this time the stream ends, and the browser connects again: nothing lives for ever."""
MAX_STREAMS: Final = 300
"""Streams of all people together; each takes memory for what its browser has not read."""
MAX_STREAMS_OF_USER: Final = 200
"""Streams of one person; a page has one stream."""
CHECK_EVERY_S: Final = 1.0
"""How often a stream asks whether its viewer is still logged in."""


class LiveHub:
    """The subjects of one console process."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._subjects = dict[str, Subject[Any]]()
        self._streams = Counter[str]()
        """The streams of each person."""
        self._is_closed = False

    @property
    def viewers(self) -> int:
        """How many pages follow a subject now."""
        return sum(subject.viewers for subject in self._subjects.values())

    def has_room(self, user: str) -> bool:
        """Return whether a person may open one more stream."""
        return self._streams.total() < MAX_STREAMS and self._streams[user] < MAX_STREAMS_OF_USER

    async def run(self, stop: Any) -> None:
        """Wait for the stop, then end all streams, so that the server need not wait for them."""
        await stop.wait()
        self.close()

    def close(self) -> None:
        """End all streams; new ones end at once."""
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
            self._streams += Counter()  # forgets the names of people without a stream

    @contextmanager
    def following(self, name: str, read: Callable[[], Awaitable[T]]) -> Iterator[Subject[T]]:
        """Follow a subject; it is made for the first viewer, and forgotten after the last.

        Args:
            name: the name of the subject.
            read: reads it; used by the first viewer only.
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

        There are no events if too many streams are open.

        Args:
            name: the name of the subject.
            read: reads the subject.
            user: the name of the viewer.
            kind: viewers of one kind get the same pieces.
            render: makes the pieces.
            is_allowed: whether the viewer may still look; asked every ``CHECK_EVERY_S`` seconds.
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
