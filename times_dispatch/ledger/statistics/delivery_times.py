"""The time from a message's push to its delivery, as a histogram with logarithmic buckets.

There are four buckets for each doubling of the time. So a percentile differs by at most ``MAX_ERROR`` from the exact
percentile. The time of a delivery comes from the report, which has whole seconds, so all times below a second are one
bucket, and every time may be one second too short.
"""

import math
from collections.abc import Mapping
from typing import Final

import msgspec

MAX_ERROR: Final = 2**0.125 - 1
"""The share by which a percentile may differ from the exact time: 9.1 %; times below one second have no exact value."""

_BELOW_ONE_SECOND: Final = 0
_LAST: Final = 127
_QUARTERS: Final = (0.8408964152537145, 0.7071067811865476, 0.5946035575013605)
"""The beginnings of the last three buckets of a doubling, for a mantissa from 0.5 to 1, as in the script."""


def bucket_of(milliseconds: int) -> int:
    """Return the number of the bucket that counts a time, as ``delivery_time_bucket`` of the scripts does."""
    if milliseconds < 1000:
        return _BELOW_ONE_SECOND
    mantissa, exponent = math.frexp(milliseconds)
    quarter = sum(mantissa >= begins for begins in _QUARTERS)
    return min(4 * exponent + quarter, _LAST)


def bounds_s(bucket: int) -> tuple[float, float]:
    """Return the shortest and the longest time that a bucket counts, in seconds."""
    if bucket == _BELOW_ONE_SECOND:
        return 0.0, 1.0
    return max(1.0, 2 ** (bucket / 4 - 1) / 1000), 2 ** ((bucket + 1) / 4 - 1) / 1000


class DeliveryTimes(msgspec.Struct, frozen=True):
    """A histogram of times until delivery."""

    counts: Mapping[int, int]
    """Messages by the number of the bucket."""

    @property
    def messages(self) -> int:
        """Return how many deliveries are counted."""
        return sum(self.counts.values())

    def percentile_s(self, percent: float) -> float | None:
        """Return the time within which *percent* of the messages were delivered; None without a delivery."""
        wanted, seen = self.messages * percent / 100, 0
        if not wanted:
            return None
        for bucket, number in sorted(self.counts.items()):
            seen += number
            if seen >= wanted:
                min_s, max_s = bounds_s(bucket)
                return max_s if bucket == _BELOW_ONE_SECOND else math.sqrt(min_s * max_s)
        return None
