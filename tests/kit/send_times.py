"""Measures how many messages, or how many units of cost, fall into a second."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate


def max_cost_per_second(sent: Sequence[tuple[int, int]]) -> int:
    """Return the highest cost within any second, at whatever time the second begins.

    *sent* has the time in milliseconds and the cost of each message, in the order of the times.
    """
    times = [at for at, _ in sent]
    sums = [0, *accumulate(cost for _, cost in sent)]
    return max(sums[bisect_left(times, at + 1000)] - sums[index] for index, at in enumerate(times))
