"""Compares a campaign's statistics, as each command shows them, with each other and with the sandbox's books."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from rich.table import Table

from times_dispatch.demo.comparison import BookTotals
from times_dispatch.demo.processes import ProcessFailed, run
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.states import SENT, MessageState
from times_dispatch.ledger.statistics.figures import Statistics

_SENT_LABELS: Final = {state.label for state in SENT}
_DELIVERED, _FAILED = MessageState.DELIVERED.label, MessageState.FAILED.label

Numbers = Mapping[str, int | str]
"""The numbers of one source by name; a number that the source does not know is missing."""


def numbers_of_statistics(statistics: Mapping[str, Any]) -> Numbers:
    """Return the numbers of the object ``statistics`` that ``dispatch stats`` and ``dispatch show`` print."""
    return {
        "sent": statistics["sent"],
        "delivered": statistics["delivered"],
        **{f"failed, {code['code']}": code["messages"] for code in statistics["codes"] if code["state"] == _FAILED},
        "parts": statistics["parts"],
        "cost, Rs": _amount(statistics["cost_rupees"]),
        "clicks": statistics["clicked"],
        "who clicked": statistics["clickers"],
    }


def numbers_of_counters(shown: Mapping[str, Any]) -> Numbers:
    """Return the numbers of the campaign's own counters in ``dispatch show --json``."""
    states, reports = shown["states"], "report:"
    return {
        "sent": sum(states[label] for label in _SENT_LABELS),
        "delivered": states[_DELIVERED],
        **{
            f"failed, {name.removeprefix(reports)}": number
            for name, number in shown["codes"].items()
            if name.startswith(reports) and number
        },
        "parts": shown["parts"],
        "clicks": shown["stats"].get("clicked", 0),
    }


def numbers_of_report(rows: Iterable[Mapping[str, str]], price: Decimal) -> Numbers:
    """Count the rows of ``dispatch report``; *price* is the price of an SMS part in rupees."""
    states, failed, parts = Counter[str](), Counter[str](), 0
    for row in rows:
        states[row["state"]] += 1
        if row["state"] == _FAILED:
            failed[row["code"]] += 1
        if row["state"] in _SENT_LABELS:
            parts += int(row["parts"])
    return {
        "sent": sum(states[label] for label in _SENT_LABELS),
        "delivered": states[_DELIVERED],
        **{f"failed, {code}": number for code, number in failed.items()},
        "parts": parts,
        "cost, Rs": _amount(parts * price),
    }


def numbers_of_books(totals: BookTotals, price: Decimal) -> Numbers:
    """Return the numbers of the sandbox's books; *price* is the price of an SMS part in rupees."""
    return {
        "sent": totals.sent,
        "delivered": totals.delivered,
        **{f"failed, {code}": number for code, number in totals.failed.items()},
        "parts": totals.parts,
        "cost, Rs": _amount(totals.parts * price),
        "clicks": totals.clicked,
        "who clicked": totals.clickers,
    }


def read_numbers(stack: Stack, campaign: CampaignId, totals: BookTotals, price: Decimal) -> dict[str, Numbers]:
    """Return the numbers of each source, by the name of the source; raise ProcessFailed if a command fails."""
    shown = json.loads(_output(stack, "show", campaign, "--json"))
    report = stack.folder / f"report-{campaign}.csv"
    _output(stack, "report", campaign, "--out", str(report))
    with report.open(encoding="utf-8-sig", newline="") as lines:
        rows = numbers_of_report(csv.DictReader(lines), price)
    return {
        "stats": numbers_of_statistics(json.loads(_output(stack, "stats", "--campaign", campaign, "--json"))),
        "show": numbers_of_statistics(shown["statistics"]),
        "counters": numbers_of_counters(shown),
        "report": rows,
        "books": numbers_of_books(totals, price),
    }


def recount(stack: Stack) -> tuple[int, int]:
    """Return how many messages ``dispatch stats --recount`` recounted, and how many counters differ."""
    recounted = json.loads(_output(stack, "stats", "--recount", "--json", may_fail=True))
    return recounted["messages"], len(recounted["differences"]) + len(recounted["moving"])


def differing(sources: Mapping[str, Numbers]) -> list[str]:
    """Return the names of the numbers that differ between the sources.

    For a source that has not counted a code, the number of the code is 0.
    """
    return [name for name in _names(sources) if len({_value(numbers, name) for numbers in sources.values()} - {""}) > 1]


def comparison_table(sources: Mapping[str, Numbers]) -> Table:
    """Return a table with a row for each number and a column for each source."""
    wrong = set(differing(sources))
    table = Table(title="statistics", title_justify="left")
    table.add_column("", no_wrap=True)
    for source in sources:
        table.add_column(source, justify="right")
    for name in _names(sources):
        values = [_shown(_value(numbers, name)) for numbers in sources.values()]
        table.add_row(f"{name}\n(differs)" if name in wrong else name, *values, style="red" if name in wrong else None)
    return table


def statistics_against_books(statistics: Statistics, totals: BookTotals) -> list[str]:
    """Return the differences between the statistics of a campaign and the books; clicks are not compared.

    The books count a click once for each report about the click, so the numbers of clicks may differ.
    """
    failed = Counter({code.code: code.messages for code in statistics.codes if code.state == _FAILED})
    pairs = {
        "sent": (statistics.sent, totals.sent),
        "delivered": (statistics.delivered, totals.delivered),
        "parts": (statistics.parts, totals.parts),
        **{f"failed with {code}": (failed[code], totals.failed[code]) for code in sorted({*failed, *totals.failed})},
    }
    return [
        f"{name}: {is_} in the statistics, {must} in the books" for name, (is_, must) in pairs.items() if is_ != must
    ]


def _names(sources: Mapping[str, Numbers]) -> list[str]:
    return list(dict.fromkeys(name for numbers in sources.values() for name in numbers))


def _value(numbers: Numbers, name: str) -> int | str:
    return numbers.get(name, 0 if name.startswith("failed, ") else "")


def _shown(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value


def _amount(rupees: Decimal | str) -> str:
    return f"{Decimal(rupees):,.3f}"


def _output(stack: Stack, *arguments: str, may_fail: bool = False) -> str:
    finished = run(["dispatch", *arguments], stack.environment)
    if finished.returncode and not may_fail:
        raise ProcessFailed(f"dispatch {arguments[0]} failed: {finished.stderr}")
    return str(finished.stdout)
