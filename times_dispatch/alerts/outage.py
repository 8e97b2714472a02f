"""The alert that the ledger is unavailable. One process keeps the alert in memory, because the ledger cannot."""

import msgspec

from times_dispatch.alerts.decisions import DueAlert, NotificationKind
from times_dispatch.clock import Clock
from times_dispatch.ledger.monitoring.alerts import AlertKind, AlertRecord

_TEXT = (
    "Redis cannot be used: nothing is sent and no report is taken; "
    "start it, wait if it loads its data, or correct DISPATCH_REDIS_URL"
)


class LedgerOutage:
    """Whether the ledger is unavailable, and which targets were notified.

    Only the process that held the lease before the outage notifies people, or a process that never reached the ledger.
    So two processes do not notify people of the same outage.
    """

    def __init__(self, *, after_s: float, clock: Clock) -> None:
        """Begin without an outage; people are notified after an outage of *after_s* seconds."""
        self._after_s = after_s
        self._clock = clock
        self._record: AlertRecord | None = None
        self._notified = dict[str, NotificationKind]()

    def note_failure(self, *, notifies: bool) -> None:
        """Note that the ledger could not be used; *notifies* says whether this process notifies people."""
        now_ms = self._now_ms()
        if self._record is None or self._record.resolved_ms:
            if not notifies:
                return
            self._notified.clear()
            self._record = AlertRecord(
                id=f"{AlertKind.REDIS_AWAY}:redis", kind=AlertKind.REDIS_AWAY, text=_TEXT, seen_ms=now_ms
            )
        if not self._record.opened_ms and now_ms - self._record.seen_ms >= self._after_s * 1000:
            self._record = msgspec.structs.replace(self._record, opened_ms=now_ms)

    def note_success(self) -> None:
        """Note that the ledger was used."""
        if self._record and not self._record.opened_ms:
            self._record = None
        elif self._record and not self._record.resolved_ms:
            self._record = msgspec.structs.replace(self._record, resolved_ms=self._now_ms())

    def due(self, target: str) -> DueAlert | None:
        """Return the alert of which a target is to be notified now; None if there is none."""
        if self._record is None or not self._record.opened_ms:
            return None
        if self._record.resolved_ms:
            is_due = self._notified.get(target) is NotificationKind.OPENED
            return DueAlert(self._record, NotificationKind.RESOLVED) if is_due else None
        return None if target in self._notified else DueAlert(self._record, NotificationKind.OPENED)

    def note_sent(self, target: str, kind: NotificationKind) -> None:
        """Note that a target was notified."""
        self._notified[target] = kind

    def _now_ms(self) -> int:
        return int(self._clock.monotonic() * 1000) + 1
