"""The verdict about a series finds a leak, and finds no leak in a series that only has noise."""

import random
from collections.abc import Callable

import pytest

from tests.soak.trend import Limit, Point, after, trend

LIMIT = Limit(share=0.05, absolute=2.0)
MINUTES = 45


def series(value: Callable[[float], float], *, noise: float = 0.5, seed: int = 1) -> list[Point]:
    """Return a sample every five seconds; *value* computes a sample from the time in minutes."""
    rng = random.Random(seed)
    return [(at, value(at / 60) + rng.gauss(0, noise)) for at in range(0, MINUTES * 60, 5)]


def grows(points: list[Point]) -> bool:
    found = trend(points, LIMIT)
    assert found
    return found.grows


@pytest.mark.parametrize("seed", range(20))
def test_a_leak_of_ten_megabytes_an_hour_in_eighty_is_seen_through_the_noise(seed: int) -> None:
    assert grows(series(lambda minutes: 80 + minutes / 6, seed=seed))


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_is_no_growth(seed: int) -> None:
    assert not grows(series(lambda _: 80, noise=6, seed=seed))


def test_campaigns_that_come_and_go_are_no_growth() -> None:
    assert not grows(series(lambda minutes: 40 + 20 * (minutes % 5), noise=3))


def test_growth_that_has_stopped_is_no_leak() -> None:
    assert not grows(series(lambda minutes: 80 + min(minutes, 15)))


def test_a_fall_is_no_growth() -> None:
    assert not grows(series(lambda minutes: 80 - minutes))


def test_a_handle_that_is_lost_every_minute_is_seen_and_one_in_half_an_hour_is_within_the_limit() -> None:
    assert grows(series(lambda minutes: 20 + int(minutes), noise=0))
    assert not grows(series(lambda minutes: 20 + minutes // 30, noise=0))


def test_growth_just_at_the_limit_is_allowed_and_just_above_is_not() -> None:
    # The medians of the first and the last third differ by two thirds of the whole rise.
    at_limit = LIMIT.share * 80 * 1.5 / MINUTES
    assert not grows(series(lambda minutes: 80 + 0.95 * at_limit * minutes, noise=0))
    assert grows(series(lambda minutes: 80 + 1.1 * at_limit * minutes, noise=0))


def test_the_slope_is_per_hour_and_the_thirds_are_in_order() -> None:
    found = trend(series(lambda minutes: 10 + minutes, noise=0), LIMIT)
    assert found
    assert found.per_hour == pytest.approx(60, rel=0.02)
    assert (found.start, found.middle, found.end) == pytest.approx((17.5, 32.5, 47.5), abs=0.6)


def test_a_series_that_is_too_short_has_no_verdict() -> None:
    assert trend([], LIMIT) is None
    assert trend([(float(at), 1.0) for at in range(11)], LIMIT) is None
    assert trend([(0.0, 1.0)] * 50, LIMIT) is None


def test_the_points_after_a_time_are_those_at_it_too() -> None:
    assert after([(1.0, 5.0), (2.0, 6.0), (3.0, 7.0)], 2.0) == [(2.0, 6.0), (3.0, 7.0)]
