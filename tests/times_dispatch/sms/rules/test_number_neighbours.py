import re

import pytest

from times_dispatch.sms.rules.number_neighbours import may_begin, may_end

_DIGITS = re.compile(r"[0-9]+")


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Call:|9876543210", True),
        ("Sale.|9876543210", True),
        ("Rao - |9876543210", True),
        ("रमेश-|9876543210", True),
        ("Rao-|9876543210", True),
        ("M-|9876543210", True),
        ("T-|0755-2551234", True),
        ("T-|9755-2551234", False),
        ("1912/|18001234567", True),
        ("1912/|1800-123-4567", True),
        ("1912/|1234567890", False),
        ("contact Anil/|9876543210", True),
        ("Anil/|9876543210", False),
        ("OD-|9876543210", False),
        ("Ref-|9876543210", False),
        ("5.|9876543210", False),
    ],
)
def test_a_number_begins_after_a_sign_that_joins_it_to_no_id(text: str, right: bool) -> None:
    before, number = text.split("|")

    assert may_begin(before + number, len(before), group_before=None, end_of_number_before=-1) is right


@pytest.mark.parametrize(
    ("text", "end_of_number_before", "right"),
    [
        ("2026 9876543210", -1, True),
        ("2026-9876543210", -1, False),
        ("2026-9876543210", 4, True),
        ("411001-9876543210", -1, True),
        ("411001-1234567890", -1, False),
        ("2)9876543210", -1, True),
        ("22)9876543210", -1, False),
    ],
)
def test_after_other_digits_a_number_begins_only_if_it_stands_apart(
    text: str, end_of_number_before: int, right: bool
) -> None:
    before, number = [group.span() for group in _DIGITS.finditer(text)]

    assert may_begin(text, number[0], group_before=before, end_of_number_before=end_of_number_before) is right


@pytest.mark.parametrize(
    ("text", "has_more_groups", "right"),
    [
        ("|9876543210|", False, True),
        ("|9876543210| now", False, True),
        ("|9876543210|for help", False, True),
        ("|9876543210|ABC", False, False),
        ("call |9876543210|ABC", False, True),
        ("|9876543210|\u0939", False, True),
        ("|9876543210|/9876543211", False, True),
        ("|9876543210|-2 dial", True, True),
        ("|9876543210|-2@ybl", True, False),
        ("|9876543210|@ybl", False, False),
        ("|9876543210|%", False, False),
        ("|9876543210|. 5 days", True, True),
        ("|9876543210|.50", True, False),
        ("|9876543210|_OTP", False, True),
        ("|98765|_OTP", False, False),
        ("1800 |24|/7", False, False),
    ],
)
def test_a_number_ends_before_what_is_no_part_of_it(text: str, has_more_groups: bool, right: bool) -> None:
    before, number, after = text.split("|")
    group = (len(before), len(before) + len(number))

    assert may_end(before + number + after, group[0], group, has_more_groups=has_more_groups) is right
