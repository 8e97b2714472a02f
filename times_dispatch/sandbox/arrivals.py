"""When requests arrived, and the most of them in any one second."""

from array import array
from bisect import bisect_right

SECOND_NS = 1_000_000_000


class Arrivals:
    """Arrival times in ns since the epoch, kept sorted; counting costs only what arrived since the last count."""

    def __init__(self) -> None:
        self.stamps = array("q")
        self._counted = 0
        self._most = 0

    def add(self, at_ns: int) -> None:
        """Take one arrival; one that is late in the queue is put where it belongs."""
        stamps = self.stamps
        if not stamps or at_ns >= stamps[-1]:
            stamps.append(at_ns)
            return
        place = bisect_right(stamps, at_ns)
        stamps.insert(place, at_ns)
        self._counted = min(self._counted, place)

    def most_in_a_second(self) -> int:
        """Count the most arrivals in any half-open second: two that are exactly one second apart are not in one."""
        stamps = self.stamps
        if self._counted < len(stamps):
            first = bisect_right(stamps, stamps[self._counted] - SECOND_NS)
            for last in range(self._counted, len(stamps)):
                gone = stamps[last] - SECOND_NS
                while stamps[first] <= gone:
                    first += 1
                self._most = max(self._most, last - first + 1)
            self._counted = len(stamps)
        return self._most

    def since(self, at_ns: int) -> "array[int]":
        """List the arrivals after ``at_ns``."""
        return self.stamps[bisect_right(self.stamps, at_ns) :]
