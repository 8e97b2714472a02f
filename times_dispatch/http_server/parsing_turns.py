"""Bounds the time that the connections of a server parse in one turn of the event loop."""

import asyncio
from collections import deque
from typing import Final, Protocol

from uvicorn.protocols.http.flow_control import FlowControl

from times_dispatch.clock import SYSTEM_CLOCK, Clock

MAX_TURN_S: Final = 0.002
"""How long connections parse in one turn. The requests that they start are answered in the next turn, which takes
several times as long."""


class DeferringConnection(Protocol):
    """A connection that has bytes to parse."""

    def parse_deferred(self) -> bool:
        """Parse a piece of the bytes; return whether bytes are left."""


class DeferringFlowControl(FlowControl):
    """Reads nothing while bytes wait to be parsed: more would wait, and all would be lost at the end of the stream."""

    def __init__(self, transport: asyncio.Transport, deferred: bytearray) -> None:
        super().__init__(transport)
        self._deferred = deferred

    def resume_reading(self) -> None:
        """Read again, unless bytes wait; who parses the last of them reads again."""
        if self.read_paused and not self._deferred:
            super().resume_reading()


class ParsingTurns:
    """Tells connections when to parse: at once, or in turn with the others.

    Without it, all bytes that a thousand connections receive at one moment would be parsed in one turn of the event
    loop, and nothing else would run meanwhile.
    """

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Make turns of connections that have parsed nothing yet.

        Args:
            clock: the clock that the time of a turn is measured by.
        """
        self._clock = clock
        self._waiting: deque[DeferringConnection] = deque()
        self._started_s: float | None = None
        """When the first connection parsed in this turn; None if none has."""

    def has_time(self) -> bool:
        """Return whether a connection may parse now: this turn has time left, and no other connection waits."""
        if self._waiting:
            return False
        now_s = self._clock.monotonic()
        if self._started_s is None:
            self._started_s = now_s
            asyncio.get_running_loop().call_soon(self._begin_turn)
        return now_s - self._started_s < MAX_TURN_S

    def wait(self, connection: DeferringConnection) -> None:
        """Let a connection, which is not waiting, parse when the others that wait have parsed a piece each."""
        self._waiting.append(connection)

    def _begin_turn(self) -> None:
        started_s = self._clock.monotonic()
        try:
            while self._waiting:
                connection = self._waiting.popleft()
                if connection.parse_deferred():
                    self._waiting.append(connection)
                if self._clock.monotonic() - started_s >= MAX_TURN_S:
                    break
        finally:  # else an error of one connection would end the turns of all
            self._started_s = None
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._begin_turn)
