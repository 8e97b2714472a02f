"""The reading of the journal for the comparison of clicks."""

from pathlib import Path

import msgspec

from tests.soak.audit import AuditTotals, VisitsInJournal
from times_dispatch.sandbox.bookkeeping.entries import Acceptance, Entry, ReportEntry


def _line(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"


def test_the_journal_is_read_on_where_it_ended_also_in_the_middle_of_a_line(tmp_path: Path) -> None:
    journal = tmp_path / "books.jsonl"
    click = _line(ReportEntry("clicked", "diwali01" + "0" * 24, "", "own", "links-1"))
    journal.write_bytes(_line(Acceptance("SOAKA", "diwali01" + "0" * 24, 1, "hash", 1)) + click + click[:20])
    visits = VisitsInJournal(journal)
    visits.read()
    assert visits.of("diwali01") == {"links-1"}
    with journal.open("ab") as more:
        more.write(click[20:].replace(b"links-1", b"links-2"))
        more.write(_line(ReportEntry("delivered", "diwali01" + "0" * 24, "", "own")))
    visits.read()
    assert visits.of("diwali01") == {"links-1", "links-2"}
    visits.forget("diwali01")
    assert visits.of("diwali01") == set()


def test_only_the_first_mistakes_are_described() -> None:
    totals = AuditTotals()
    for number in range(1_000):
        totals.note(str(number))
    assert len(totals.examples) == 20
