"""Finds the time in which a sender used the smallest share of its rate."""

from bisect import bisect_left
from collections.abc import Sequence


def least_used(times_s: Sequence[float], *, rate_per_s: float, seconds: float) -> float:
    """Return the smallest share of the rate that was used in any span of this many seconds; *times_s* are sorted.

    A span may begin at any time, and lies between the first message and the last. Without such a span the share is 0.
    """
    least = float("inf")
    for first, begins_s in enumerate(times_s):
        if begins_s + seconds > times_s[-1]:
            break
        least = min(least, (bisect_left(times_s, begins_s + seconds) - first) / (rate_per_s * seconds))
    return 0.0 if least == float("inf") else least
