"""Decides whether a series of samples grows more than its noise, from the medians of its thirds and its slope."""

from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import NamedTuple

Point = tuple[float, float]
"""A time in seconds, and a value."""

_BLOCKS = 12
"""A series is cut into this many spans of equal length. The median of each span is used, as campaigns come and go."""
_NOISE_FACTOR = 3.0
_MAD_TO_SIGMA = 1.4826
_GOES_ON_SHARE = 0.2
"""Growth continues if at least this share of the growth came after the middle third; otherwise it has stopped."""
HOUR_S = 3600.0


class Limit(NamedTuple):
    """How much a value may rise over the judged time: the larger of the share and the amount."""

    share: float
    """A share of the value at the start."""
    absolute: float
    """In the value's own unit."""


class Trend(NamedTuple):
    """How a value changed over the judged time."""

    start: float
    """The median of the first third; the next two fields are the medians of the other thirds."""
    middle: float
    end: float
    per_hour: float
    """The slope, in the value's own unit per hour."""
    allowed: float
    """How much the value may rise."""
    grows: bool
    """Whether the value rose more than allowed, and still rises at the end."""


def trend(points: Sequence[Point], limit: Limit) -> Trend | None:
    """Return the trend of a series that is sorted by time; None if the series is too short for a verdict."""
    blocks = _blocks(points)
    if len(blocks) < _BLOCKS:
        return None
    slope = median((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(blocks, 2))  # the Theil-Sen estimator
    centre = median(value - slope * at for at, value in blocks)
    noise = _MAD_TO_SIGMA * median(abs(value - slope * at - centre) for at, value in blocks)
    third = _BLOCKS // 3
    start, middle, end = (median(value for _, value in blocks[i * third : (i + 1) * third]) for i in range(3))
    allowed = max(limit.absolute, limit.share * start, _NOISE_FACTOR * noise)
    rise = end - start
    return Trend(start, middle, end, slope * HOUR_S, allowed, rise > allowed and end - middle > _GOES_ON_SHARE * rise)


def after(points: Sequence[Point], at_s: float) -> list[Point]:
    """Return the points at or after a time."""
    return [point for point in points if point[0] >= at_s]


def _blocks(points: Sequence[Point]) -> list[Point]:
    """Return the median time and value of each block; blocks without a point are left out."""
    if len(points) < _BLOCKS or points[-1][0] <= points[0][0]:
        return []
    first, length = points[0][0], (points[-1][0] - points[0][0]) / _BLOCKS
    blocks: list[list[Point]] = [[] for _ in range(_BLOCKS)]
    for point in points:
        blocks[min(_BLOCKS - 1, int((point[0] - first) / length))].append(point)
    return [(median(at for at, _ in block), median(value for _, value in block)) for block in blocks if block]
