"""The demo's last table: the ledger's word and the sandbox's, side by side."""

from typing import Any

from rich.table import Table

from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import SENT, MessageState
from times_dispatch.provider.reports.codes import describe


def books_beside_ledger(view: CampaignView, books: dict[str, Any]) -> Table:
    """Return a table of messages by state, parts, errors by code and rate, each beside the sandbox's own books."""
    counts, theirs = view.counts, books["all"]
    sent = sum(counts[state] for state in SENT)
    table = Table(title=f"{view.plan.name} ({view.id})", title_justify="left")
    table.add_column("")
    table.add_column("ledger", justify="right")
    table.add_column("sandbox's books", justify="right")
    table.add_row("messages", f"{view.total:,}", "")
    table.add_row("accepted by the provider", f"{sent:,}", f"{theirs['accepted']:,}")
    table.add_row("different ids", f"{sent:,}", f"{theirs['distinct_ids']:,}")
    table.add_row("ids accepted more than once", "0", f"{theirs['repeated_ids']['count']:,}")
    table.add_row("parts", f"{view.parts:,}", f"{theirs['parts']:,}")
    table.add_row(
        "delivered", f"{counts[MessageState.DELIVERED]:,}", f"{theirs['reports']['distinct'].get('delivered', 0):,}"
    )
    table.add_row("failed", f"{counts[MessageState.FAILED]:,}", f"{theirs['reports']['distinct'].get('failed', 0):,}")
    table.add_section()
    for state in MessageState:
        if counts[state] and state not in {MessageState.DELIVERED, MessageState.FAILED}:
            table.add_row(f"state {state.label}", f"{counts[state]:,}", "")
    for name, number in view.codes.items():
        origin, _, code = name.partition(":")
        if origin in {"push", "report"}:
            other = (
                theirs["reports"]["failed_codes"].get(code, 0) if origin == "report" else theirs["refused"].get(code, 0)
            )
            table.add_row(f"{origin} {code}, {describe(int(code))}", f"{number:,}", f"{other:,}")
    table.add_section()
    seconds = (view.last_let_go_ms - view.first_let_go_ms) / 1000
    table.add_row("messages per second", f"{view.done / seconds:,.0f}" if seconds > 0 else "-", "")
    table.add_row("most in one second", "", f"{theirs['max_per_second']:,}")
    return table
