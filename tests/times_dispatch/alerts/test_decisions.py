"""The beginning and the end of alerts, and the targets that are notified: times just below and at each limit."""

import msgspec
import pytest

from times_dispatch.alerts.condition import BACKLOG, Condition
from times_dispatch.alerts.decisions import (
    CLAIM_S,
    CLEAR_AFTER_S,
    KEPT_WITHOUT_NOTIFICATION_S,
    NotificationKind,
    Records,
    after_notification,
    after_s,
    claimed,
    due,
    is_done,
    unclaimed,
    updated,
)
from times_dispatch.ledger.monitoring.alerts import AlertKind, AlertRecord
from times_dispatch.settings.tables.alerts import AlertSettings, AlertTargetSettings

T0 = 1_790_000_000_000
BRAKED = Condition(kind=AlertKind.BRAKED, subject="campaign:a", sender="TIMESM", text="campaign a is braked")
NO_WORKER = Condition(kind=AlertKind.NO_WORKER, subject="worker", text="no worker since 10:00")
FINISHED = Condition(kind=AlertKind.FINISHED, subject="a:1", sender="TIMESM", text="campaign a is finished")


def settings(**targets: dict[str, object]) -> AlertSettings:
    tables = {name: AlertTargetSettings(**table) for name, table in targets.items()}  # type: ignore[arg-type]
    return AlertSettings(targets=tables or {"oncall": AlertTargetSettings()})


def look(records: Records, *holding: Condition, at_s: float = 0.0, happened: tuple[Condition, ...] = ()) -> Records:
    return updated(records, holding, happened, settings(), now_ms=T0 + int(at_s * 1000))


def tells(
    records: Records, *, at_s: float = 0.0, rules: AlertSettings | None = None, to: str = "oncall"
) -> list[NotificationKind]:
    return [alert.kind for alert in due(records.values(), to, rules or settings(), now_ms=T0 + int(at_s * 1000))]


def told(records: Records, tell: NotificationKind, *, at_s: float) -> Records:
    return {
        name: after_notification(record, "oncall", tell, at_ms=T0 + int(at_s * 1000))
        for name, record in records.items()
    }


def test_a_brake_is_told_once_and_again_only_after_the_time_of_the_rule() -> None:
    records = look({}, BRAKED)
    assert tells(records) == [NotificationKind.OPENED]
    records = look(told(records, NotificationKind.OPENED, at_s=1), BRAKED, at_s=5)
    assert tells(records, at_s=5) == []
    assert tells(records, at_s=4 * 3600) == []
    assert tells(records, at_s=4 * 3600 + 1) == [NotificationKind.REPEATED]
    records = told(records, NotificationKind.REPEATED, at_s=4 * 3600 + 1)
    assert tells(records, at_s=8 * 3600) == []


def test_a_rule_of_no_repetition_tells_once() -> None:
    records = told(look({}, BRAKED), NotificationKind.OPENED, at_s=0)
    assert tells(records, at_s=400 * 86_400, rules=settings(oncall={"repeat": "0s"})) == []


@pytest.mark.parametrize(("away_s", "tell"), [(59.9, []), (60, [NotificationKind.OPENED])])
def test_a_missing_worker_is_told_after_a_minute(away_s: float, tell: list[NotificationKind]) -> None:
    records = look(look({}, NO_WORKER), NO_WORKER, at_s=away_s)
    assert tells(records, at_s=away_s) == tell


def test_times_of_a_clock_that_is_set_back_delay_no_alert_no_repetition_and_no_end() -> None:
    hour_s = 3_600
    records = look(look({}, NO_WORKER, at_s=hour_s), NO_WORKER)
    records = look(records, NO_WORKER, at_s=60)
    assert tells(records, at_s=60) == [NotificationKind.OPENED]
    claims = {name: claimed(record, "oncall", by="1", now_ms=T0 + hour_s * 1000) for name, record in records.items()}
    assert tells(claims, at_s=60) == [NotificationKind.OPENED]
    records = look(told(records, NotificationKind.OPENED, at_s=hour_s), NO_WORKER, at_s=61)
    assert tells(records, at_s=62 + 4 * hour_s) == [NotificationKind.REPEATED]
    records = look(look(records, at_s=9 * hour_s), at_s=70)
    assert tells(look(records, at_s=70 + CLEAR_AFTER_S), at_s=70 + CLEAR_AFTER_S) == [NotificationKind.RESOLVED]


def test_a_worker_that_is_back_within_a_minute_is_no_alert() -> None:
    assert look(look({}, NO_WORKER), at_s=59) == {}


