"""Log lines of Flower about requests of strangers: their number is limited, and they hold no text of a request."""

import logging
from typing import Final

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.http_server.refusal_log import SUMMARY_EVERY_S, RefusalLog

_LOGGER: Final = "tornado.general"
"""Tornado logs here, with the path, each request that it cannot read or that a handler refuses with a reason."""


class RefusedRequests(logging.Filter):
    """Replaces the lines of Tornado about refused requests: one line about the first, and one line a minute."""

    def __init__(self, refusals: RefusalLog, *, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__()
        self._refusals = refusals
        self._clock = clock
        self._summarised_at = clock.monotonic()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether Tornado's own line is written: only an error is."""
        if record.levelno >= logging.ERROR:
            return True
        now = self._clock.monotonic()
        if now - self._summarised_at >= SUMMARY_EVERY_S:
            self._refusals.summarise()
            self._summarised_at = now
        self._refusals.warning(
            "a request was refused", reason=str(record.msg)
        )  # the text before foreign values fill it
        return False


def bound_log_lines() -> None:
    """Limit the log lines that strangers cause."""
    logging.getLogger(_LOGGER).addFilter(RefusedRequests(RefusalLog()))
