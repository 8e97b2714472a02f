import pytest

from times_dispatch.sms.rules.number_forms import has_form, has_groups_of_no_id, is_foreign


@pytest.mark.parametrize(
    ("written", "to_call", "right"),
    [
        ("9876543210", False, True),
        ("8433 9 8433 9", False, True),
        ("7777-0-55555", False, True),
        ("9876 54 321 0", False, False),
        ("9876 54 321 0", True, True),
        ("1800 425 00 000", False, True),
        ("1800 233 666666", True, True),
        ("1800 5200-20200", False, False),
        ("1800 1234 1800 2100", True, False),
        ("18001200163712", True, False),
        ("18000-25000", False, False),
        ("18000-250000", False, False),
        ("1800-11-2024 10", True, False),
        ("18-03-2026", True, False),
        ("022-23456789", False, True),
        ("26543210", True, True),
        ("26543210", False, False),
        ("5876543210", True, True),
    ],
)
def test_the_form_of_a_number_depends_on_its_groups_and_on_a_word_to_call(
    written: str, to_call: bool, right: bool
) -> None:
    groups = written.replace("-", " ").split()

    assert has_form("".join(groups), list(map(len, groups)), written, to_call=to_call) is right


@pytest.mark.parametrize(
    ("written", "right"),
    [("1800 208 1234", True), ("1600 045 678", True), ("0877-2233333", True), ("98765 43210", False)],
)
def test_numbers_to_call_have_groups_that_no_id_has(written: str, right: bool) -> None:
    groups = written.replace("-", " ").split()

    assert has_groups_of_no_id("".join(groups), list(map(len, groups))) is right


@pytest.mark.parametrize(("digits", "right"), [("442071838750", True), ("999123456789", False), ("1", False)])
def test_a_number_of_another_country_has_digits_that_the_country_gives(digits: str, right: bool) -> None:
    assert is_foreign(digits) is right
