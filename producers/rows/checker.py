"""Turns each row of a recipients file into a message that can be sent, or into a refused row with its reason."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from producers.recipients import Chunk
from producers.recipients.cell_text import tidy, tidy_cells
from producers.recipients.epoch_dates import EPOCH_DATE, is_epoch_in_date_column, names_date
from producers.recipients.guarded_cells import is_rejects
from producers.rows.custom_values import CustomColumns
from producers.rows.damage import UNREADABLE, DamageCheck, DamageKind
from producers.rows.doubtful_values import DoubtfulValueCounter
from producers.rows.link_columns import LinkColumns
from producers.rows.numbers import FOREIGN, NumberSet, find_foreign, normalise_numbers
from producers.rows.parts import PartsCounter, may_be_too_long, too_long
from producers.rows.refusals import Finding, RefusalReason, RefusedRow, duplicate
from producers.rows.rejects_file import EARLIER_REFUSAL, earlier_duplicates
from producers.rows.slots import SlotSource, all_values_valid
from producers.rows.whitelists import Whitelists
from times_dispatch.sms.encoding import MAX_PARTS
from times_dispatch.sms.templates import Slot

T = TypeVar("T")

TOO_LONG = Finding(RefusalReason.LENGTH, f"the text takes more than {MAX_PARTS} parts")

_TRANSPOSED_AT_MOST = 4
"""Up to this many columns for each needed column, transposing whole rows costs less than picking the needed cells."""
_EXAMPLES = 3
"""How many refused rows are kept as examples for each message."""
_EXAMPLE_MESSAGES = 50
"""For how many different messages refused rows are kept."""


class CheckedRows(NamedTuple):
    """A checked chunk: its refused rows, and its messages as columns, whose entries *i* make up message *i*."""

    lines: list[int]
    to: list[str]
    slots: list[list[str]]
    parts: list[int]
    refused: list[RefusedRow]
    """The refused rows, in the order of their lines."""
    custom: Mapping[str, list[str]] = MappingProxyType({})
    """Custom values that come from columns, by name."""
    link_values: Sequence[list[str]] = ()
    """Values for the targets of tracked links, one list for each variable of the targets."""


class RowChecker:
    """Checks the rows of one campaign, chunk by chunk, in their order.

    A row is refused for one of these faults: a wrong number of cells, an invalid number, an empty or damaged cell, a
    value that its slot or an HTTP header does not allow, a value that is not whitelisted, a text that is longer than an
    SMS can be, or a number of an earlier good row. A row with several faults is refused for the first fault of this
    list.

    Most checks run on a whole chunk at once, not row by row, so that a million rows take seconds.
    """

    def __init__(
        self,
        slot_source: SlotSource,
        *,
        names: Sequence[str],
        to: int,
        max_length: int,
        whitelists: Whitelists,
        custom: CustomColumns | None = None,
        links: LinkColumns | None = None,
        damage_check: DamageCheck | None = None,
        allows_foreign: bool = False,
        region: str = "IN",
    ) -> None:
        """Prepare for the first chunk.

        Args:
            slot_source: makes the values of the template's slots.
            names: the names of the columns.
            to: index of the column that holds the number.
            max_length: the limit of characters for a slot's value.
            whitelists: the links and callback numbers that values may contain.
            custom: makes the custom values that come from columns.
            links: makes the values for the targets of tracked links.
            damage_check: finds cells without a value or with a damaged value; by default with the default words.
            allows_foreign: whether numbers of other countries are accepted.
            region: the country of numbers without a country code, as two letters.
        """
        self.accepted = 0
        """How many rows became messages."""
        self.refused: Counter[str] = Counter()
        """How many rows were refused, by the message of the finding."""
        self.refused_by_reason: Counter[str] = Counter()
        """How many rows were refused, by the value of the ``RefusalReason``."""
        self.foreign = 0
        """How many accepted numbers are of other countries."""
        self.examples: dict[str, list[RefusedRow]] = {}
        """The first refused rows for each message, and for a limited number of messages."""
        self.parts_counter = PartsCounter(slot_source.template)
        self.whitelists = whitelists
        self.doubts = DoubtfulValueCounter(slot_source.template.slots)
        self._slot_source = slot_source
        self._custom = custom or CustomColumns({})
        self._links = links or LinkColumns()
        self._used_columns = sorted(slot_source.columns | self._custom.columns | self._links.columns)
        self._earlier_refusal = EARLIER_REFUSAL if is_rejects(names) else None
        self._needed_columns = sorted({to, *self._used_columns, *(self._earlier_refusal or ())})
        self._date_columns = frozenset(column for column in self._used_columns if names_date(names[column]))
        self._required = slot_source.required | self._custom.required | self._links.required
        self._damage_check = damage_check or DamageCheck()
        self._allows_foreign = allows_foreign
        self._names = names
        self._to = to
        self._max_length = max_length
        self._may_be_too_long = may_be_too_long(slot_source.template, max_length)
        self._region = region
        self._seen = NumberSet()

    def check(self, chunk: Chunk) -> CheckedRows:
        """Check a chunk; chunks must come in the file's order, because duplicates are found across chunks."""
        rows = chunk.rows
        columns = _columns(rows, self._needed_columns)
        to, findings = self._numbers(chunk, columns[self._to])
        foreign = find_foreign(to)
        if not self._allows_foreign:
            for index in foreign:
                findings.setdefault(index, Finding(RefusalReason.FOREIGN, f"{self._names[self._to]} {FOREIGN}"))
        cells = {column: tidy_cells(columns[column]) for column in self._used_columns}
        self._check_cells(cells, chunk, findings)
        slots = self._slot_values(cells, to, findings)
        custom = self._custom.values(cells, len(rows))
        link_values = self._links.values(cells, len(rows))
        for index, finding in self._links.findings(link_values):
            findings.setdefault(index, finding)
        if self._earlier_refusal:
            reasons, values = (columns[column] for column in self._earlier_refusal)
            for index in earlier_duplicates(reasons, values, to, self._region):
                if to[index]:  # also in a row with other faults, so that the next rejects file marks it too
                    self._seen.add([int(to[index])])
                    findings[index] = duplicate(columns[self._to][index])
        if findings:
            to = _without(to, findings)
        if duplicates := self._seen.add(list(map(int, to))):
            remaining = _without(range(len(rows)), findings)
            findings.update((remaining[at], duplicate(columns[self._to][remaining[at]])) for at in duplicates)
            to = _without(to, duplicates)
        if findings:
            slots = [_without(values, findings) for values in slots]
            custom = {name: _without(values, findings) for name, values in custom.items()}
            link_values = [_without(values, findings) for values in link_values]
        lines = _without(chunk.lines, findings) if findings else list(chunk.lines)
        unreadable = self._unreadable(chunk)
        refused = [
            RefusedRow(chunk.lines[index], finding, unreadable.get(index, rows[index]))
            for index, finding in findings.items()
        ]
        refused += [
            RefusedRow(broken.line, Finding(RefusalReason.SHAPE, broken.reason), broken.cells)
            for broken in chunk.broken
        ]
        refused.sort(key=itemgetter(0))
        self.accepted += len(to)
        self.doubts.add(slots)
        self._count(refused)
        self.foreign += len(set(foreign) - findings.keys())
        parts = self.parts_counter.parts(slots, len(to))
        return CheckedRows(lines, to, slots, parts, refused, custom, link_values)

    def _unreadable(self, chunk: Chunk) -> dict[int, list[str]]:
        """Return the rows in which a needed value could not be read, by the row's index."""
        marked: dict[int, list[str]] = {}
        for index, column in chunk.damaged:
            if column in self._needed_columns:
                marked.setdefault(index, list(chunk.rows[index]))[column] = UNREADABLE
        return marked

    def _count(self, refused: Sequence[RefusedRow]) -> None:
        for row in refused:
            message = row.finding.message
            self.refused[message] += 1
            self.refused_by_reason[row.finding.reason.value] += 1
            if self.refused[message] > _EXAMPLES:
                continue
            if message in self.examples or len(self.examples) < _EXAMPLE_MESSAGES:
                self.examples.setdefault(message, []).append(row)

    def _numbers(self, chunk: Chunk, cells: Sequence[str]) -> tuple[list[str], dict[int, Finding]]:
        """Return the numbers of a chunk, with an empty text for each invalid number, and the findings of the rows."""
        name = self._names[self._to]
        to, reasons = normalise_numbers(cells, self._region)
        findings: dict[int, Finding] = {}
        for (index, column), reason in chunk.damaged.items():
            if column == self._to:
                findings[index] = Finding(RefusalReason.DAMAGED, f"{name} {reason}")
        for index, reason in reasons.items():
            damage = self._damage_check.of(tidy(cells[index]))
            message = f"{name} {damage.reason if damage else reason}"
            findings.setdefault(index, Finding(RefusalReason.NUMBER, message, cells[index]))
        return to, findings

    def _check_cells(self, cells: dict[int, Sequence[str]], chunk: Chunk, findings: dict[int, Finding]) -> None:
        """Add empty and damaged cells to ``findings``; replace every cell without a value by an empty text."""
        for (index, column), reason in chunk.damaged.items():
            if column in cells:
                value = chunk.rows[index][column]
                findings.setdefault(index, Finding(RefusalReason.DAMAGED, f"{self._names[column]} {reason}", value))
        for column, values in cells.items():
            damages = self._damage_check.find(values)
            if column in self._date_columns:
                for index, value in enumerate(values):
                    if is_epoch_in_date_column(value):
                        message = f"{self._names[column]} {EPOCH_DATE}"
                        findings.setdefault(index, Finding(RefusalReason.DAMAGED, message, value))
            if not damages:
                continue
            changed = list(values)
            for index, damage in damages.items():
                message = f"{self._names[column]} {damage.reason}"
                if damage.kind is DamageKind.DAMAGED:
                    findings.setdefault(index, Finding(RefusalReason.DAMAGED, message, values[index]))
                else:
                    changed[index] = ""
                    if column in self._required:
                        findings.setdefault(index, Finding(RefusalReason.EMPTY, message, values[index]))
            cells[column] = changed

    def _slot_values(
        self, cells: Mapping[int, Sequence[str]], to: Sequence[str], findings: dict[int, Finding]
    ) -> list[list[str]]:
        """Return the values, one list for each slot; add refused values to ``findings``."""
        source = self._slot_source
        slots, text_findings = source.values(cells, len(to))
        for index, finding in text_findings.items():
            findings.setdefault(index, finding)
        for slot, name, values in zip(source.template.slots, source.names, slots, strict=True):
            if not all_values_valid(slot, values, self._max_length):
                for index, value in enumerate(values):
                    if problem := self._slot_problem(slot, value):
                        findings.setdefault(index, Finding(RefusalReason.SLOT, f"{name} {problem}", value))
        if findings:
            # A refused value may be of any length, and is not searched for links and numbers.
            slots = [_blanked(values, findings) for values in slots]
        for index, finding in self.whitelists.findings(slots, to, source.names):
            findings.setdefault(index, finding)
        for index, finding in self._custom.findings(cells, len(to)):
            findings.setdefault(index, finding)
        if self._may_be_too_long:
            for index in too_long(source.template, slots, len(to)):
                findings.setdefault(index, TOO_LONG)
        return slots

    def _slot_problem(self, slot: Slot, value: str) -> str | None:
        if len(value) > (max_length := slot.max_length(self._max_length)):
            return f"is longer than {max_length} characters"
        return slot.check(value, self._max_length)


def _columns(rows: Sequence[Sequence[str]], indexes: Sequence[int]) -> dict[int, Sequence[str]]:
    """Return some columns of rows, by their index."""
    if rows and len(rows[0]) <= _TRANSPOSED_AT_MOST * len(indexes):
        columns = list(zip(*rows, strict=True))
        return {index: columns[index] for index in indexes}
    return {index: tuple(map(itemgetter(index), rows)) for index in indexes}


def _blanked(values: Sequence[str], indexes: Iterable[int]) -> list[str]:
    """Return the values, with empty texts at these indexes."""
    blanked = list(values)
    for index in indexes:
        blanked[index] = ""
    return blanked


def _without(values: Sequence[T], indexes: Iterable[int]) -> list[T]:
    """Return the values without the values at these indexes."""
    stays = bytearray(b"\1") * len(values)
    for index in indexes:
        stays[index] = 0
    return list(compress(values, stays))
