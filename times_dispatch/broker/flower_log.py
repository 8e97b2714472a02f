"""Log lines of Flower about requests of untrusted clients: a limited number of lines, without any text of a request."""

import logging
from typing import Final

from times_dispatch.clock import SYSTEM_CLOCK, Clock
from times_dispatch.http_server.refusal_log import SUMMARY_EVERY_S, RefusalLog

_LOGGER: Final = "tornado.general"
"""The logger to which Tornado writes, with the path, each request that is unreadable or refused with a reason."""


class RefusedRequests(logging.Filter):
    """Replaces Tornado's lines about refused requests by a line about the first request and a sum once a minute."""

    def __init__(self, refusals: RefusalLog, *, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__()
        self._refusals = refusals
        self._clock = clock
        self._summarised_at = clock.monotonic()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether Tornado's own line is written; only lines about errors are."""
        if record.levelno >= logging.ERROR:
            return True
        now = self._clock.monotonic()
        if now - self._summarised_at >= SUMMARY_EVERY_S:
            self._refusals.summarise()
            self._summarised_at = now
        match record.args:
            case (int(status), *_):  # Tornado's format is "%d %s: %s": the other values are texts of the request
                self._refusals.warning("a request was refused", status=status)
            case _:
                self._refusals.warning("a request could not be read")
        return False


def bound_log_lines() -> None:
    """Limit the log lines that untrusted clients of Flower cause."""
    logging.getLogger(_LOGGER).addFilter(RefusedRequests(RefusalLog()))
