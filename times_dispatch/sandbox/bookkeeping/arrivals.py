"""Arrival times of requests, and the maximum number of arrivals in any second."""

from array import array
from bisect import bisect_right

SECOND_NS = 1_000_000_000


class Arrivals:
    """Sorted arrival times in ns since the epoch; a count reads only the arrivals since the last count."""

    def __init__(self) -> None:
        self.stamps = array("q")
        self._counted = 0
        self._max = 0

    def add(self, at_ns: int) -> None:
        """Add an arrival; the times may be out of order."""
        stamps = self.stamps
        if not stamps or at_ns >= stamps[-1]:
            stamps.append(at_ns)
            return
        index = bisect_right(stamps, at_ns)
        stamps.insert(index, at_ns)
        self._counted = min(self._counted, index)

    def max_per_second(self) -> int:
        """Return the maximum number of arrivals in any half-open second, which excludes its end."""
        stamps = self.stamps
        if self._counted < len(stamps):
            first = bisect_right(stamps, stamps[self._counted] - SECOND_NS)
            for last in range(self._counted, len(stamps)):
                ends_before = stamps[last] - SECOND_NS
                while stamps[first] <= ends_before:
                    first += 1
                self._max = max(self._max, last - first + 1)
            self._counted = len(stamps)
        return self._max

    def since(self, at_ns: int) -> "array[int]":
        """Return the arrivals after ``at_ns``."""
        return self.stamps[bisect_right(self.stamps, at_ns) :]
