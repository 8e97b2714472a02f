"""Findings about values that a test cannot give to a real server."""

import pytest

from times_dispatch.ledger.monitoring.alerts import TargetState
from times_dispatch.ledger.monitoring.heartbeats import HeartbeatRecord, ProcessSeen
from times_dispatch.ledger.monitoring.memory_history import MemoryPace
from times_dispatch.ledger.reports.forward_backlog import ForwardBacklog
from times_dispatch.ledger.reports.report_backlog import Backlog
from times_dispatch.status.findings import find
from times_dispatch.status.model import DeploymentStatus, KindStatus, RedisStatus, ReportsStatus, Severity, Stop

MB = 1_000_000


def _found(**fields: object) -> list[tuple[Severity, str]]:
    status = DeploymentStatus(at_ms=1_790_000_000_000, version="1", findings=[], upkeep_since_ms=1, queues={}, **fields)  # type: ignore[arg-type]
    return [(item.severity, item.problem) for item in find(status, max_memory_share=0.9).findings]


@pytest.mark.parametrize(
    ("used_mb", "severities"), [(79, []), (80, [Severity.WARNING]), (89, [Severity.WARNING]), (90, [Severity.CRITICAL])]
)
def test_memory_is_a_warning_first_and_critical_where_nothing_is_taken_any_more(
    used_mb: int, severities: list[Severity]
) -> None:
    warnings = ["memory"] if used_mb >= 80 else []
    redis = RedisStatus(used_bytes=used_mb * MB, max_bytes=100 * MB, warnings=warnings)
    if used_mb >= 90:
        redis = RedisStatus(used_bytes=used_mb * MB, max_bytes=100 * MB)
    assert [severity for severity, _ in _found(redis=redis)] == severities


def test_the_clock_the_disk_and_evicted_keys_are_critical() -> None:
    redis = RedisStatus(max_bytes=MB, ahead_s=61, last_write_ok=False, evicted_keys=3)
    assert [severity for severity, _ in _found(redis=redis)] == [Severity.CRITICAL] * 3


@pytest.mark.parametrize(("oldest_s", "found"), [(599, []), (600, [Severity.WARNING])])
def test_reports_that_wait_long_to_be_forwarded_are_a_warning(oldest_s: float, found: list[Severity]) -> None:
    forward = ForwardBacklog(events=7, oldest_s=oldest_s)
    reports = ReportsStatus(
        backlog=Backlog(0, 0), relay_waiting=0, dead_letters=0, dead_letters_ever=0, forward=forward
    )
    assert [severity for severity, _ in _found(reports=reports)] == found


@pytest.mark.parametrize(("oldest_s", "found"), [(599, []), (600, [Severity.WARNING])])
def test_posts_that_wait_long_to_be_relayed_are_a_warning(oldest_s: float, found: list[Severity]) -> None:
    reports = ReportsStatus(
        backlog=Backlog(0, 0), relay_waiting=3, relay_oldest_s=oldest_s, dead_letters=0, dead_letters_ever=0
    )
    assert [severity for severity, _ in _found(reports=reports)] == found


def test_reports_that_were_never_forwarded_are_named() -> None:
    forward = ForwardBacklog(totals={"taken": 9, "dropped_full": 2, "dropped_old": 1})
    reports = ReportsStatus(
        backlog=Backlog(0, 0), relay_waiting=0, dead_letters=0, dead_letters_ever=0, forward=forward
    )
    ((severity, problem),) = _found(reports=reports)
    assert severity is Severity.NOTE
    assert problem.startswith("3 reports were never forwarded")


def test_a_target_of_alerts_that_takes_nothing_is_named_with_its_reason() -> None:
    targets = {
        "mail": TargetState(notified_ms=1),
        "oncall": TargetState(failing_since_ms=1_789_999_000_000, failures=2, reason="HTTP 401"),
    }
    assert _found(alert_targets=targets) == [
        (Severity.WARNING, "alerts do not reach oncall since 19:26 (HTTP 401)"),
    ]


def test_a_silent_process_is_named() -> None:
    record = HeartbeatRecord(kind="gateway", version="1", host="web1", pid=71, started_ms=0)
    silent = KindStatus(
        kind="gateway", alive=[], silent=[ProcessSeen(record=record, silent_s=40, ahead_s=0)], last_seen_ms=1
    )
    assert _found(kinds=[silent]) == [(Severity.WARNING, "gateway web1:71 has been silent for 40 s")]


@pytest.mark.parametrize(("days", "is_warned"), [(1, True), (3, False)])
def test_memory_that_lasts_less_than_two_days_is_a_warning(days: int, is_warned: bool) -> None:
    pace = MemoryPace(grown_bytes=10 * MB, over_s=24 * 3600, left_bytes=days * 10 * MB)
    assert bool(_found(memory=pace)) == is_warned


def test_the_most_serious_finding_comes_first_and_many_stops_become_one_line() -> None:
    stops = [
        Stop(subject=f"campaign {number}", reason="paused", command=f"dispatch resume {number}", by_person=number < 24)
        for number in range(25)
    ]
    found = _found(redis=RedisStatus(max_bytes=MB, last_write_ok=False), stops=stops)
    assert found[0][0] is Severity.CRITICAL
    assert found[-1] == (Severity.NOTE, "campaign 18: paused")
    assert (Severity.WARNING, "campaign 24: paused") in found, "a campaign that no person paused is always named"
    assert (Severity.WARNING, "5 more senders and campaigns are stopped") in found
