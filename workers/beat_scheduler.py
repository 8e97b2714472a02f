"""Celery's scheduler for several beats: only the beat that holds the lease sends messages, each with its token."""

from pathlib import Path
from typing import Any, Final

from celery.beat import ScheduleEntry, Scheduler

from times_dispatch.ledger.beat_lease import BeatLease

TOKEN_HEADER: Final = "dispatch_beat_token"  # noqa: S105  # a fencing token is no secret
"""The header of a message that carries the fencing token. A worker of an older version ignores the header."""


def lease_scheduler(lease: BeatLease) -> type[Scheduler]:
    """Return the scheduler of a beat with this lease; Celery makes the object."""

    class LeaseScheduler(Scheduler):
        """Keeps nothing on disk: every entry is due again a second after the start."""

        def __init__(self, *args: Any, schedule_filename: str = "", **kwargs: Any) -> None:
            self._touched = Path(schedule_filename) if schedule_filename else None
            super().__init__(*args, **kwargs)

        def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
            """Send the message of an entry, or nothing while another beat works."""
            if not lease.may_send:
                return
            entry.options = {**(entry.options or {}), "headers": {TOKEN_HEADER: lease.token}}
            super().apply_entry(entry, producer=producer)

        def sync(self) -> None:
            """Touch the file of ``--schedule``, by which a health check sees that beat runs; Celery calls this."""
            if self._touched:
                self._touched.touch()

    return LeaseScheduler
