"""The tables of a soak."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.soak.audit import AuditTotals
from tests.soak.run import SoakPlan, SoakResult
from tests.soak.table import SoakTables, growth_line
from tests.soak.trend import Trend
from tests.soak.verdict import GrowthRow


def result(audit: dict[str, Any] | None = None, **changes: Any) -> SoakResult:
    sampler = SimpleNamespace(processes={}, redis={}, keys=[])
    viewers = SimpleNamespace(events=7, pages=3, lost=0)
    fine: dict[str, Any] = {
        "plan": SoakPlan(60, 7),
        "sampler": sampler,
        "audit": AuditTotals(**{"campaigns": 3, "messages": 30, "accepted": 30, "clicks": 5, **(audit or {})}),
        "uncompared": 0,
        "accepted_ids": 30,
        "accepted_again": 0,
        "archives": "3 archives with 30 messages verified, 0 wrong",
        "archives_hold": True,
        "recounted": 30,
        "wrong_recounts": 0,
        "inbound_at_rest": 0,
        "viewers": viewers,
        "faults": 4,
        "kills": 2,
        "cpu_pressure": 0.25,
    }
    return cast("SoakResult", SimpleNamespace(**{**fine, **changes}))


def test_a_run_in_which_everything_is_as_it_must_be_holds() -> None:
    tables = SoakTables(result())
    assert tables.holds, list(tables.lines())
    assert not any("**" in line for line in tables.lines())


def test_the_tables_say_how_busy_the_machine_was() -> None:
    assert "Some process of this machine waited for a CPU 25% of the time." in SoakTables(result()).lines()


@pytest.mark.parametrize(
    "mistake",
    [
        {"audit": {"accepted_twice": 1}},
        {"audit": {"lost": 1}},
        {"audit": {"not_sent": 1}},
        {"audit": {"differences": 1}},
        {"audit": {"wrong_clicks": 1}},
        {"audit": {"unseen": 1}},
        {"audit": {"campaigns": 0}},
        {"accepted_ids": 31},
        {"accepted_again": 1},
        {"uncompared": 1},
        {"archives_hold": False},
        {"wrong_recounts": 1},
        {"inbound_at_rest": 1},
        {"faults": 0},
    ],
)
def test_each_mistake_alone_fails_the_run(mistake: dict[str, Any]) -> None:
    assert not SoakTables(result(**mistake)).holds


def test_growth_and_a_run_that_is_too_short_are_named() -> None:
    leak = Trend(start=80, middle=90.04, end=1_000, per_hour=12.5, allowed=5, grows=True)
    assert growth_line(GrowthRow("memory", leak)) == "| memory | 80.0 | 90.0 | 1,000 | +12.5 | 5.0 | **GROWS** |"
    assert growth_line(GrowthRow("memory", None)).endswith("| too short |")
