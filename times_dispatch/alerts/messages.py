"""The messages to targets: a title, and a line for each alert."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from times_dispatch.alerts.decisions import DueAlert, NotificationKind
from times_dispatch.settings.values.durations import format_duration

_MAX_LINES: Final = 20
"""The number of alerts in one message; some services cut long messages."""
_MAX_TITLE: Final = 120


class AlertMessage(NamedTuple):
    """One message to one target, about one alert or several."""

    title: str
    body: str
    level: str
    """How the target shows the message: info, success or warning, as apprise calls the levels."""


def message_of(alerts: Sequence[DueAlert], *, name: str, now_ms: int) -> AlertMessage:
    """Write a message about alerts.

    Args:
        alerts: at least one.
        name: the name of the deployment; empty if there is none.
        now_ms: the current time, in epoch milliseconds.
    """
    lines = [_line(alert, now_ms) for alert in alerts[:_MAX_LINES]]
    if len(alerts) > _MAX_LINES:
        lines.append(f"and {len(alerts) - _MAX_LINES:,} more: dispatch alerts list")
    title = f"{name}: {lines[0]}" if len(alerts) == 1 else f"{name}: {len(alerts):,} alerts"
    return AlertMessage(_cut(title), "\n".join(lines), _level(alerts))


def _line(alert: DueAlert, now_ms: int) -> str:
    record = alert.record
    match alert.kind:
        case NotificationKind.RESOLVED:
            lasted = format_duration((record.resolved_ms - record.opened_ms) / 1000)
            return f"over after {lasted}: {record.text}"
        case NotificationKind.REPEATED:
            return f"still, for {format_duration((now_ms - record.opened_ms) / 1000)}: {record.text}"
        case NotificationKind.OPENED | NotificationKind.HAPPENED:
            return record.text


def _level(alerts: Sequence[DueAlert]) -> str:
    kinds = {alert.kind for alert in alerts}
    if kinds & {NotificationKind.OPENED, NotificationKind.REPEATED}:
        return "warning"
    return "success" if NotificationKind.RESOLVED in kinds else "info"


def _cut(title: str) -> str:
    return title if len(title) <= _MAX_TITLE else f"{title[: _MAX_TITLE - 1]}…"
