"""The whitelist of the phone numbers that a text may name (docs/domain.md section 5)."""

import re
from collections.abc import Iterable

from times_dispatch.sms.landlines import is_landline
from times_dispatch.sms.numbers import DIGIT_TABLE
from times_dispatch.sms.rules import callback_numbers

_ENTRY = re.compile(r"[+]?[(]?[0-9](?:[ ()-]{0,2}[0-9]){2,14}")


def entry_problem(entry: str) -> str | None:
    """Return why an entry cannot be in a whitelist of numbers; None if the entry is valid."""
    if _ENTRY.fullmatch(entry):
        return None
    return f"must be a phone number, as in 1800 123 4567, is {entry!r}"


class NumberWhitelist:
    """The whitelisted callback numbers.

    The comparison ignores blanks, dashes, +91 and a leading 0. In a text, a landline may lack the area code.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._numbers = {national_digits(entry) for entry in entries}
        self._local = {number[-size:] for number in self._numbers if is_landline(number) for size in (6, 7, 8)}

    def __bool__(self) -> bool:
        return bool(self._numbers)

    def allows(self, number: str) -> bool:
        """Return whether a number is whitelisted."""
        digits = national_digits(number)
        return digits in self._numbers or digits in self._local

    def missing(self, text: str) -> list[str]:
        """Return the numbers of a text that are not whitelisted."""
        return [number for number in callback_numbers.find(text) if not self.allows(number)]


def national_digits(number: str) -> str:
    """Return the digits of a number without the country code or the trunk prefix: ``9876543210``."""
    digits = "".join(filter(str.isdigit, number.translate(DIGIT_TABLE)))
    if len(digits) > 11:
        digits = digits.lstrip("0")
    if len(digits) > 11 and digits.startswith("91"):
        digits = digits[2:]
    return digits.removeprefix("0") if len(digits) > 10 else digits
