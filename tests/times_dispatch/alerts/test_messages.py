"""The text of a message about one alert, and about many alerts."""

import pytest

from times_dispatch.alerts.decisions import DueAlert, NotificationKind
from times_dispatch.alerts.messages import AlertMessage, message_of
from times_dispatch.ledger.monitoring.alerts import AlertRecord

T0 = 1_790_000_000_000


def alert(tell: NotificationKind, number: int = 1) -> DueAlert:
    record = AlertRecord(
        id=f"braked:{number}",
        kind="braked",
        text=f"campaign {number} is braked",
        seen_ms=T0,
        opened_ms=T0,
        resolved_ms=T0 + 90_000 if tell is NotificationKind.RESOLVED else 0,
    )
    return DueAlert(record, tell)


@pytest.mark.parametrize(
    ("tell", "line", "level"),
    [
        (NotificationKind.OPENED, "campaign 1 is braked", "warning"),
        (NotificationKind.REPEATED, "still, for 4h: campaign 1 is braked", "warning"),
        (NotificationKind.RESOLVED, "over after 2m: campaign 1 is braked", "success"),
        (NotificationKind.HAPPENED, "campaign 1 is braked", "info"),
    ],
)
def test_one_alert_is_title_and_line(tell: NotificationKind, line: str, level: str) -> None:
    message = message_of([alert(tell)], name="production", now_ms=T0 + 4 * 3_600_000)
    assert message == AlertMessage(f"production: {line}", line, level)


def test_many_alerts_are_one_message_of_at_most_twenty_lines() -> None:
    message = message_of([alert(NotificationKind.OPENED, number) for number in range(25)], name="sms", now_ms=T0)
    lines = message.body.splitlines()
    assert message.title == "sms: 25 alerts"
    assert len(lines) == 21
    assert lines[-1] == "and 5 more: dispatch alerts list"


def test_a_title_is_short() -> None:
    assert len(message_of([alert(NotificationKind.OPENED)], name="n" * 200, now_ms=T0).title) == 120
