import pytest

from producers.recipients.workbook.locales import DEFAULT_LOCALE, Locale, locale_of

DEVANAGARI, MALAYALAM, ASCII = 0x966, 0xD66, ord("0")


@pytest.mark.parametrize(
    ("code", "language", "zero"),
    [
        ("409", "en", ASCII),
        ("4009", "en", ASCII),
        ("439", "hi", ASCII),
        ("0439", "hi", ASCII),
        ("4000439", "hi", DEVANAGARI),
        ("0400439", "hi", ASCII),
        ("C00044C", "", MALAYALAM),
        ("407", "", ASCII),
        ("400", "en", ASCII),
        ("2000000", "en", 0x660),
        ("hi-IN", "hi", ASCII),
        ("en-GB", "en", ASCII),
        ("de-DE", "", ASCII),
        ("", "", ASCII),
    ],
)
def test_a_code_names_a_language_and_digits(code: str, language: str, zero: int) -> None:
    assert locale_of(code)[:2] == Locale(language, zero)[:2]


@pytest.mark.parametrize("code", ["4009", "439", "0439", "4000439", "447", "44E", "449", "820", "en-IN", "mr-IN"])
def test_digits_of_indian_locales_are_grouped_as_in_india(code: str) -> None:
    assert locale_of(code).is_indian


@pytest.mark.parametrize("code", ["409", "809", "845", "en-GB", "in", ""])
def test_digits_of_other_locales_are_grouped_by_threes(code: str) -> None:
    assert not locale_of(code).is_indian


@pytest.mark.parametrize(
    ("code", "is_gregorian"),
    [("409", True), ("14009", True), ("3010439", True), ("60401", False), ("1060409", False), ("1070000", False)],
)
def test_a_code_names_a_calendar(code: str, *, is_gregorian: bool) -> None:
    assert locale_of(code).is_gregorian == is_gregorian


def test_digits_are_those_of_the_locale() -> None:
    assert locale_of("4000439").with_digits("30 Nov, 2026") == "३० Nov, २०२६"
    assert DEFAULT_LOCALE.with_digits("30") == "30"
