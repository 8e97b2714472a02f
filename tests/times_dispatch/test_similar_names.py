import time

import pytest

from times_dispatch.similar_names import similar_name


@pytest.mark.parametrize(("name", "expected"), [("TIMES", "TIMESM"), ("TIMESM", "TIMESM"), ("nothing", "")])
def test_the_most_similar_name_is_suggested(name: str, expected: str) -> None:
    assert similar_name(name, ["OTHERS", "TIMESM"]) == expected


@pytest.mark.parametrize(("length", "expected"), [(100, "a" * 100), (101, "")])
def test_long_names_get_no_suggestion(length: int, expected: str) -> None:
    assert similar_name("a" * length, ["a" * length]) == expected


def test_the_cost_is_bounded_whatever_the_names_are() -> None:
    began = time.process_time()
    similar_name("ab" * 50, ("ba" * 50 for _ in range(100_000)))
    assert time.process_time() - began < 10
