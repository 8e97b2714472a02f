"""Celery's scheduler for several beats: only the beat that holds the lease sends messages, with the lease's token."""

from pathlib import Path
from typing import Any, Final

import structlog
from celery.beat import ScheduleEntry, Scheduler, SchedulingError

from times_dispatch.ledger.beat_lease import BeatLease
from times_dispatch.tls_options import certificate_problem

log = structlog.get_logger(__name__)

TOKEN_HEADER: Final = "dispatch_beat_token"  # noqa: S105  # a fencing token is no secret
"""The header of a message that carries the fencing token. A worker of an older version ignores the headers."""
SENT_HEADER: Final = "dispatch_beat_sent_ms"
"""The header with the time by Redis' clock."""


def lease_scheduler(lease: BeatLease) -> type[Scheduler]:
    """Return the scheduler of a beat with this lease; Celery makes the object."""

    class LeaseScheduler(Scheduler):
        """Sends the messages of beat, and keeps nothing on disk: every entry is due again a second after the start."""

        def __init__(self, *args: Any, schedule_filename: str = "", **kwargs: Any) -> None:
            self._touched = Path(schedule_filename) if schedule_filename else None
            super().__init__(*args, **kwargs)

        def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
            """Send the message of an entry, or nothing while another beat holds the lease."""
            if not lease.may_send:
                return
            entry.options = {**(entry.options or {}), "headers": {TOKEN_HEADER: lease.token, SENT_HEADER: lease.now_ms}}
            try:
                self.apply_async(entry, producer=producer, advance=False)
            except SchedulingError as error:  # Celery would log two tracebacks each second
                reason = certificate_problem(error) or type(error.__context__ or error).__name__
                log.warning("broker unavailable", reason=reason, doing="wake-up for upkeep")

        def sync(self) -> None:
            """Touch the file of ``--schedule``, so that a health check sees that beat runs; Celery calls this."""
            if self._touched:
                self._touched.touch()

    return LeaseScheduler
