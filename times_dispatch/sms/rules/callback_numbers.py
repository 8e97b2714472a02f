"""Phone numbers in a text, and the whitelist of those that a text may name (docs/domain.md section 5)."""

import re
from collections.abc import Iterable

_NUMBER = re.compile(
    r"(?<![\w.,:/#-])(?:"
    r"(?:\+?91[ -]?|0)?[6-9][0-9]{4}[ -]?[0-9]{5}"  # a mobile
    r"|1(?:800|860)[ -]?[0-9]{2,4}[ -]?[0-9]{2,4}"  # toll-free and shared cost, 8 to 11 digits
    r"|1(?:40|60)[0-9]{7}"  # telemarketers and service calls
    r"|(?:\+91[ -]?|0)[1-9][0-9]{1,3}[ -][0-9]{6,8}"  # a landline, recognised by the blank or dash after its area code
    r")(?![\w]|[.,:/-][0-9])"
)
# Every match of _NUMBER begins with a match of this cheaper pattern, which most texts with other digits do not contain.
_MAYBE = re.compile(r"[+0-9](?<![\w.,:/#-].)(?:[ -]?[0-9]){7}")
_ENTRY = re.compile(r"[+]?[0-9](?:[ -]?[0-9]){2,14}")


def find(text: str) -> list[str]:
    """Return the substrings of a text that look like phone numbers."""
    if not _MAYBE.search(text):
        return []
    return _NUMBER.findall(text)


def entry_problem(entry: str) -> str | None:
    """Return why an entry cannot be in a whitelist of numbers; None if it can."""
    if _ENTRY.fullmatch(entry):
        return None
    return f"must be a phone number, as in 1800 123 4567, is {entry!r}"


class NumberWhitelist:
    """The whitelisted callback numbers. Blanks, dashes, +91 and a leading 0 make no difference."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._numbers = {national_digits(entry) for entry in entries}

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def allows(self, number: str) -> bool:
        """Return whether a number is whitelisted."""
        return national_digits(number) in self._numbers

    def missing(self, text: str) -> list[str]:
        """Return the numbers of a text that are not whitelisted."""
        return [number for number in find(text) if not self.allows(number)]


def national_digits(number: str) -> str:
    """Return the digits of a number without the country code or the trunk prefix: ``9876543210``."""
    digits = "".join(filter(str.isdigit, number))
    if len(digits) == 12 and digits.startswith("91"):
        return digits[2:]
    return digits.removeprefix("0") if len(digits) == 11 else digits
