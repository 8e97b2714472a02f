"""Every kind of alert has a condition or an event."""

from tests.kit.ledger import SENDER
from tests.kit.observation import campaign_view, observation, processes, sender_view
from times_dispatch.alerts.conditions import conditions, events
from times_dispatch.alerts.counts import ProviderCounts
from times_dispatch.alerts.observation import BudgetUse
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.monitoring.alerts import AlertKind
from times_dispatch.ledger.monitoring.health import Memory
from times_dispatch.ledger.reports.forward_backlog import ForwardBacklog
from times_dispatch.ledger.reports.report_backlog import Backlog
from times_dispatch.ledger.sender_view import UnavailableProvider
from times_dispatch.ledger.states import CampaignState
from times_dispatch.ledger.statistics.usual import DeliveryCounts
from times_dispatch.settings.tables.alerts import AlertSettings


def test_nothing_is_said_where_nothing_is_wrong() -> None:
    assert conditions(observation(), AlertSettings()) == []
    assert events(observation()) == []


def test_every_kind_has_a_condition_or_an_event() -> None:
    away = UnavailableProvider(provider="times", brake="", backing_off_until_ms=5, backing_off_why="refused")
    silent = UnavailableProvider(
        provider="other",
        brake="",
        backing_off_until_ms=0,
        backing_off_why="",
        silent_since_ms=5,
        silent_why="missing",
    )
    today = DeliveryCounts(days=1, sent=1_000, delivered=100, failed=900)
    usual = DeliveryCounts(days=9, sent=9_000, delivered=9_000)
    doubt = DeliveryCounts(in_doubt=101)
    now = observation(
        processes=processes(),
        memory=Memory(9, 10),
        clock_warnings=["Redis: its clock is 300 s ahead of this host's"],
        backlog=Backlog(1, 900.0),
        forward=ForwardBacklog(events=1, oldest_s=900.0),
        senders=[sender_view(unavailable=[away, silent])],
        live=[campaign_view(CampaignState.BRAKED)],
        budgets={CampaignId("diwali01"): BudgetUse(9, 10)},
        counts=[ProviderCounts(sender=SENDER, provider="times", today=today, days=doubt, usual=usual)],
        complaints={SENDER: 5},
        finished=[campaign_view(CampaignState.FINISHED)],
    )
    kinds = {condition.kind for condition in (*conditions(now, AlertSettings()), *events(now))}
    assert set(AlertKind) - kinds == {AlertKind.REDIS_AWAY}  # this alert is sent without the ledger
