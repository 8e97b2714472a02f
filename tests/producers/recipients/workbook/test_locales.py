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
        ("2000000", "en", ASCII),
        ("hi-IN", "hi", ASCII),
        ("en-GB", "en", ASCII),
        ("de-DE", "", ASCII),
        ("", "", ASCII),
    ],
)
def test_a_code_names_a_language_and_digits(code: str, language: str, zero: int) -> None:
    assert locale_of(code) == Locale(language, zero)


def test_digits_are_those_of_the_locale() -> None:
    assert locale_of("4000439").with_digits("30 Nov, 2026") == "३० Nov, २०२६"
    assert DEFAULT_LOCALE.with_digits("30") == "30"
