import pytest

from tests.chaos.rate_excess import rate_excess
from tests.chaos.testbed import RateChange, Span

TEN = [RateChange(Span(0, 0), 10.0)]


def evenly(per_second: float, *, begin_s: float = 100.0, seconds: float = 5.0) -> list[float]:
    return [begin_s + number / per_second for number in range(int(per_second * seconds))]


def test_at_its_rate_a_second_holds_no_more_than_the_rate() -> None:
    assert rate_excess(evenly(10), TEN).share <= 0


def test_above_its_rate_the_share_says_how_far() -> None:
    assert rate_excess(evenly(20), TEN).share == pytest.approx(0.9)


def test_a_burst_counts_wherever_the_second_begins() -> None:
    times_s = sorted([100.75 + number / 100 for number in range(15)] + [101.2 + number / 100 for number in range(15)])
    assert rate_excess(times_s, TEN).share == pytest.approx(1.9)


def test_one_message_more_than_the_rate_is_not_too_much() -> None:
    assert rate_excess([100.0 + number / 100 for number in range(11)], TEN).share == 0


def test_while_a_rate_changes_the_higher_one_counts() -> None:
    changes = [*TEN, RateChange(Span(102, 103), 20.0)]
    assert rate_excess(evenly(20, begin_s=102.5), changes).share <= 0
    assert rate_excess(evenly(20, begin_s=100, seconds=1.5), changes).share > 0.5


def test_after_a_change_for_the_lower_rate_only_the_lower_one_counts() -> None:
    changes = [RateChange(Span(0, 0), 20.0), RateChange(Span(101, 101.5), 10.0)]
    assert rate_excess(evenly(20, begin_s=102), changes).share == pytest.approx(0.9)


def test_without_a_limit_nothing_is_too_much() -> None:
    assert rate_excess(evenly(1000, seconds=1), [RateChange(Span(0, 0), 0.0)]).share == -1
