"""The refusal of a row: the reason, the value that caused the refusal, and advice for correcting the row."""

from collections.abc import Iterable, Sequence
from enum import Enum, unique
from typing import NamedTuple

import msgspec

from times_dispatch.settings.masking import mask

_MAX_DIGITS_SHOWN = 4
"""The limit of digits of an invalid number that an example shows."""


@unique
class RefusalReason(Enum):
    """The kinds of refusal. The value is the kind in words; ``advice`` tells how to correct a row of this kind."""

    advice: str

    def __new__(cls, words: str, advice: str) -> "RefusalReason":
        """Use only the words as the value, so that two reasons with equal advice stay two reasons."""
        reason = object.__new__(cls)
        reason._value_ = words
        reason.advice = advice
        return reason

    SHAPE = ("shape", "give the row as many cells as the heading has")
    NUMBER = ("number", "correct the number: ten digits from 6, 7, 8 or 9 on, or + and the country's code")
    DUPLICATE = ("duplicate", "nothing: the first good row with a number is sent")
    EMPTY = ("empty", "fill the cell, give the variable a default, as {name|there}, or leave the row out")
    DAMAGED = ("damaged", "correct the value in the program that it comes from, or leave the row out")
    FOREIGN = ("foreign", "leave the row out, or allow foreign_numbers for the sender in the settings")
    SLOT = ("slot", "change the value, or register a template whose slot takes it")
    TEXT = ("text", "write the text as it is registered, byte for byte, or register it")
    HEADER = ("header", "write the value in one line of ASCII, because it is sent in an HTTP header")
    LENGTH = ("length", "shorten the values or the registered text")
    LINK = ("link", "have the link whitelisted, and add it to the links of the template or the sender")
    CALLBACK_NUMBER = (
        "callback number",
        "have the number whitelisted, and add it to the callback_numbers of the template or the sender",
    )


class Finding(NamedTuple):
    """The mistake in one row."""

    reason: RefusalReason
    message: str
    """The mistake, with the column or the variable and without any value, to be shown and to count refused rows by."""
    value: str = ""
    """The value that caused the refusal, a part of the row, which must not be logged."""


def duplicate(number: str) -> Finding:
    """Return the finding for a row with the number of an earlier good row; ``number`` is the cell as it was read."""
    return Finding(RefusalReason.DUPLICATE, "duplicate: an earlier row has the same number", number)


class RefusedRow(NamedTuple):
    """A row that gets no message, with its cells as they were read."""

    line: int
    finding: Finding
    cells: Sequence[str]


class Example(msgspec.Struct, frozen=True, rename={"reason": "rule", "advice": "to_do"}):
    """A refused row in the report of ``dispatch check``; in JSON, two fields have older names."""

    line: int
    to: str
    """The number, masked; empty if the row has fewer or more cells than the heading."""
    reason: str
    """The value of a RefusalReason."""
    value: str
    """The value that caused the refusal; a phone number is masked."""
    advice: str


def examples(refused: Iterable[RefusedRow], *, to: int) -> list[Example]:
    """Turn refused rows into examples; ``to`` is the index of the column that holds the number."""
    return [_example(row, to) for row in refused]


def _example(row: RefusedRow, to: int) -> Example:
    reason, _, value = row.finding
    if reason is RefusalReason.NUMBER:
        number = value = _mask_invalid_number(value)
    else:
        value = "" if reason is RefusalReason.DUPLICATE else value
        number = mask(row.cells[to]) if reason is not RefusalReason.SHAPE else ""
    return Example(row.line, number, reason.value, value, reason.advice)


def _mask_invalid_number(cell: str) -> str:
    """Replace digits by asterisks, except the first half of the digits, at most four; keep all other characters."""
    digits = sum(map(str.isdigit, cell))
    shown = min(digits // 2, _MAX_DIGITS_SHOWN)
    masked = ""
    for character in cell:
        if not character.isdigit():
            masked += character
        elif shown:
            masked += character
            shown -= 1
        else:
            masked += "*"
    return masked
