import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.sms.landlines import is_landline
from times_dispatch.sms.numbers import NumberInvalid, is_plausible, normalise

mobiles = st.from_regex("[6-9][0-9]{9}", fullmatch=True).filter(lambda digits: not is_landline(digits))
prefixes = st.sampled_from(["", "0", "91", "+91", "0091", "091", "(+91)", "＋91", "(0)", "+91 0", "0091 0"])
separators = st.lists(
    st.sampled_from(["", "", "", " ", "-", ".", "\u00a0", "\u200e", "–", "(", ")"]), min_size=12, max_size=12
)
scripts = st.sampled_from("0०০੦૦୦௦౦೦൦٠۰０")


@given(prefixes, mobiles, separators)
def test_an_indian_mobile_number_is_recognised_in_all_its_forms(prefix: str, mobile: str, between: list[str]) -> None:
    # A dot before the last one or two digits would make a decimal number, which has a test of its own.
    *between, near_end, nearer_end, at_end = between
    marks = [*between, *(mark.replace(".", "") for mark in (near_end, nearer_end)), at_end.replace(".", " ")]
    raw = marks[0] + prefix + "".join(mark + digit for mark, digit in zip(marks[1:], mobile, strict=False)) + marks[-1]
    assert normalise(raw) == "91" + mobile


@given(mobiles, scripts)
def test_digits_of_indian_scripts_are_read(mobile: str, zero: str) -> None:
    assert normalise("".join(chr(ord(zero) + int(digit)) for digit in mobile)) == "91" + mobile


@pytest.mark.parametrize(
    "raw",
    [
        "9876543210",
        "+91 98765-43210",
        "09876543210",
        "919876543210",
        "00919876543210",
        "0091 98765 43210",
        "(+91) 98765.43210",
        "+91.98765.43210",
        "+91 (0) 98765 43210",
        "९८७६५४३२१०",
        "+९१ ९८७६५ ४३२१०",
        "\u202a+91 98765 43210\u202c",
        "\ufeff9876543210\r\n",
        "9876543210.0",
        "919876543210.0",
        " 9876543210.00 ",
    ],
)
def test_the_forms_people_and_spreadsheets_write_mean_the_same_number(raw: str) -> None:
    assert normalise(raw) == "919876543210"


def test_ten_digits_that_begin_with_91_are_a_whole_number() -> None:
    assert normalise("9198765432") == "919198765432"
    assert normalise("09198765432") == "919198765432"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "is empty"),
        (" - ", "is empty"),
        ("9.19877E+11", "scientific notation"),
        ("9.19877e11", "scientific notation"),
        ("9,19877E+11", "scientific notation"),
        ("987654321.5", "decimal"),
        ("98765432.10", "decimal"),
        ("98765abcde", "characters"),
        ("9876543210 / 9876543211", "more than one number"),
        ("9876543210,9876543211", "more than one number"),
        ("98765+43210", "within the number"),
        ("++919876543210", "characters"),
        ("9876543210x12", "an extension"),
        ("98765432¹0", "characters"),
        ("+", "characters"),
        ("987654321", "ten digits"),
        ("987654321.0", "ten digits"),
        ("98765432101", "ten digits"),
        ("9876543210987654321098", "not a phone number"),
        ("5876543210", "not a mobile number"),
        ("+9198765432", "ten digits"),
        ("+999 12345678", "not a phone number"),
        ("+1 650", "too short"),
        ("+44 7911 123456789", "too long"),
        ("+44 0000 000000", "not a number in use"),
        ("022 2345 6789", "not a mobile number"),
        ("1800 123 4567", "not a mobile number"),
        ("+91 11 2345 6789", "not a mobile number"),
    ],
)
def test_a_number_that_cannot_get_sms_is_refused_with_a_reason(raw: str, reason: str) -> None:
    with pytest.raises(NumberInvalid, match=reason):
        normalise(raw)


def test_a_nine_digit_spreadsheet_float_does_not_become_somebody_elses_number() -> None:
    # Without its dot, 987654321.0 would be the good number 9876543210.
    with pytest.raises(NumberInvalid):
        normalise("987654321.0")


@pytest.mark.parametrize(
    ("raw", "region", "digits"),
    [
        ("+44 7911 123456", "IN", "447911123456"),
        ("0044 7911 123456", "IN", "447911123456"),
        ("07911 123456", "GB", "447911123456"),
        ("+1 (650) 253-0000", "IN", "16502530000"),
        ("+39 06 698 12345", "IN", "390669812345"),
        ("+91 98765 43210", "GB", "919876543210"),
        ("011 91 98765 43210", "US", "919876543210"),
    ],
)
def test_other_numbers_are_checked_by_the_library_and_their_region(raw: str, region: str, digits: str) -> None:
    assert normalise(raw, region) == digits


def test_ten_digits_are_not_an_indian_number_in_another_region() -> None:
    with pytest.raises(NumberInvalid):
        normalise("9876543210", "GB")


@given(st.one_of(st.text(max_size=30), st.text("0123456789+-. ()eE०", max_size=20)))
def test_any_text_gives_plausible_digits_or_a_reason_without_the_number(raw: str) -> None:
    reason, digits = "", ""
    try:
        digits = normalise(raw)
    except NumberInvalid as invalid:
        reason = str(invalid)
    assert bool(reason) != bool(digits)
    assert not any(character.isdigit() for character in reason)
    if digits:
        assert digits.isascii()
        assert digits.isdigit()
        assert normalise("+" + digits) == digits


@pytest.mark.parametrize("number", ["919876543210", "+919876543210", "12345678", "123456789012345"])
def test_plausible_digits_are_recognised(number: str) -> None:
    assert is_plausible(number)


@pytest.mark.parametrize(
    "number",
    [
        "",
        "+",
        "1234567",
        "1234567890123456",
        "0919876543210",
        "+91 9876543210",
        "९१९८७६५४३२१०",
        "919876543210\n",
        "91x",
    ],
)
def test_other_texts_are_not_plausible(number: str) -> None:
    assert not is_plausible(number)
