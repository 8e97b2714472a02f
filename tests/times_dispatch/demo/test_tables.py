from typing import Any

from rich.console import Console

from tests.kit.ledger import CAMPAIGN, plan
from times_dispatch.demo.tables import ledger_and_books_table
from times_dispatch.ledger.model import CampaignView
from times_dispatch.ledger.states import CampaignState, MessageState

BOOKS: dict[str, Any] = {
    "all": {
        "accepted": 1_200,
        "distinct_ids": 1_200,
        "repeated_ids": {"count": 0},
        "parts": 2_400,
        "max_per_second": 321,
        "refused": {"2054": 7},
        "reports": {"distinct": {"delivered": 1_000, "failed": 200}, "failed_codes": {"901": 200}},
    }
}


def test_every_number_of_the_ledger_stands_beside_the_number_in_the_books() -> None:
    counts = {MessageState.DELIVERED: 1_000, MessageState.FAILED: 200, MessageState.REJECTED: 7}
    view = CampaignView(
        id=CAMPAIGN,
        state=CampaignState.FINISHED,
        reason="",
        plan=plan(),
        total=1_207,
        batches=3,
        counts=dict.fromkeys(MessageState, 0) | counts,
        codes={"push:2054": 7, "report:901": 200, "suppressed:31": 5},
        parts=2_400,
        stats={},
        created_ms=0,
        sealed_ms=0,
        first_sent_ms=1_000,
        last_sent_ms=5_000,
        finished_ms=6_000,
    )
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(ledger_and_books_table(view, BOOKS))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capture.get().splitlines() if "│" in line]
    assert ["accepted by the provider", "1,200", "1,200"] in rows
    assert ["parts", "2,400", "2,400"] in rows
    assert ["delivered", "1,000", "1,000"] in rows
    assert ["failed", "200", "200"] in rows
    assert ["state rejected", "7", ""] in rows
    assert [row[1:] for row in rows if row[0].startswith("push 2054")] == [["7", "7"]]
    assert [row[1:] for row in rows if row[0].startswith("report 901")] == [["200", "200"]]
    assert not [row for row in rows if row[0].startswith("suppressed")]
    assert ["messages per second", "302", ""] in rows
    assert ["most in one second", "", "321"] in rows
