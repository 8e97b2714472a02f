"""The histogram of delivery times: the buckets, and how exact its percentiles are."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.ledger.statistics.delivery_times import MAX_ERROR, DeliveryTimes, bounds_s, bucket_of

TIMES_MS = st.integers(0, 400_000_000)


@given(TIMES_MS)
def test_a_bucket_contains_the_times_that_it_counts(milliseconds: int) -> None:
    min_s, max_s = bounds_s(bucket_of(milliseconds))
    assert min_s * 1000 <= milliseconds <= max_s * 1000 * (1 + 1e-12)


@given(TIMES_MS)
def test_a_longer_time_has_no_lower_bucket(milliseconds: int) -> None:
    assert bucket_of(milliseconds) <= bucket_of(milliseconds + 1)


def test_buckets_begin_where_the_bounds_say() -> None:
    assert [bucket_of(milliseconds) for milliseconds in (-5_000, 0, 999)] == [0, 0, 0]
    assert [bucket_of(milliseconds) for milliseconds in (1_000, 1_024, 2_047, 2_048)] == [43, 44, 47, 48]
    assert bucket_of(2**40) == 127


@given(st.lists(st.integers(1_000, 400_000_000), min_size=1, max_size=200), st.sampled_from([50, 90, 99]))
def test_a_percentile_is_as_exact_as_the_module_says(times_ms: list[int], percent: int) -> None:
    histogram = DeliveryTimes(Counter(map(bucket_of, times_ms)))
    exact_s = sorted(times_ms)[math.ceil(len(times_ms) * percent / 100) - 1] / 1000
    found_s = histogram.percentile_s(percent)
    assert found_s is not None
    assert 1 / (1 + MAX_ERROR) - 1e-9 <= found_s / exact_s <= 1 + MAX_ERROR + 1e-9


def test_a_histogram_without_deliveries_has_no_percentiles() -> None:
    assert DeliveryTimes({}).percentile_s(50) is None


def test_deliveries_within_a_second_are_known_to_be_below_a_second() -> None:
    assert DeliveryTimes({0: 3}).percentile_s(99) == 1.0
