"""Helplines and the short codes of operators."""

import pytest

from times_dispatch.sms.rules.callback_words import SHORT_CODE_WORDS
from times_dispatch.sms.rules.short_codes import BEFORE_SHORT_CODES, exempt_from_whitelist, find, may_contain


def _found(text: str) -> list[str]:
    return [text[start:end] for start, end in find(text, text.lower())]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Call 1930 now", ["1930"]),
        ("dial 112", ["112"]),
        ("SMS STOP to 56767", ["56767"]),
        ("Send unsub to 56161", ["56161"]),
        ("1909 पर कॉल करें", ["1909"]),
        ("Complaints: 1912 - BESCOM", ["1912"]),
        ("Police: 112 - TNPOLI", ["112"]),
        ("Flood control room 1077 or 0471-2730045", ["1077"]),
        ("Women's safety cell: 1091", ["1091"]),
        ("Gas leak? 1906", ["1906"]),
        ("टोल फ्री 14447", ["14447"]),
        ("సహాయం 1912", ["1912"]),
        ("Forward spam SMS to 1909", ["1909"]),
        ("Forward unwanted texts to 1909", ["1909"]),
        ("Reply STOP to 57575", ["57575"]),
        ("BLOCK 1234 to 567676", ["567676"]),
        ("Call 1912/19120/18002123435", ["1912", "19120"]),
    ],
)
def test_a_short_number_after_its_words_is_found(text: str, found: list[str]) -> None:
    assert may_contain(text, text.lower())
    assert _found(text) == found


@pytest.mark.parametrize(
    "text",
    ["call 100 minutes", "Send the form to 400051", "You can send money up to 50000", "your code is 1930", "call"],
)
def test_amounts_codes_and_pin_codes_are_no_short_numbers(text: str) -> None:
    assert not may_contain(text, text.lower())
    assert _found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Complaints received 1912, resolved 1905",
        "Your complaint 1912 is resolved",
        "Women 1091 candidates passed",
        "Police 112 posts vacant",
        "Complaints 198 closed",
        "Forward this to 1500 people",
        "Raised from INR 52000 to 56760",
        "Reply YES to confirm 57575",
    ],
)
def test_counts_after_the_words_for_helplines_are_no_short_numbers(text: str) -> None:
    assert _found(text) == []


@pytest.mark.parametrize(
    ("text", "exempt"),
    [
        ("call 1930", ["1930"]),
        ("SMS BAL to 567676", ["567676"]),
        ("Send STOP to 567676 and the form to 400051", ["567676"]),
        ("Send STOP to 562632, documents to 9876543210", ["562632"]),
        ("Send documents to 400051 or STOP to 567676", ["567676"]),
        ("Call 567676", []),
        ("Call 1800 208 7700", []),
    ],
)
def test_numbers_that_no_portal_whitelists_are_exempt(text: str, exempt: list[str]) -> None:
    assert list(dict.fromkeys(exempt_from_whitelist(text))) == exempt


def test_a_text_without_the_parts_of_words_is_passed_over_quickly() -> None:
    assert all(any(part in word.lower() for part in BEFORE_SHORT_CODES) for word in SHORT_CODE_WORDS)
