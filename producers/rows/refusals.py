"""Why a row is not sent to: the rule that it breaks, the value that breaks it, and what to do."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

import msgspec

from times_dispatch.settings.logs import mask


class RefusalReason(Enum):
    """What a row must keep; its value is what to do about one that does not."""

    SHAPE = "give the row as many cells as the heading has"
    NUMBER = "mend the number: ten digits from 6, 7, 8 or 9 on, or + and the country's code"
    DUPLICATE = "nothing: the first good row with a number is sent"
    EMPTY = "fill the cell, or leave the row out"
    SLOT = "change the value, or register a template whose slot takes it"
    TEXT = "write the text as it is registered, byte for byte, or register it"
    HEADER = "write the value in one line of ASCII, for the provider gets it in a header"
    LENGTH = "shorten the values or the registered text"
    LINK = "have the link whitelisted, and add it to the links of the template or the sender"
    CALLBACK_NUMBER = "have the number whitelisted, and add it to the callback_numbers of the template or the sender"

    @property
    def name_in_words(self) -> str:
        """The rule as it is told to people and programs: ``callback number``."""
        return self.name.lower().replace("_", " ")


class Finding(NamedTuple):
    """What is wrong with one row.

    The reason names a column or a variable and never holds a value, so that it can be shown and counted by.
    """

    rule: RefusalReason
    reason: str
    value: str = ""
    """What broke the rule; a piece of the row, never for a log."""


class RefusedRow(NamedTuple):
    """A row that is not sent to, with its cells as they were read."""

    line: int
    finding: Finding
    cells: Sequence[str]


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


def examples(refused: Iterable[RefusedRow], *, to: int) -> list[Example]:
    """Show some rows, given the column that holds the number."""
    return [_example(row, to) for row in refused]


def _example(row: RefusedRow, to: int) -> Example:
    rule, _, value = row.finding
    if rule is RefusalReason.NUMBER:
        number = value = _masked(value)
    else:
        number = mask(row.cells[to]) if rule is not RefusalReason.SHAPE else ""
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
