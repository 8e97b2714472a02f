"""Counters of one sender, or of all senders together."""

from collections import Counter

from times_dispatch.sandbox.bookkeeping.arrivals import Arrivals
from times_dispatch.sandbox.bookkeeping.timestamps import seconds

MAX_REPEATED_IDS_LISTED = 20


class SenderCounters:
    """Counters that only increase."""

    def __init__(self) -> None:
        self.arrivals = Arrivals()
        self.accepted = 0
        self.distinct_ids = 0
        self.repeated_ids = 0
        self.repeated_ids_listed: list[str] = []
        self.repeated_numbers = 0
        self.parts = 0
        self.unicode_mismatches = 0
        self.unicode_needless = 0
        self.refused: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.reports: Counter[str] = Counter()
        self.reports_posted: Counter[str] = Counter()
        self.failed_codes: Counter[str] = Counter()

    def accept(self, message_id: str, *, times: int, parts: int) -> None:
        """Count an acceptance; ``times`` is how often this id has been accepted, including this time."""
        self.accepted += 1
        self.parts += parts
        if times == 1:
            self.distinct_ids += 1
        elif times == 2:
            self.repeated_ids += 1
            if len(self.repeated_ids_listed) < MAX_REPEATED_IDS_LISTED:
                self.repeated_ids_listed.append(message_id)

    def report(self, event: str, code: str, *, is_first: bool) -> None:
        """Count a row that the receiver acknowledged; ``is_first`` is False if the message had this event before."""
        self.reports_posted[event] += 1
        if is_first:
            self.reports[event] += 1
            if code:
                self.failed_codes[code] += 1

    def as_dict(self) -> dict[str, object]:
        """Return the counters as ``/sandbox/books`` shows them."""
        stamps = self.arrivals.stamps
        return {
            "arrivals": len(stamps),
            "first_arrival": seconds(stamps[0]) if stamps else None,
            "last_arrival": seconds(stamps[-1]) if stamps else None,
            "max_per_second": self.arrivals.max_per_second(),
            "accepted": self.accepted,
            "distinct_ids": self.distinct_ids,
            "repeated_ids": {"count": self.repeated_ids, "ids": self.repeated_ids_listed},
            "repeated_numbers": self.repeated_numbers,
            "parts": self.parts,
            "unicode_mismatches": self.unicode_mismatches,
            "unicode_needless": self.unicode_needless,
            "refused": {str(code): count for code, count in sorted(self.refused.items())},
            "faults": dict(self.faults),
            "reports": {
                "distinct": dict(self.reports),
                "posted": dict(self.reports_posted),
                "failed_codes": dict(self.failed_codes),
            },
        }
