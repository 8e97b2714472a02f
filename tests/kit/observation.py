"""Observations of the ledger for tests of alerts; an observation has a problem only if the test adds the problem."""

from typing import Any

from tests.kit.ledger import SENDER, plan
from times_dispatch.alerts.observation import Observation
from times_dispatch.ledger.model import CampaignId, CampaignView
from times_dispatch.ledger.monitoring.alerts import Watched
from times_dispatch.ledger.monitoring.health import Memory
from times_dispatch.ledger.monitoring.heartbeats import HeartbeatRecord, ProcessesSeen, ProcessKind, ProcessSeen
from times_dispatch.ledger.reports.forward_backlog import ForwardBacklog
from times_dispatch.ledger.reports.report_backlog import Backlog
from times_dispatch.ledger.sender_view import SenderView
from times_dispatch.ledger.states import CampaignState, MessageState

NOW_MS = 1_790_000_000_000
"""2026-09-21 19:43:20 in India."""


def processes(*kinds: ProcessKind, seen: dict[str, int] | None = None) -> ProcessesSeen:
    """Return live processes, one of each kind; *seen* overrides the times at which kinds were last seen."""
    alive = [
        ProcessSeen(
            record=HeartbeatRecord(kind=kind, version="1", host="web1", pid=7, started_ms=0), silent_s=1, ahead_s=0
        )
        for kind in kinds
    ]
    return ProcessesSeen(processes=alive, kinds_seen_ms=seen or {})


def observation(**changes: Any) -> Observation:
    """Return an observation with a worker, a beat process and no problem."""
    fields: dict[str, Any] = {
        "now_ms": NOW_MS,
        "processes": processes(ProcessKind.WORKER, ProcessKind.BEAT),
        "memory": Memory(),
        "clock_warnings": [],
        "backlog": Backlog(0, 0.0),
        "forward": ForwardBacklog(),
        "senders": [],
        "live": [],
        "budgets": {},
        "counts": [],
        "complaints": {},
        "finished": [],
        "watched": Watched(),
    }
    return Observation(**{**fields, **changes})


def campaign_view(state: CampaignState, *, name: str = "diwali-sale", **changes: Any) -> CampaignView:
    """Return a campaign of three messages."""
    fields: dict[str, Any] = {
        "id": CampaignId("diwali01"),
        "state": state,
        "reason": "",
        "plan": plan(name=name),
        "total": 3,
        "batches": 1,
        "counts": dict.fromkeys(MessageState, 0),
        "codes": {},
        "parts": 0,
        "stats": {},
        "created_ms": 0,
        "sealed_ms": 0,
        "first_sent_ms": 0,
        "last_sent_ms": 0,
        "finished_ms": 0,
    }
    return CampaignView(**{**fields, **changes})


def sender_view(**changes: Any) -> SenderView:
    """Return a sender without a pause, a brake or a back-off."""
    fields: dict[str, Any] = {
        "id": SENDER,
        "rate_per_s": 0.0,
        "paused": False,
        "unavailable": [],
        "batches_out": 0,
        "campaigns_in_turn": 0,
    }
    return SenderView(**{**fields, **changes})
