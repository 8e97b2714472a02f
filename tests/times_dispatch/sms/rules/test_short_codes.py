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
