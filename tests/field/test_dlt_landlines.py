"""Landlines with an area code that begins with 6 to 8, and mobiles in ranges that the number library does not have."""

import pytest

from producers.rows.numbers import normalise_numbers
from times_dispatch.sms.numbers import NumberInvalid, normalise

LANDLINES = [
    "08022345678",
    "7926543210",
    "+91 731 420 1234",
    "0612-2234567",
    "04023456789",
    "8162234567",
]
MOBILES = ["8012345678", "7900012345", "6200012345", "7000000000", "9999999999", "6912345678"]


@pytest.mark.parametrize("number", LANDLINES)
def test_a_landline_is_refused_and_called_a_landline(number: str) -> None:
    with pytest.raises(NumberInvalid, match=r"^is a landline, not a mobile number$"):
        normalise(number)


@pytest.mark.parametrize("number", MOBILES)
def test_a_mobile_is_taken(number: str) -> None:
    assert normalise(number) == f"91{number}"


def test_many_numbers_are_told_apart_at_once() -> None:
    numbers, reasons = normalise_numbers([*MOBILES, *LANDLINES])

    assert numbers == [*(f"91{number}" for number in MOBILES), *[""] * len(LANDLINES)]
    assert set(reasons.values()) == {"is a landline, not a mobile number"}
