"""Normalises the phone numbers that a person writes on the command line or in a form."""

import re
from collections.abc import Sequence

from producers.errors import InputInvalid

_PLAIN_INDIAN_NUMBER = re.compile("(?:[+]?91|0)?([6-9][0-9]{9})")


def normalise_arguments(numbers: Sequence[str]) -> list[str]:
    """Normalise numbers from the command line; raise InputInvalid with the position of each invalid number."""
    plain = [_PLAIN_INDIAN_NUMBER.fullmatch(number.replace(" ", "").replace("-", "")) for number in numbers]
    if all(plain):
        return [f"91{match[1]}" for match in plain if match]
    from producers.rows.numbers import normalise_numbers  # noqa: PLC0415  # imports phonenumbers, which is slow

    normalised, reasons = normalise_numbers(list(numbers), landlines=True)
    if reasons:
        # Error messages hold no phone number, so the position tells which argument is invalid.
        of = "number {}" if len(numbers) > 1 else "the number"
        raise InputInvalid(*(f"{of.format(index + 1)} {reason}" for index, reason in reasons.items()))
    return normalised
