"""The families of a snapshot."""

import shutil
import subprocess
from collections.abc import Sequence
from datetime import date

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.kit.observation import sender_view
from times_dispatch.ledger.monitoring.heartbeats import HeartbeatRecord, ProcessSeen
from times_dispatch.ledger.reports.forward_backlog import ForwardBacklog
from times_dispatch.ledger.reports.report_backlog import Backlog
from times_dispatch.ledger.sender_view import UnavailableProvider
from times_dispatch.ledger.statistics.figures import statistics_of
from times_dispatch.metrics.counted import Counted
from times_dispatch.metrics.families import SnapshotCollector
from times_dispatch.metrics.reader import LedgerFigures, SenderWork, Snapshot
from times_dispatch.status.model import (
    DeploymentStatus,
    KindStatus,
    RedisStatus,
    ReportsStatus,
    Severity,
    StatusFinding,
)


def _registry(ledger: LedgerFigures | None, kinds: Sequence[KindStatus] = ()) -> CollectorRegistry:
    finding = StatusFinding(severity=Severity.WARNING, problem="reports are late")
    redis = RedisStatus(used_bytes=7) if ledger else None
    status = DeploymentStatus(at_ms=0, version="1", findings=[finding], redis=redis, kinds=list(kinds))
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(Snapshot(status=status, ledger=ledger, read_s=0.5)))
    return registry


def test_states_codes_and_parts_are_those_of_the_statistics() -> None:
    days = statistics_of({"d": 3, "f": 2, "f:901": 2, "clicked": 4, "parts": 9, "cost": 900_000})
    today = statistics_of({"d": 1, "parts": 5, "cost": 500_000, "t0": 1})
    counted = {("TIMESM", "times"): Counted(days=days, today=today)}
    ledger = LedgerFigures(since=date(2026, 11, 20), counted=counted, senders=[], streams={})
    value, names = _registry(ledger).get_sample_value, {"sender": "TIMESM", "provider": "times"}
    assert value("dispatch_messages", {**names, "state": "delivered"}) == 3
    assert value("dispatch_messages", {**names, "state": "rejected"}) == 0
    code = {**names, "state": "failed", "code": "901", "owner": "operator"}
    assert value("dispatch_outcome_messages", code) == 2
    assert value("dispatch_clicks", names) == 4
    assert value("dispatch_parts_total", names) == 5
    assert value("dispatch_cost_rupees_total", names) == 0.5
    assert value("dispatch_delivery_seconds", {**names, "quantile": "0.5"}) == 1.0
    assert value("dispatch_redis_memory_used_bytes") == 7


@pytest.mark.processes
def test_names_types_and_labels_are_those_of_the_conventions_of_prometheus() -> None:
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    figures = statistics_of({"d": 3, "f": 2, "f:901": 2, "clicked": 4, "parts": 9, "cost": 900_000, "t0": 1})
    counted = {("TIMESM", "times"): Counted(days=figures, today=figures)}
    work = SenderWork(view=sender_view(), campaigns={}, pending=1, sending=1, oldest_pending_s=1.0, sent_last_minute=6)
    ledger = LedgerFigures(since=date(2026, 11, 20), counted=counted, senders=[work], streams={})
    exposition = generate_latest(_registry(ledger))
    assert b'dispatch_delivery_seconds{provider="times",quantile="0.99",sender="TIMESM"}' in exposition
    done = subprocess.run(
        [promtool, "check", "metrics"], input=exposition, capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_reports_that_were_to_be_forwarded_are_counted_by_their_result() -> None:
    forward = ForwardBacklog(events=5, totals={"taken": 9, "dropped_old": 1})
    reports = ReportsStatus(
        backlog=Backlog(0, 0), relay_waiting=0, dead_letters=0, dead_letters_ever=0, forward=forward
    )
    status = DeploymentStatus(at_ms=0, version="1", findings=[], redis=RedisStatus(), reports=reports)
    ledger = LedgerFigures(since=date(2026, 11, 20), counted={}, senders=[], streams={})
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(Snapshot(status=status, ledger=ledger, read_s=0.5)))
    results = {
        result: registry.get_sample_value("dispatch_forwarded_reports_total", {"result": result})
        for result in ("taken", "refused", "dropped_full", "dropped_old")
    }
    assert results == {"taken": 9, "refused": 0, "dropped_full": 0, "dropped_old": 1}


def test_silent_providers_and_viewers_of_the_console_are_gauges() -> None:
    provider = UnavailableProvider(
        provider="times", brake="", backing_off_until_ms=0, backing_off_why="", silent_since_ms=5, silent_why="missing"
    )
    work = SenderWork(
        view=sender_view(unavailable=[provider]),
        campaigns={},
        pending=0,
        sending=0,
        oldest_pending_s=0.0,
        sent_last_minute=0,
    )
    ledger = LedgerFigures(since=date(2026, 11, 20), counted={}, senders=[work], streams={})
    consoles = [
        ProcessSeen(
            record=HeartbeatRecord(
                kind="console", version="1", host="web1", pid=pid, started_ms=0, figures={"viewers": pid}
            ),
            silent_s=0,
            ahead_s=0,
        )
        for pid in (2, 3)
    ]
    kind = KindStatus(kind="console", alive=consoles, silent=[], last_seen_ms=1)
    value = _registry(ledger, kinds=[kind]).get_sample_value
    assert value("dispatch_provider_silent", {"sender": "TIMESM", "provider": "times"}) == 1
    assert value("dispatch_provider_braked", {"sender": "TIMESM", "provider": "times"}) == 0
    assert value("dispatch_console_viewers") == 5


def test_without_redis_only_the_absence_and_the_findings_are_shown() -> None:
    families = {family.name for family in _registry(None).collect()}
    assert families == {"dispatch_up", "dispatch_read_seconds", "dispatch_findings"}
    assert _registry(None).get_sample_value("dispatch_up") == 0
    assert _registry(None).get_sample_value("dispatch_findings", {"severity": "warning"}) == 1
