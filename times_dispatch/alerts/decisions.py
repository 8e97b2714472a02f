"""Decides which alerts begin and end, and of which alerts each target is notified. This module does no I/O."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from times_dispatch.alerts.condition import BACKLOG, Condition
from times_dispatch.ledger.monitoring.alerts import AlertKind, AlertRecord, Notification
from times_dispatch.settings.tables.alerts import AlertSettings

CLEAR_AFTER_S: Final = 30.0
"""How long a condition must be absent before its alert is over: a condition that comes and goes is one alert."""
KEPT_WITHOUT_NOTIFICATION_S: Final = 24 * 3600.0
"""After this time nobody is notified of an event, or of the end of an alert."""
CLAIM_S: Final = 300.0
"""A process notifies a target within this time, with all attempts; later, another process may notify the target."""

Records = dict[str, AlertRecord]
"""Alerts by their ids."""


class NotificationKind(StrEnum):
    """The kind of a notification about an alert."""

    OPENED = "opened"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    HAPPENED = "happened"


class DueAlert(NamedTuple):
    """An alert, and the kind of the notification that is due."""

    record: AlertRecord
    kind: NotificationKind


def after_s(kind: AlertKind, subject: str, settings: AlertSettings) -> float:
    """Return how long, in seconds, a condition must hold before people are notified.

    Args:
        kind: the kind of the alert.
        subject: the subject of the condition, as in ``Condition``.
        settings: ``[alerts]``, which holds these times.
    """
    match kind:
        case AlertKind.NO_WORKER | AlertKind.REDIS_AWAY:
            return settings.worker_away_after_s
        case AlertKind.PROVIDER_AWAY:
            return settings.provider_away_after_s
        case AlertKind.REPORTS_BEHIND if subject != BACKLOG:  # the backlog itself has an age
            return settings.reports_behind_after_s
    return 0.0


def updated(
    records: Mapping[str, AlertRecord],
    holding: Iterable[Condition],
    happened: Iterable[Condition],
    settings: AlertSettings,
    *,
    now_ms: int,
) -> Records:
    """Return the alerts after an observation of the ledger.

    Args:
        records: the alerts before the observation.
        holding: the conditions that hold now.
        happened: the events since the last observation.
        settings: ``[alerts]``, which says how long a condition must hold before its alert opens.
        now_ms: the time of the observation, in epoch milliseconds.
    """
    conditions = {condition.id: condition for condition in holding}
    after = Records()
    before = {name: _without_future(record, now_ms) for name, record in records.items()}
    for name, record in before.items():
        if name not in conditions and (kept := record if record.is_event else _absent(record, now_ms)):
            after[name] = kept
    for name, condition in conditions.items():
        after[name] = _present(before.get(name), condition, settings, now_ms)
    for event in happened:
        after.setdefault(event.id, _new(event, now_ms, opened_ms=now_ms, is_event=True))
    return after


def _without_future(record: AlertRecord, now_ms: int) -> AlertRecord:
    """Return the alert without times after *now_ms*, which remain when Redis' clock is set back: no wait is longer."""
    notified = {
        name: msgspec.structs.replace(of_target, last_ms=min(of_target.last_ms, now_ms))
        for name, of_target in record.notified.items()
    }
    seen_ms, absent_ms = min(record.seen_ms, now_ms), min(record.absent_ms, now_ms)
    return msgspec.structs.replace(record, seen_ms=seen_ms, absent_ms=absent_ms, notified=notified)


def _new(condition: Condition, now_ms: int, *, opened_ms: int, is_event: bool) -> AlertRecord:
    return AlertRecord(
        id=condition.id,
        kind=condition.kind,
        sender=condition.sender,
        text=condition.text,
        is_event=is_event,
        seen_ms=now_ms,
        opened_ms=opened_ms,
    )


def _present(record: AlertRecord | None, condition: Condition, settings: AlertSettings, now_ms: int) -> AlertRecord:
    if record is None:
        record = _new(condition, now_ms, opened_ms=0, is_event=False)
    opened_ms = record.opened_ms
    if not opened_ms and now_ms - record.seen_ms >= after_s(condition.kind, condition.subject, settings) * 1000:
        opened_ms = now_ms
    # A condition may return before all targets were notified of its end: the notified targets are notified again.
    notified = {
        name: Notification() if of_target.resolved_ms else of_target for name, of_target in record.notified.items()
    }
    return msgspec.structs.replace(
        record, text=condition.text, absent_ms=0, resolved_ms=0, opened_ms=opened_ms, notified=notified
    )


