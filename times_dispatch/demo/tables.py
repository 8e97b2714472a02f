"""The demo's last table: the numbers of the ledger beside the numbers of the sandbox's books."""

from typing import Any

from rich.table import Table

from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import SENT, MessageState
from times_dispatch.provider.reports.codes import describe


def ledger_and_books_table(view: CampaignView, books: dict[str, Any]) -> Table:
    """Return a table of messages by state, parts, errors by code and rate, from the ledger and from the books."""
    counts, totals = view.counts, books["all"]
    sent = sum(counts[state] for state in SENT)
    table = Table(title=f"{view.plan.name} ({view.id})", title_justify="left")
    table.add_column("")
    table.add_column("ledger", justify="right")
    table.add_column("sandbox's books", justify="right")
    table.add_row("messages", f"{view.total:,}", "")
    table.add_row("accepted by the provider", f"{sent:,}", f"{totals['accepted']:,}")
    table.add_row("different ids", f"{sent:,}", f"{totals['distinct_ids']:,}")
    table.add_row("ids accepted more than once", "0", f"{totals['repeated_ids']['count']:,}")
    table.add_row("parts", f"{view.parts:,}", f"{totals['parts']:,}")
    table.add_row(
        "delivered", f"{counts[MessageState.DELIVERED]:,}", f"{totals['reports']['distinct'].get('delivered', 0):,}"
    )
    table.add_row("failed", f"{counts[MessageState.FAILED]:,}", f"{totals['reports']['distinct'].get('failed', 0):,}")
    table.add_section()
    for state in MessageState:
        if counts[state] and state not in {MessageState.DELIVERED, MessageState.FAILED}:
            table.add_row(f"state {state.label}", f"{counts[state]:,}", "")
    for name, number in view.codes.items():
        origin, _, code = name.partition(":")
        if origin in {"push", "report"}:
            other = (
                totals["reports"]["failed_codes"].get(code, 0) if origin == "report" else totals["refused"].get(code, 0)
            )
            table.add_row(f"{origin} {code}, {describe(int(code))}", f"{number:,}", f"{other:,}")
    table.add_section()
    seconds = (view.last_sent_ms - view.first_sent_ms) / 1000
    table.add_row("messages per second", f"{view.done / seconds:,.0f}" if seconds > 0 else "-", "")
    table.add_row("most in one second", "", f"{totals['max_per_second']:,}")
    return table