def test_an_alert_is_over_only_after_its_condition_was_absent_for_a_while() -> None:
    records = told(look({}, BRAKED), NotificationKind.OPENED, at_s=0)
    records = look(records, at_s=10)
    assert tells(look(records, at_s=10 + CLEAR_AFTER_S - 0.1), at_s=50) == []
    over = look(records, at_s=10 + CLEAR_AFTER_S)
    assert tells(over, at_s=50) == [NotificationKind.RESOLVED]
    assert not any(is_done(record, settings(), now_ms=T0) for record in over.values())
    over = told(over, NotificationKind.RESOLVED, at_s=50)
    assert tells(over, at_s=51) == []
    assert all(is_done(record, settings(), now_ms=T0) for record in over.values())


def test_a_condition_that_comes_and_goes_is_one_alert() -> None:
    records = told(look({}, BRAKED), NotificationKind.OPENED, at_s=0)
    for at_s in range(10, 200, 20):
        records = look(look(records, at_s=at_s), BRAKED, at_s=at_s + 10)
        assert tells(records, at_s=at_s + 10) == []


def test_a_condition_that_returns_while_somebody_was_not_told_of_its_end_is_told_anew_to_those_who_were() -> None:
    both = settings(oncall={}, mail={})
    records = told(look({}, BRAKED), NotificationKind.OPENED, at_s=0)
    records = look(look(records, at_s=10), at_s=50)
    records = look(told(records, NotificationKind.RESOLVED, at_s=50), at_s=55)
    assert not is_done(records[BRAKED.id], both, now_ms=T0 + 55_000)
    records = look(records, BRAKED, at_s=60)
    assert tells(records, at_s=60, rules=both) == [NotificationKind.OPENED]
    assert tells(records, at_s=60, rules=both, to="mail") == [NotificationKind.OPENED]


def test_an_event_is_told_once_and_ends() -> None:
    records = look({}, happened=(FINISHED,))
    assert tells(records) == [NotificationKind.HAPPENED]
    records = look(told(records, NotificationKind.HAPPENED, at_s=1), happened=(FINISHED,), at_s=5)
    assert tells(records, at_s=5) == []
    assert is_done(records[FINISHED.id], settings(), now_ms=T0 + 5_000)


@pytest.mark.parametrize(
    ("at_s", "done"), [(KEPT_WITHOUT_NOTIFICATION_S - 1, False), (KEPT_WITHOUT_NOTIFICATION_S, True)]
)
def test_an_event_that_no_target_takes_is_given_up_after_a_day(at_s: float, done: bool) -> None:
    records = look({}, happened=(FINISHED,))
    assert is_done(records[FINISHED.id], settings(), now_ms=T0 + int(at_s * 1000)) is done


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, {BRAKED.id, NO_WORKER.id, FINISHED.id}),
        ({"kinds": ["braked"]}, {BRAKED.id}),
        ({"senders": ["OTHERS"]}, {NO_WORKER.id}),
        ({"senders": ["TIMESM"], "kinds": ["finished", "no_worker"]}, {NO_WORKER.id, FINISHED.id}),
    ],
)
def test_a_target_gets_its_kinds_and_its_senders_and_what_concerns_all(
    table: dict[str, object], expected: set[str]
) -> None:
    records = look(look({}, BRAKED, NO_WORKER, happened=(FINISHED,)), BRAKED, NO_WORKER, at_s=60)
    rules = settings(oncall=table)
    assert {alert.record.id for alert in due(records.values(), "oncall", rules, now_ms=T0 + 60_000)} == expected


def test_a_target_that_a_process_is_telling_is_told_by_no_other_until_the_claim_is_old() -> None:
    record = claimed(look({}, BRAKED)[BRAKED.id], "oncall", by="me", now_ms=T0)
    records = {record.id: record}
    assert tells(records, at_s=CLAIM_S - 0.1) == []
    assert tells(records, at_s=CLAIM_S) == [NotificationKind.OPENED]
    assert tells({record.id: unclaimed(record, "oncall")}, at_s=1) == [NotificationKind.OPENED]


def test_the_end_of_an_alert_is_told_also_where_its_begin_could_not_be_notified() -> None:
    records = look(look(look({}, BRAKED), at_s=10), at_s=50)
    assert tells(records, at_s=50) == [NotificationKind.RESOLVED]


def test_an_alert_without_targets_ends_with_its_condition() -> None:
    record: AlertRecord = look({}, BRAKED)[BRAKED.id]
    nobody = AlertSettings()
    assert not is_done(record, nobody, now_ms=T0)
    assert is_done(msgspec.structs.replace(record, resolved_ms=T0), nobody, now_ms=T0)


def test_the_wait_for_reports_follows_its_own_setting_and_the_age_of_the_backlog_counts_once() -> None:
    rules = AlertSettings(reports_behind_after="7m", worker_away_after="1h")
    assert after_s(AlertKind.REPORTS_BEHIND, "reconciler", rules) == 7 * 60
    assert after_s(AlertKind.REPORTS_BEHIND, BACKLOG, rules) == 0
    assert after_s(AlertKind.NO_WORKER, "worker", rules) == 3600
