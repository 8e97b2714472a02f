"""A queue of report rows that are posted later."""

import heapq
from collections.abc import Iterable

from times_dispatch.sandbox.delivery_reports.reports import ReportRow


class DelayQueue:
    """Rows ordered by the time at which they are due, in s of any one clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, ReportRow]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, due_s: float, row: ReportRow) -> None:
        """Add a row that is due at ``due_s``."""
        self._count += 1
        heapq.heappush(self._heap, (due_s, self._count, row))

    def pop_due(self, now_s: float) -> list[ReportRow]:
        """Remove and return the rows that are due, the earliest first."""
        rows = []
        while self._heap and self._heap[0][0] <= now_s:
            rows.append(heapq.heappop(self._heap)[2])
        return rows

    def clear(self) -> None:
        """Remove all rows, due or not."""
        self._heap.clear()


def in_batches(rows: list[ReportRow], size: int) -> Iterable[list[ReportRow]]:
    """Split ``rows`` into lists of at most ``size``."""
    return (rows[start : start + size] for start in range(0, len(rows), size))
