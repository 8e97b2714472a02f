"""The language and the digits in a number format, such as ``[$-439]`` or ``[$-4000439]`` (ECMA-376, 18.8.31)."""

import re
from typing import Final, NamedTuple

ENGLISH: Final = "en"
_CODE: Final = re.compile(
    "(?P<digits>[0-9A-F]{1,2})?(?P<calendar>[0-9A-F]{2})?(?P<language>[0-9A-F]{4})", re.IGNORECASE
)
_SHORT_CODE: Final = re.compile("[0-9A-F]{1,4}", re.IGNORECASE)
_PRIMARY_LANGUAGE: Final = 0x3FF
"""The bits of a language's code that name the language without its country."""
_LANGUAGES: Final = {0x00: ENGLISH, 0x09: ENGLISH, 0x39: "hi"}
"""Languages by their primary code; code 0 is the language of the computer."""
_SYSTEM: Final = 0x400
_ZEROS: Final = dict(enumerate((0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66), 4))
"""The digit zero of Indian scripts, by the code of the script's digits: 4 is Devanagari, 12 is Malayalam."""


class Locale(NamedTuple):
    """The language of the names of months and days, and the digits."""

    language: str
    """``en``, ``hi``, or empty for a language whose names are not known here."""
    zero: int
    """The character of the digit zero."""

    def with_digits(self, text: str) -> str:
        """Return a text with the digits of the locale."""
        if self.zero == ord("0"):
            return text
        return text.translate({ord("0") + digit: chr(self.zero + digit) for digit in range(10)})


DEFAULT_LOCALE: Final = Locale(ENGLISH, ord("0"))


def locale_of(text: str) -> Locale:
    """Return the locale of a code, such as ``439`` or ``4000439``, or of a name, such as ``hi-IN``."""
    if match := _CODE.fullmatch(text):
        digits = _ZEROS.get(int(match["digits"] or "0", 16), ord("0"))
        return Locale(_language_of(int(match["language"], 16)), digits)
    if _SHORT_CODE.fullmatch(text):
        return Locale(_language_of(int(text, 16)), ord("0"))
    name = text.partition("-")[0].lower()
    return Locale(name if name in _LANGUAGES.values() else "", ord("0"))


def _language_of(code: int) -> str:
    return ENGLISH if code == _SYSTEM else _LANGUAGES.get(code & _PRIMARY_LANGUAGE, "")
