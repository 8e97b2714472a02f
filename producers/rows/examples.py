"""Refused rows as a check shows them: where, whose, why, and what to do."""

from collections.abc import Iterable

import msgspec

from producers.rows.refusals import Refused, Rule
from times_dispatch.settings.logs import mask

_DIGITS_SHOWN = 4


class Example(msgspec.Struct, frozen=True):
    """One refused row."""

    line: int
    to: str
    """The number, masked; empty if the row has not the shape of the heading."""
    rule: str
    value: str
    """What broke the rule; a number is masked."""
    to_do: str


def examples(refused: Iterable[Refused], *, to: int) -> list[Example]:
    """Show some rows, given the column that holds the number."""
    return [_example(row, to) for row in refused]


def _example(row: Refused, to: int) -> Example:
    rule, _, value = row.finding
    if rule is Rule.NUMBER:
        number = value = _masked(value)
    else:
        number = mask(row.cells[to]) if rule is not Rule.SHAPE else ""
    return Example(row.line, number, rule.name_in_words, value, rule.value)


def _masked(cell: str) -> str:
    """Hide the digits of what is no number but for the first, at most four of them and half; show all else."""
    digits = sum(map(str.isdigit, cell))
    shown = min(digits // 2, _DIGITS_SHOWN)
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
