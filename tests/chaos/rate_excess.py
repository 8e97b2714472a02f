"""Finds the second in which a sender exceeded its rate most, for a rate that changes over time."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from tests.chaos.testbed import RateChange

_SEND_TIMES_AHEAD_S = 0.1
"""Send times are assigned this far ahead: after a change of the rate, some messages are still sent at the old rate."""


class RateExcess(NamedTuple):
    """The second with the most messages in relation to its rate."""

    share: float
    """By what share the messages exceed the rate: 0.05 is 5 % above the rate, a negative number is below the rate."""
    begins_s: float


def rate_excess(times_s: Sequence[float], changes: Sequence[RateChange]) -> RateExcess:
    """Return the second with the most messages in relation to its rate; *times_s* are sorted.

    A second may begin at any time. For a second in which the rate changed, the higher rate is used. A rate of 0 is no
    limit. One message more than the rate is always allowed, because a rate of 10.5/s cannot be kept otherwise.
    """
    worst, first = RateExcess(-1.0, 0.0), 0
    for last, time_s in enumerate(times_s):
        while time_s - times_s[first] >= 1.0:
            first += 1
        allowed = _allowed(changes, times_s[first] - _SEND_TIMES_AHEAD_S, time_s)
        if allowed:
            worst = max(worst, RateExcess((last - first) / allowed - 1, times_s[first]))
    return worst


def _allowed(changes: Sequence[RateChange], begin_s: float, end_s: float) -> float:
    """Return the highest rate that can have been in force in this time; 0 means no limit."""
    last_certain = bisect_right(changes, begin_s, key=lambda change: change.span.end_s) - 1
    rates = [change.rate_per_s for change in changes[max(last_certain, 0) :] if change.span.begin_s <= end_s]
    return 0.0 if 0.0 in rates else max(rates)
