"""Headers of fewer than six letters, which portals approve."""

import pytest

from times_dispatch.sms.rules import headers


@pytest.mark.parametrize("header", ["TIM", "TIME", "TIMES", "TIMESM", "567890"])
def test_headers_of_three_to_six_letters_or_six_digits_are_good(header: str) -> None:
    assert headers.problem(header) is None


@pytest.mark.parametrize("header", ["TI", "TIMESMS", "TIM3", "56789", "5678901", ""])
def test_other_headers_are_refused(header: str) -> None:
    assert headers.problem(header) is not None


@pytest.mark.parametrize(
    ("shown", "header"), [("VM-TIME-S", "TIME"), ("AD-TIM-P", "TIM"), ("TIMES-T", "TIMES"), ("JD-TIMESM", "TIMESM")]
)
def test_the_affixes_of_operators_are_taken_off(shown: str, header: str) -> None:
    assert headers.without_affixes(shown) == header
