"""The table of all runs of a seed."""

from typing import Any

from rich.console import Console

from tests.chaos.figure import at_most
from tests.chaos.scenarios import run_plans
from tests.chaos.side_by_side import groups
from tests.chaos.summary import markdown, summary_table


def _run(name: str, *values: float, limit: float = 10) -> dict[str, Any]:
    figures = [at_most("gap", value, limit) for value in values]
    return {
        "run": name,
        "figures": [
            {
                "name": figure.name,
                "is": figure.value,
                "must_be": figure.must_be,
                "holds": figure.holds,
                "amount": figure.amount,
            }
            for figure in figures
        ],
    }


def _lines(*runs: dict[str, Any]) -> list[str]:
    console = Console(width=160, no_color=True)
    with console.capture() as captured:
        console.print(summary_table(runs))
    return [" ".join(line.split()) for line in captured.get().splitlines()]


def test_of_several_runs_the_worst_is_shown() -> None:
    _, row = _lines(_run("each fault alone", 3), _run("Redis slow", 4), _run("ledger full", 7), _run("failover", 5))
    assert row == "gap ≤ 10 3 7"


def test_a_figure_that_does_not_hold_is_the_worst_whatever_its_amount() -> None:
    _, row = _lines(_run("Redis slow", 9), _run("ledger full", 5, limit=4))
    assert row == "gap ≤ 4 5 NO"


def test_limits_that_differ_stand_beside_their_values() -> None:
    _, row = _lines(_run("each fault alone", 9), _run("ledger full", 3, limit=4))
    assert row == "gap 9, must be ≤ 10 3, must be ≤ 4"


def test_a_run_that_failed_has_a_line() -> None:
    *_, row = _lines(_run("Redis slow", 9), {"run": "ledger full", "failed": "worker-1 ended with 1:\nand its log"})
    assert row == "ledger full failed: worker-1 ended with 1:"


def test_the_table_for_the_document_has_a_column_for_each_seed() -> None:
    runs = [{**_run(name, value), "seed": seed} for name, value, seed in (("a", 3, 7), ("b", 12, 7), ("a", 4, 42))]
    assert list(markdown(runs)) == [
        "| figure | must be | seed 7 | seed 42 |",
        "|---|---|---|---|",
        "| gap | ≤ 10 | 12 **NO** | 4 |",
    ]


def test_every_plan_runs_once_and_only_light_ones_side_by_side() -> None:
    plans = run_plans(15.0)
    in_groups = groups(plans)
    assert sorted(plan.name for group in in_groups for plan in group) == sorted(plan.name for plan in plans)
    assert all(plan.is_light and len(plan.scenarios) == 1 for group in in_groups if len(group) > 1 for plan in group)
