"""Normalises the phone numbers that a person writes on the command line or in a form."""

from collections.abc import Sequence

from producers.errors import InputInvalid
from producers.rows.numbers import normalise_numbers


def normalise_arguments(numbers: Sequence[str]) -> list[str]:
    """Normalise numbers from the command line; raise InputInvalid with the position of each invalid number."""
    normalised, reasons = normalise_numbers(list(numbers), landlines=True)
    if reasons:
        # Error messages hold no phone number, so the position tells which argument is invalid.
        of = "number {}" if len(numbers) > 1 else "the number"
        raise InputInvalid(*(f"{of.format(index + 1)} {reason}" for index, reason in reasons.items()))
    return normalised
