"""What becomes of each row of a recipients file: a message that is fit to be sent, or a refusal with its reason."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from producers.recipients import Chunk
from producers.rows.custom_values import FromColumns
from producers.rows.numbers import NumberSet, normalised
from producers.rows.parts import Measuring, too_long
from producers.rows.refusals import Finding, RefusalReason, RefusedRow
from producers.rows.slots import SlotSource, all_values_valid
from producers.rows.whitelists import Whitelists
from times_dispatch.sms.encoding import MAX_PARTS
from times_dispatch.sms.templates import Slot

T = TypeVar("T")

TOO_LONG = Finding(RefusalReason.LENGTH, f"the text takes more than {MAX_PARTS} parts")
DUPLICATE = Finding(RefusalReason.DUPLICATE, "duplicate: an earlier row has the same number")

_EXAMPLES = 3
_EXAMPLE_REASONS = 50


class CheckedRows(NamedTuple):
    """A chunk's fate: its messages by column, entry *i* of each being one message; its refused rows in their order."""

    lines: list[int]
    to: list[str]
    slots: list[list[str]]
    parts: list[int]
    refused: list[RefusedRow]
    custom: Mapping[str, list[str]] = MappingProxyType({})
    """Values of the provider's own placeholders that come from columns; filled in by ``producers.draft``."""


class Rows:
    """Checks the rows of one campaign, chunk by chunk, in their order; the first good row with a number counts.

    A row is refused for its number, for an empty cell, for a value that the template's slot or a header does not take
    or that is not whitelisted, for a text longer than an SMS can be, and as a duplicate; of several reasons the first
    is told. What can be said of a whole chunk at once, is.
    """

    def __init__(
        self,
        filling: SlotSource,
        *,
        names: Sequence[str],
        to: int,
        longest: int,
        whitelists: Whitelists,
        custom: FromColumns | None = None,
        region: str = "IN",
    ) -> None:
        """Take what fills the slots, the columns' names, the number's column, the most characters of a value."""
        self.accepted = 0
        self.refused: Counter[str] = Counter()
        """By reason."""
        self.examples: dict[str, list[RefusedRow]] = {}
        """The first rows of each reason, and of so many reasons."""
        self.measuring = Measuring(filling.template)
        self.whitelists = whitelists
        self._filling = filling
        self._custom = custom or FromColumns({})
        self._used = sorted(filling.columns | self._custom.columns)
        self._names = names
        self._to = to
        self._longest = longest
        self._region = region
        self._seen = NumberSet()

    def check(self, chunk: Chunk) -> CheckedRows:
        """Check the chunk that follows the one checked before."""
        rows = chunk.rows
        to, numberless = normalised(list(map(itemgetter(self._to), rows)), self._region)
        findings = {
            index: Finding(RefusalReason.NUMBER, f"{self._names[self._to]} {reason}", rows[index][self._to])
            for index, reason in numberless.items()
        }
        slots = self._values(rows, to, findings)
        if findings:
            to = _left(to, findings)
        if again := self._seen.add(list(map(int, to))):
            left = _left(range(len(rows)), findings)
            findings.update((left[position], DUPLICATE) for position in again)
            to = _left(to, again)
        if findings:
            slots = [_left(values, findings) for values in slots]
        lines = _left(chunk.lines, findings) if findings else list(chunk.lines)
        refused = [RefusedRow(chunk.lines[index], finding, rows[index]) for index, finding in findings.items()]
        refused += [
            RefusedRow(broken.line, Finding(RefusalReason.SHAPE, broken.reason), broken.cells)
            for broken in chunk.broken
        ]
        refused.sort(key=itemgetter(0))
        self.accepted += len(to)
        self._count(refused)
        return CheckedRows(lines, to, slots, self.measuring.parts(slots, len(to)), refused)

    def _count(self, refused: Sequence[RefusedRow]) -> None:
        for row in refused:
            reason = row.finding.reason
            self.refused[reason] += 1
            if self.refused[reason] <= _EXAMPLES and (reason in self.examples or len(self.examples) < _EXAMPLE_REASONS):
                self.examples.setdefault(reason, []).append(row)

    def _values(
        self, rows: Sequence[Sequence[str]], to: Sequence[str], findings: dict[int, Finding]
    ) -> list[list[str]]:
        cells = {column: list(map(itemgetter(column), rows)) for column in self._used}
        for column, values in cells.items():
            if not all(map(str.strip, values)):
                empty = Finding(RefusalReason.EMPTY, f"{self._names[column]} is empty")
                for index, value in enumerate(values):
                    if not value.strip():
                        findings.setdefault(index, empty)
        slots, unfit = self._filling.values(cells, len(rows))
        for index, finding in unfit.items():
            findings.setdefault(index, finding)
        for slot, name, values in zip(self._filling.template.slots, self._filling.names, slots, strict=True):
            if not all_values_valid(slot, values, self._longest):
                for index, value in enumerate(values):
                    if reason := self._misfit(slot, value):
                        findings.setdefault(index, Finding(RefusalReason.SLOT, f"{name} {reason}", value))
        for index, finding in self.whitelists.findings(slots, to, self._filling.names):
            findings.setdefault(index, finding)
        for index, finding in self._custom.findings(cells, len(rows)):
            findings.setdefault(index, finding)
        for index in too_long(self._filling.template, slots, len(rows)):
            findings.setdefault(index, TOO_LONG)
        return slots

    def _misfit(self, slot: Slot, value: str) -> str | None:
        if len(value) > self._longest:
            return f"is longer than {self._longest} characters"
        return slot.check(value, self._longest)


def _left(values: Sequence[T], gone: Iterable[int]) -> list[T]:
    stays = bytearray(b"\1") * len(values)
    for position in gone:
        stays[position] = 0
    return list(compress(values, stays))
