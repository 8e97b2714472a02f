import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.sandbox.bookkeeping.arrivals import SECOND_NS, Arrivals


def max_per_second(stamps: list[int]) -> int:
    """Return the maximum of arrivals in a second, by a plain count of the second after each arrival."""
    return max((sum(begin <= stamp < begin + SECOND_NS for stamp in stamps) for begin in stamps), default=0)


@pytest.mark.parametrize(("apart_ns", "count"), [(SECOND_NS - 1, 2), (SECOND_NS, 1), (SECOND_NS + 1, 1), (0, 2)])
def test_a_second_holds_its_beginning_and_not_its_end(apart_ns: int, count: int) -> None:
    arrivals = Arrivals()
    arrivals.add(10**18)
    arrivals.add(10**18 + apart_ns)
    assert arrivals.max_per_second() == count


def test_the_fullest_second_need_not_begin_at_a_whole_one() -> None:
    arrivals = Arrivals()
    for stamp in (600, 700, 800, 900, 1100, 1300, 1500, 1599, 1600):
        arrivals.add(stamp * 1_000_000)
    assert arrivals.max_per_second() == 8


times = st.integers(0, 40).map(lambda step: step * SECOND_NS // 8)


@given(st.lists(st.lists(times, max_size=12), max_size=6))
def test_counting_in_between_and_late_arrivals_change_nothing(groups: list[list[int]]) -> None:
    arrivals = Arrivals()
    seen: list[int] = []
    for group in groups:
        for stamp in group:
            arrivals.add(stamp)
        seen += group
        assert arrivals.max_per_second() == max_per_second(seen)
        assert list(arrivals.stamps) == sorted(seen)


def test_arrivals_after_a_time_do_not_include_it() -> None:
    arrivals = Arrivals()
    for stamp in (1, 2, 2, 3):
        arrivals.add(stamp)
    assert list(arrivals.since(2)) == [3]
    assert list(arrivals.since(0)) == [1, 2, 2, 3]
