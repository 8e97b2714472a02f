"""Refused rows as a check shows them: where, whose, why, and what to do."""

from collections.abc import Iterable

import msgspec

from producers.findings import Refused, Rule
from settings.logs import mask


class Example(msgspec.Struct, frozen=True):
    """One refused row."""

    line: int
    to: str
    """The number, masked; empty if the row has not the shape of the heading."""
    rule: str
    value: str
    """What broke the rule; empty if it is the number, which stands masked in ``to``."""
    to_do: str


def examples(refused: Iterable[Refused], *, to: int) -> list[Example]:
    """Show some rows, given the column that holds the number."""
    return [_example(row, to) for row in refused]


def _example(row: Refused, to: int) -> Example:
    rule, _, value = row.finding
    number = row.cells[to] if rule is not Rule.SHAPE else ""
    shown = "" if rule is Rule.NUMBER else value
    return Example(row.line, mask(number), rule.name_in_words, shown, rule.value)
