"""The language, digits and calendar in a number format, as ``[$-439]`` or ``[$-4000439]`` (ECMA-376, 18.8.31)."""

import re
from typing import Final, NamedTuple

ENGLISH: Final = "en"
_CODE: Final = re.compile("[0-9A-F]{1,8}", re.IGNORECASE)
"""Two hexadecimal digits for the digits, two for the calendar, and four for the language; leading zeros are omitted."""
_PRIMARY_LANGUAGE: Final = 0x3FF
"""The bits of a language's code that name the language without its country."""
_LANGUAGES: Final = {0x00: ENGLISH, 0x09: ENGLISH, 0x39: "hi"}
"""Languages by their primary code; code 0 is the language of the computer."""
_SYSTEM: Final = 0x400
_ZEROS: Final = dict(enumerate((0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66), 2))
"""The digit zero of Arabic and Indian scripts, by the code of the script's digits: 4 is Devanagari, 12 is Malayalam."""
_GREGORIAN: Final = frozenset({0, 1, 2, 9, 10, 11, 12})
"""The codes of the Gregorian calendar; other codes are calendars with other years, such as 6 for the Hijri calendar."""
_INDIAN: Final = frozenset({0x4009, 0x439, *range(0x445, 0x450), 0x457, 0x820, 0x860, 0x861})
"""English, Hindi, Bengali to Sanskrit, Konkani, Urdu, Kashmiri and Nepali in India."""


class Locale(NamedTuple):
    """The language of the names of months and days, and the digits."""

    language: str
    """``en``, ``hi``, or empty for a language whose names are not known here."""
    zero: int
    """The character of the digit zero."""
    is_gregorian: bool = True
    """Whether dates are shown in the Gregorian calendar."""
    is_indian: bool = False
    """Whether digits are grouped as in 12,34,567."""

    def with_digits(self, text: str) -> str:
        """Return a text with the digits of the locale."""
        if self.zero == ord("0"):
            return text
        return text.translate({ord("0") + digit: chr(self.zero + digit) for digit in range(10)})


DEFAULT_LOCALE: Final = Locale(ENGLISH, ord("0"))


def locale_of(text: str) -> Locale:
    """Return the locale of a code, such as ``439`` or ``4000439``, or of a name, such as ``hi-IN``."""
    if _CODE.fullmatch(text):
        code = int(text, 16)
        language, digits = code & 0xFFFF, _ZEROS.get(code >> 24, ord("0"))
        return Locale(_language_of(language), digits, (code >> 16 & 0xFF) in _GREGORIAN, language in _INDIAN)
    name, _, country = text.partition(",")[0].lower().partition("-")
    return Locale(name if name in _LANGUAGES.values() else "", ord("0"), is_indian=country == "in")


def _language_of(code: int) -> str:
    return ENGLISH if code == _SYSTEM else _LANGUAGES.get(code & _PRIMARY_LANGUAGE, "")