def _absent(record: AlertRecord, now_ms: int) -> AlertRecord | None:
    """Return an alert whose condition does not hold now; None if the alert never opened."""
    if not record.opened_ms:
        return None
    if record.resolved_ms:
        return record
    if not record.absent_ms:
        return msgspec.structs.replace(record, absent_ms=now_ms)
    if now_ms - record.absent_ms >= CLEAR_AFTER_S * 1000:
        return msgspec.structs.replace(record, resolved_ms=now_ms)
    return record


def is_for(record: AlertRecord, target: str, settings: AlertSettings) -> bool:
    """Say whether a target gets this alert."""
    table = settings.targets[target]
    is_kind = not table.kinds or record.kind in table.kinds
    return is_kind and (not table.senders or not record.sender or record.sender in table.senders)


def due(records: Iterable[AlertRecord], target: str, settings: AlertSettings, *, now_ms: int) -> list[DueAlert]:
    """Return the alerts of which a target is to be notified now, in the order in which the alerts opened."""
    alerts = []
    for record in sorted(records, key=lambda record: (record.opened_ms, record.id)):
        if record.opened_ms and is_for(record, target, settings):
            notified = record.notified.get(target, Notification())
            is_claimed = notified.claimed_ms and abs(now_ms - notified.claimed_ms) < CLAIM_S * 1000
            if not is_claimed and (kind := _kind_of_notification(record, notified, settings.repeat_s(target), now_ms)):
                alerts.append(DueAlert(record, kind))
    return alerts


def _kind_of_notification(
    record: AlertRecord, notified: Notification, repeat_s: int, now_ms: int
) -> NotificationKind | None:
    if record.is_event:
        return None if notified.opened_ms else NotificationKind.HAPPENED
    if record.resolved_ms:
        return None if notified.resolved_ms else NotificationKind.RESOLVED
    if not notified.opened_ms:
        return NotificationKind.OPENED
    return NotificationKind.REPEATED if repeat_s and now_ms - notified.last_ms >= repeat_s * 1000 else None


def claimed(record: AlertRecord, target: str, *, by: str, now_ms: int) -> AlertRecord:
    """Return the alert with the note that the process *by* is about to notify a target."""
    notified = msgspec.structs.replace(record.notified.get(target, Notification()), claimed_ms=now_ms, claimed_by=by)
    return msgspec.structs.replace(record, notified={**record.notified, target: notified})


def unclaimed(record: AlertRecord, target: str) -> AlertRecord:
    """Return the alert with the note that the target was not notified."""
    notified = msgspec.structs.replace(record.notified.get(target, Notification()), claimed_ms=0, claimed_by="")
    return msgspec.structs.replace(record, notified={**record.notified, target: notified})


def after_notification(record: AlertRecord, target: str, kind: NotificationKind, *, at_ms: int) -> AlertRecord:
    """Return the alert with the note that a target was notified."""
    before = record.notified.get(target, Notification())
    if kind is NotificationKind.RESOLVED:
        notified = Notification(opened_ms=before.opened_ms or at_ms, last_ms=before.last_ms or at_ms, resolved_ms=at_ms)
    else:
        notified = Notification(opened_ms=before.opened_ms or at_ms, last_ms=at_ms)
    return msgspec.structs.replace(record, notified={**record.notified, target: notified})


def is_done(record: AlertRecord, settings: AlertSettings, *, now_ms: int) -> bool:
    """Say whether no target has to be notified of an alert any more."""
    ended_ms = record.opened_ms if record.is_event else record.resolved_ms
    if not ended_ms:
        return False
    notified = [
        record.notified.get(target, Notification()) for target in settings.targets if is_for(record, target, settings)
    ]
    if now_ms - ended_ms >= KEPT_WITHOUT_NOTIFICATION_S * 1000:
        return True
    return all(of_target.opened_ms if record.is_event else of_target.resolved_ms for of_target in notified)
