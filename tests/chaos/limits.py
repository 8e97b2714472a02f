"""Sliding seconds against rates that change meanwhile."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from tests.chaos.stage import RateChange

_SLOTS_AHEAD_S = 0.1
"""Slots are given out so far ahead that after a change some of the old rate are still to come."""


class Excess(NamedTuple):
    """The fullest second."""

    share: float
    """By how much it is above its rate; 0.05 is 5 %, below 0 it is under it."""
    begins_s: float


def excess(moments_s: Sequence[float], changes: Sequence[RateChange]) -> Excess:
    """Return the second that is fullest against its rate.

    Every second counts, wherever it begins. In one in which the rate changed the higher rate counts. A rate of 0 is no
    limit. One message more than the rate is never too much: 10.5/s cannot be kept otherwise.
    """
    worst, first = Excess(-1.0, 0.0), 0
    for last, moment in enumerate(moments_s):
        while moment - moments_s[first] >= 1.0:
            first += 1
        allowed = _allowed(changes, moments_s[first] - _SLOTS_AHEAD_S, moment)
        if allowed:
            worst = max(worst, Excess((last - first) / allowed - 1, moments_s[first]))
    return worst


def _allowed(changes: Sequence[RateChange], begin_s: float, end_s: float) -> float:
    """Return the highest rate that may have been in force; 0 is no limit."""
    sure = bisect_right(changes, begin_s, key=lambda change: change.span.end_s) - 1
    rates = [change.rate_per_s for change in changes[max(sure, 0) :] if change.span.begin_s <= end_s]
    return 0.0 if 0.0 in rates else max(rates)
