import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from times_dispatch.sms.landlines import PREFIX_DIGITS, is_landline, landline_prefixes


@given(st.from_regex("[1-9][0-9]{9}", fullmatch=True))
def test_a_number_is_a_landline_where_the_library_says_so(national: str) -> None:
    number = phonenumbers.parse(national, "IN")
    fixed = phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) == PhoneNumberType.FIXED_LINE

    assert is_landline(national) is fixed
    assert (national[:PREFIX_DIGITS] in landline_prefixes()) is (fixed and national >= "6")


def test_the_prefixes_of_landlines_are_those_of_which_each_number_is_one() -> None:
    prefixes = map(str, range(60_000, 100_000))

    assert landline_prefixes() == {prefix for prefix in prefixes if is_landline(f"{prefix}00000")}


def test_about_an_eighth_of_the_prefixes_from_six_to_eight_are_landlines() -> None:
    assert 5_000 < len(landline_prefixes()) < 7_000


@pytest.mark.parametrize("national", ["9876543210", "6912345678", "7000000000", "8989898989"])
def test_a_mobile_is_no_landline(national: str) -> None:
    assert not is_landline(national)
