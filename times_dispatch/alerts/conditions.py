"""The conditions of all kinds that hold now, and the events since the last observation."""

from times_dispatch.alerts.condition import Condition
from times_dispatch.alerts.observation import Observation
from times_dispatch.alerts.results import finished_campaigns, low_deliveries, many_complaints, messages_in_doubt
from times_dispatch.alerts.sending import (
    braked_campaigns,
    differing_clocks,
    forwarding_behind,
    full_memory,
    missing_processes,
    reports_behind,
    spent_budgets,
    unavailable_providers,
)
from times_dispatch.settings.tables.alerts import AlertSettings


def conditions(now: Observation, settings: AlertSettings) -> list[Condition]:
    """Return the conditions that hold now."""
    return [
        *missing_processes(now),
        *braked_campaigns(now),
        *unavailable_providers(now),
        *full_memory(now, settings),
        *differing_clocks(now),
        *reports_behind(now, settings),
        *forwarding_behind(now, settings),
        *spent_budgets(now, settings),
        *messages_in_doubt(now, settings),
        *low_deliveries(now, settings),
        *many_complaints(now, settings),
    ]


def events(now: Observation) -> list[Condition]:
    """Return the events since the last observation."""
    return list(finished_campaigns(now))
