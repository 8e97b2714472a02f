"""Log lines about refused requests: untrusted clients cause these lines, so the number of lines is limited."""

import asyncio
from typing import Any, Final

import structlog

from times_dispatch.clock import SYSTEM_CLOCK, Clock

log = structlog.get_logger(__name__)

SUMMARY_EVERY_S: Final = 60.0


class RefusalLog:
    """Logs the first refusal of each kind immediately, and the number of further refusals in one line a minute."""

    def __init__(self) -> None:
        self._repeated: dict[str, int] = {}
        """The number of refusals of each kind that followed the first refusal since the last summary."""

    def warning(self, event: str, **fields: Any) -> None:
        """Log a refusal, unless a refusal of the same kind was logged since the last summary.

        Args:
            event: the kind of the refusal, a constant text.
            fields: further fields of the line, without any text of the request.
        """
        if event in self._repeated:
            self._repeated[event] += 1
        else:
            self._repeated[event] = 0
            log.warning(event, **fields)

    def summarise(self) -> None:
        """Log how many refusals followed the first of each kind; the next refusal is logged immediately again."""
        repeated = {event: number for event, number in self._repeated.items() if number}
        self._repeated.clear()
        if repeated:
            log.warning("more requests were refused", requests=repeated)

    async def run(self, stop: asyncio.Event, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Log a summary once a minute until the stop is set, and at the stop."""
        while not stop.is_set():
            await clock.wait(stop, SUMMARY_EVERY_S)
            self.summarise()
