import pytest

from tests.chaos.rate_use import least_used


def test_the_thirty_seconds_with_the_fewest_messages_count() -> None:
    steady = [number / 10 for number in range(400)]
    assert least_used(steady, rate_per_s=10, seconds=30) == pytest.approx(1.0, abs=0.005)
    without_a_second = [time_s for time_s in steady if not 20 <= time_s < 21]
    assert least_used(without_a_second, rate_per_s=10, seconds=30) == pytest.approx(29 / 30, abs=0.005)


@pytest.mark.parametrize("times_s", [[], [1.0], [0.0, 29.9]])
def test_less_than_thirty_seconds_prove_nothing(times_s: list[float]) -> None:
    assert least_used(times_s, rate_per_s=10, seconds=30) == 0
