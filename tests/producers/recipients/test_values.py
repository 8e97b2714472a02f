import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.recipients.values import ValueDamaged, float_text, number_text, short_float_text, text_of


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_a_whole_number_of_at_most_15_digits_keeps_its_digits(number: int) -> None:
    assert float_text(float(number)) == text_of(number) == number_text(str(number)) == str(number)


@given(st.decimals(-(10**6), 10**6, places=2))
def test_an_amount_keeps_its_value_whatever_its_type(amount: Decimal) -> None:
    assert Decimal(float_text(float(amount))) == amount
    assert Decimal(number_text(str(amount))) == amount
    assert text_of(amount) == str(amount)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False).filter(lambda value: abs(value) < 2**24))
def test_a_short_float_is_written_without_an_exponent(value: float) -> None:
    text = short_float_text(value, "f")

    assert "e" not in text
    assert math.isclose(float(text), value, rel_tol=1e-6, abs_tol=1e-40)


@pytest.mark.parametrize("value", [1e15, -1e15, math.inf, -math.inf])
def test_a_float_without_certain_digits_is_damaged(value: float) -> None:
    with pytest.raises(ValueDamaged):
        float_text(value)


@pytest.mark.parametrize(
    "literal",
    [
        "1000000000000000",
        "1e15",
        "-1000000000000000.5",
        "1E+400",
        "1e999999999",
        "1e-999999999",
        "1e99999999999999999999",
    ],
)
def test_a_number_of_json_with_more_than_15_digits_is_damaged(literal: str) -> None:
    with pytest.raises(ValueDamaged, match="more than 15 digits"):
        number_text(literal)


@pytest.mark.parametrize(
    ("literal", "text"),
    [("99.50", "99.50"), ("499.0", "499"), ("1e2", "100"), ("-0.5", "-0.5"), ("0.30000000000000004", "0.3")],
)
def test_a_number_of_json_stays_as_a_person_writes_it(literal: str, text: str) -> None:
    assert number_text(literal) == text


def test_a_value_of_an_unknown_kind_is_damaged() -> None:
    with pytest.raises(ValueDamaged, match="neither a text nor a number"):
        text_of(["x"])


def test_a_large_whole_amount_of_json_with_many_decimals_is_read() -> None:
    assert number_text("98765432.0000000000").partition(".")[0] == "98765432"
