from collections import Counter
from decimal import Decimal
from typing import Any

from rich.console import Console

from times_dispatch.demo.comparison import BookTotals
from times_dispatch.demo.statistics_comparison import (
    comparison_table,
    differing,
    numbers_of_books,
    numbers_of_counters,
    numbers_of_report,
    numbers_of_statistics,
    statistics_against_books,
)
from times_dispatch.ledger.states import MessageState
from times_dispatch.ledger.statistics.figures import statistics_of

PRICE = Decimal("0.125")
STATISTICS = {
    "sent": 10,
    "delivered": 7,
    "codes": [
        {"state": "failed", "code": 912, "messages": 2},
        {"state": "rejected", "code": 2054, "messages": 1},
    ],
    "parts": 20,
    "cost_rupees": "2.5",
    "clicked": 4,
    "clickers": 3,
}
COUNTERS = {
    "states": {state.label: 0 for state in MessageState} | {"delivered": 7, "failed": 2, "accepted": 1, "rejected": 1},
    "codes": {"report:912": 2, "push:2054": 1},
    "parts": 20,
    "stats": {"clicked": 4},
}
TOTALS = BookTotals(sent=10, delivered=7, failed=Counter({912: 2}), parts=20, clicked=4, clickers=3)


def report_rows() -> list[dict[str, str]]:
    states = [("delivered", "")] * 7 + [("failed", "912")] * 2 + [("accepted", ""), ("rejected", "2054")]
    return [{"state": state, "code": code, "parts": "2"} for state, code in states]


def sources() -> dict[str, Any]:
    return {
        "stats": dict(numbers_of_statistics(STATISTICS)),
        "counters": dict(numbers_of_counters(COUNTERS)),
        "report": dict(numbers_of_report(report_rows(), PRICE)),
        "books": dict(numbers_of_books(TOTALS, PRICE)),
    }


def test_sources_that_agree_have_no_difference() -> None:
    assert differing(sources()) == []
    assert sources()["stats"]["failed, 912"] == 2
    assert sources()["books"]["cost, Rs"] == "2.500"


def test_every_number_of_every_source_that_is_one_off_is_found() -> None:
    for source, numbers in sources().items():
        for name in numbers:
            changed = sources()
            changed[source][name] = "2.501" if name == "cost, Rs" else numbers[name] + 1
            assert differing(changed) == [name]


def test_a_code_that_only_one_source_has_counted_is_a_difference() -> None:
    changed = sources()
    changed["books"]["failed, 901"] = 1
    assert differing(changed) == ["failed, 901"]
    console = Console(width=150)
    with console.capture() as printed:
        console.print(comparison_table(changed))
    name, mark = printed.get().splitlines()[-3:-1]
    assert "failed, 901" in name
    assert "(differs)" in mark


def test_statistics_are_compared_with_the_books() -> None:
    amounts = {
        MessageState.DELIVERED.value: 7,
        MessageState.FAILED.value: 2,
        f"{MessageState.FAILED.value}:912": 2,
        MessageState.ACCEPTED.value: 1,
        "parts": 20,
    }
    assert statistics_against_books(statistics_of(amounts), TOTALS) == []
    for changed in (
        {"sent": 11},
        {"delivered": 6},
        {"parts": 22},
        {"failed": Counter({912: 1})},
        {"failed": Counter({912: 2, 901: 1})},
    ):
        fields: dict[str, Any] = {"sent": 10, "delivered": 7, "failed": Counter({912: 2}), "parts": 20} | changed
        assert len(statistics_against_books(statistics_of(amounts), BookTotals(**fields))) == 1


def test_the_table_shows_the_cost_of_the_demo_whole_at_80_columns() -> None:
    amount = "2,717.875"
    all_sources = {"show": sources()["stats"], **sources()}
    costly = {source: {**numbers, "cost, Rs": amount} for source, numbers in all_sources.items()}
    console = Console(width=80)
    with console.capture() as printed:
        console.print(comparison_table(costly))
    assert printed.get().count(amount) == len(costly)


def test_a_difference_cuts_no_number_at_80_columns() -> None:
    amount = "2,717.875"
    costly = {source: {**numbers, "cost, Rs": amount} for source, numbers in sources().items()}
    costly["show"] = costly["stats"] | {"who clicked": 3_988, "clicks": 8_248, "failed, 912": 1_003}
    console = Console(width=80)
    with console.capture() as printed:
        console.print(comparison_table(costly))
    assert printed.get().count(amount) == len(costly)
    assert printed.get().count("(differs)") == 3
    for number in ("3,988", "8,248", "1,003"):
        assert number in printed.get()
