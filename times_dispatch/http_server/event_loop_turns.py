"""Limits what a server does in one turn of the event loop: parsing, starting requests, forgetting lost connections."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from times_dispatch.clock import SYSTEM_CLOCK, Clock

MAX_TURN_S: Final = 0.002
"""How long connections parse in one turn, and how long lost connections are forgotten in one turn. The parsed requests
are answered in the next turn, which takes several times as long.
"""


class TurnTime:
    """The time in one turn of the event loop for short work of many requests.

    Without this class, short work of each request that starts in a turn would add up to a long turn.
    """

    def __init__(self, max_s: float, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Allow *max_s* seconds in each turn, counted from the first work of the turn."""
        self._max_s = max_s
        self._clock = clock
        self._started_s: float | None = None
        """When the first work of this turn began; None if there was none."""

    def is_left(self) -> bool:
        """Return whether short work may begin in this turn."""
        now_s = self._clock.monotonic()
        if self._started_s is None:
            self._started_s = now_s
            asyncio.get_running_loop().call_soon(self._begin_turn)
        return now_s - self._started_s < self._max_s

    def _begin_turn(self) -> None:
        self._started_s = None


class DeferringConnection(Protocol):
    """A connection that has bytes to parse."""

    def parse_deferred(self) -> bool:
        """Parse a piece of the bytes; return whether bytes are left."""


class DeferringFlowControl(FlowControl):
    """Reads nothing while bytes wait to be parsed: more bytes would wait, and all would be lost if the stream ended."""

    def __init__(self, transport: asyncio.Transport, deferred: bytearray) -> None:
        super().__init__(transport)
        self._deferred = deferred

    def resume_reading(self) -> None:
        """Continue reading, unless bytes wait; the connection calls this method again after it has parsed all bytes."""
        if self.read_paused and not self._deferred:
            super().resume_reading()


class StartingTurns:
    """Starts requests: immediately, or in turn with others.

    Without this class, a request of each of a thousand connections would be answered in one turn of the event loop, if
    the requests before them were answered in the same turn.
    """

    def __init__(self, max_starts: int) -> None:
        """Make the turns of a server that has started no request yet; at most *max_starts* requests start in a turn."""
        self._max_starts = max_starts
        self._waiting: deque[Callable[[], object]] = deque()
        self._started = 0
        """The number of requests that started in this turn."""

    @property
    def is_full(self) -> bool:
        """Whether no further request starts in this turn."""
        return self._started >= self._max_starts

    def may_start(self) -> bool:
        """Count a request that starts now; return False if this turn is full and the request must wait."""
        if self._started == 0:
            asyncio.get_running_loop().call_soon(self._begin_turn)
        if self._started >= self._max_starts:
            return False
        self._started += 1
        return True

    def wait(self, start: Callable[[], object]) -> None:
        """Call *start*, which starts a request, in a later turn."""
        self._waiting.append(start)

    def _begin_turn(self) -> None:
        self._started = 0
        while self._waiting and self.may_start():
            self._waiting.popleft()()


class ForgettingTurns:
    """Forgets lost connections: immediately, or in turn with others.

    Without this class, the server would forget all connections that are lost at one moment in one turn of the event
    loop.
    """

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._waiting: deque[Callable[[], object]] = deque()
        self._started_s: float | None = None
        """When the first connection of this turn was forgotten; None if no connection was lost in this turn."""

    def run(self, forget: Callable[[], object]) -> None:
        """Call *forget*, which forgets a lost connection, now or in a later turn."""
        now_s = self._clock.monotonic()
        if self._started_s is None:
            self._started_s = now_s
            asyncio.get_running_loop().call_soon(self._begin_turn)
        if self._waiting or now_s - self._started_s >= MAX_TURN_S:
            self._waiting.append(forget)
        else:
            forget()

    def _begin_turn(self) -> None:
        started_s = self._clock.monotonic()
        try:
            while self._waiting and self._clock.monotonic() - started_s < MAX_TURN_S:
                self._waiting.popleft()()
        finally:  # otherwise an error of one connection would keep all others
            self._started_s = started_s if self._waiting else None
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._begin_turn)


class ParsingTurns:
    """Decides when connections parse: immediately, or in turn with other connections.

    Without this class, all bytes that a thousand connections receive at one moment would be parsed in one turn of the
    event loop, and nothing else would run meanwhile.
    """

    def __init__(self, starts: StartingTurns, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make the turns of a server whose connections have parsed nothing yet.

        Args:
            starts: nothing is parsed in a turn in which no further request starts, so that few parsed requests wait.
            clock: the clock that measures the time of a turn.
        """
        self._starts = starts
        self._clock = clock
        self._waiting: deque[DeferringConnection] = deque()
        self._started_s: float | None = None
        """When the first connection parsed in this turn; None if no connection has parsed."""

    def has_time(self) -> bool:
        """Return whether a connection may parse now: this turn has time left, and no other connection waits."""
        if self._waiting:
            return False
        now_s = self._clock.monotonic()
        if self._started_s is None:
            self._started_s = now_s
            asyncio.get_running_loop().call_soon(self._begin_turn)
        return not self._starts.is_full and now_s - self._started_s < MAX_TURN_S

    def wait(self, connection: DeferringConnection) -> None:
        """Make a connection, which must not wait yet, wait until each waiting connection has parsed a piece."""
        self._waiting.append(connection)

    def _begin_turn(self) -> None:
        started_s = self._clock.monotonic()
        try:
            while self._waiting and not self._starts.is_full:
                connection = self._waiting.popleft()
                if connection.parse_deferred():
                    self._waiting.append(connection)
                if self._clock.monotonic() - started_s >= MAX_TURN_S:
                    break
        finally:  # otherwise an error of one connection would end all turns
            self._started_s = None
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._begin_turn)
