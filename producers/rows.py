"""What becomes of each row of a recipients file: a message that is fit to be sent, or a refusal with its reason."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import compress
from operator import itemgetter
from typing import NamedTuple, TypeVar

from producers.duplicates import NumberSet
from producers.measuring import Measuring
from producers.numbers import normalised
from producers.recipients import Chunk
from producers.variables import Variable
from timesmobile.templates import Slot, Template

T = TypeVar("T")

DUPLICATE = "duplicate: an earlier row has the same number"

_JUDGED_BY_CHARACTER = frozenset({"var", "numeric", "number", "alphanumeric"})
"""Slots of these kinds look at each character by itself, so that many values can be judged as one text."""


class Refused(NamedTuple):
    """A row that is not sent to, with its cells as they were read.

    The reason names a column or a variable and never holds a value, so that it can be shown and counted by.
    """

    line: int
    reason: str
    cells: Sequence[str]


class Checked(NamedTuple):
    """A chunk's fate: its messages by column, entry *i* of each being one message; its refused rows in their order."""

    lines: list[int]
    to: list[str]
    slots: list[list[str]]
    parts: list[int]
    refused: list[Refused]


class Rows:
    """Checks the rows of one campaign, chunk by chunk, in their order; the first good row with a number counts.

    A row is refused for its number, for an empty cell or a value that the template's slot does not take, and as a
    duplicate; of several reasons the first is told. What can be said of a whole chunk at once, is.
    """

    def __init__(
        self,
        template: Template,
        variables: Sequence[Variable],
        *,
        names: Sequence[str],
        to: int,
        longest: int,
        region: str = "IN",
    ) -> None:
        """Take a variable for each slot, the columns' names, the number's column, the most characters of a value."""
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        """By reason."""
        self.measuring = Measuring(template)
        self._variables = tuple(zip(template.slots, variables, strict=True))
        self._used = sorted({column for variable in variables for column in variable.columns})
        self._names = names
        self._to = to
        self._longest = longest
        self._region = region
        self._seen = NumberSet()

    def check(self, chunk: Chunk) -> Checked:
        """Check the chunk that follows the one checked before."""
        rows = chunk.rows
        to, numberless = normalised(list(map(itemgetter(self._to), rows)), self._region)
        reasons = {index: f"{self._names[self._to]} {reason}" for index, reason in numberless.items()}
        slots = self._values(rows, reasons)
        if reasons:
            to = _left(to, reasons)
        if again := self._seen.add(list(map(int, to))):
            left = _left(range(len(rows)), reasons)
            reasons.update((left[position], DUPLICATE) for position in again)
            to = _left(to, again)
        if reasons:
            slots = [_left(values, reasons) for values in slots]
        lines = _left(chunk.lines, reasons) if reasons else list(chunk.lines)
        refused = [Refused(chunk.lines[index], reason, rows[index]) for index, reason in reasons.items()]
        refused += map(Refused._make, chunk.broken)
        refused.sort(key=itemgetter(0))
        self.accepted += len(to)
        self.refused.update(map(itemgetter(1), refused))
        return Checked(lines, to, slots, self.measuring.parts(slots, len(to)), refused)

    def _values(self, rows: Sequence[Sequence[str]], reasons: dict[int, str]) -> list[list[str]]:
        cells = {column: list(map(itemgetter(column), rows)) for column in self._used}
        for column, values in cells.items():
            if not all(map(str.strip, values)):
                empty = f"{self._names[column]} is empty"
                for index, value in enumerate(values):
                    if not value.strip():
                        reasons.setdefault(index, empty)
        slots = []
        for place, (slot, variable) in enumerate(self._variables, 1):
            values = variable.compose(cells, len(rows))
            if not self._all_fit(slot, values):
                for index, value in enumerate(values):
                    if reason := self._misfit(slot, value):
                        reasons.setdefault(index, f"variable {place} ({variable.text}) {reason}")
            slots.append(values)
        return slots

    def _all_fit(self, slot: Slot, values: list[str]) -> bool:
        """Say whether all values surely fit; False only means that each must be looked at."""
        if slot.kind not in _JUDGED_BY_CHARACTER or max(map(len, values), default=0) > self._longest:
            return False
        together = "".join(values)
        return slot.check(together, len(together)) is None

    def _misfit(self, slot: Slot, value: str) -> str | None:
        if len(value) > self._longest:
            return f"is longer than {self._longest} characters"
        return slot.check(value, self._longest)


def _left(values: Sequence[T], gone: Iterable[int]) -> list[T]:
    stays = bytearray(b"\1") * len(values)
    for position in gone:
        stays[position] = 0
    return list(compress(values, stays))
