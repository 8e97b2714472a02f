"""Imports phone numbers from files into the ledger's opt-out list, and exports the list to a file."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

import msgspec

from producers.errors import InputInvalid
from producers.export.files import open_csv
from producers.recipients import Heading, open_table
from producers.recipients.cell_text import tidy
from producers.recipients.reader.limits import DEFAULT_LIMITS, ReaderLimits
from producers.rows.numbers import normalise_number, normalise_numbers
from times_dispatch.ledger.numbers.forgotten_numbers import ForgottenNumbers
from times_dispatch.ledger.numbers.opt_outs import OptOuts
from times_dispatch.sms.numbers import NumberInvalid

COLUMNS = ("to", "number", "mobile", "mobile number", "mobile no", "phone", "phone number", "msisdn")
"""Names of the column with the numbers. If a file has several such columns, the column whose name comes first in this
tuple is used. An export writes the first name."""

_NUMBERS_PER_CALL = 5_000
_INDIAN_WITH_CODE = re.compile("91[6-9][0-9]{9}")
_TEN_DIGITS = re.compile("[6-9][0-9]{9}")


class ImportResult(msgspec.Struct, frozen=True):
    """How many numbers an import added, and which rows it refused."""

    added: int
    known: int
    """How many numbers were on the list already, or were in the file more than once."""
    refused: dict[str, int]
    """Refused rows by reason, the most frequent reason first."""
    first_refused: dict[str, int]
    """The line of the first refused row for each reason."""
    forgotten: int = 0
    """How many numbers are forgotten: such numbers get no message anyway, and are not stored."""


async def import_numbers(
    path: Path,
    opt_outs: OptOuts,
    *,
    column: str = "",
    forgotten: ForgottenNumbers | None = None,
    limits: ReaderLimits = DEFAULT_LIMITS,
) -> ImportResult:
    """Add every number of a CSV, JSON Lines, Parquet or Excel file; a plain list of numbers needs no heading.

    A forgotten number is not added: its messages are suppressed already, and the ledger must not hold the number.

    Args:
        path: path of the file.
        opt_outs: the list in the ledger.
        column: the name of the column with the numbers; by default the first of COLUMNS that the file has.
        forgotten: tells which numbers are forgotten; None if no number is forgotten.
        limits: the memory and time that reading a workbook or Parquet file may take.

    Raises:
        InputInvalid: the file cannot be read, or has no such column.
        ForgetKeyRefused: without the right key, this process cannot tell which numbers are forgotten.
    """
    file = open_table(path, hint=column or COLUMNS[0], limits=limits)
    index = _column_index(file.heading, column)
    adder = _Adder(opt_outs, forgotten)
    file.use({index})
    refused: Counter[str] = Counter()
    first_refused: dict[str, int] = {}
    is_export = file.heading.names == COLUMNS[:1]
    # The first line of a plain list is a number, not a heading.
    number_in_heading = _number_or_empty(file.heading.names[0])
    pending: list[str] = [number_in_heading] if number_in_heading else []
    for chunk in file.chunks():
        cells = list(map(tidy, map(itemgetter(index), chunk.rows)))
        numbers, reasons = _normalise_cells(cells, is_export=is_export)
        reasons |= {row: reason for (row, column), reason in chunk.damaged.items() if column == index}
        pending += filter(None, numbers)
        wrong = [(chunk.lines[row], reason) for row, reason in reasons.items()]
        for line, reason in [*wrong, *((broken.line, broken.reason) for broken in chunk.broken)]:
            refused[reason] += 1
            first_refused.setdefault(reason, line)
        if len(pending) >= _NUMBERS_PER_CALL:
            await adder.add(pending)
            pending = []
    await adder.add(pending)
    return ImportResult(adder.added, adder.known, dict(refused.most_common()), first_refused, adder.forgotten)


class _Adder:
    """Adds numbers to the list, except forgotten numbers, and counts both kinds."""

    def __init__(self, opt_outs: OptOuts, forgotten: ForgottenNumbers | None) -> None:
        self._opt_outs = opt_outs
        self._forgotten = forgotten
        self.added = self.known = self.forgotten = 0

    async def add(self, numbers: Sequence[str]) -> None:
        """Add some numbers; raise ``ForgetKeyRefused`` if this process cannot tell which numbers are forgotten."""
        hidden = set(await self._forgotten.positions(numbers)) if self._forgotten else set[int]()
        kept = [number for position, number in enumerate(numbers) if position not in hidden]
        added = await self._opt_outs.add(kept) if kept else 0
        self.added += added
        self.known += len(kept) - added
        self.forgotten += len(hidden)


async def export_numbers(path: Path, opt_outs: OptOuts) -> int:
    """Write all numbers, each with a plus, to a CSV file that only its owner can read; return how many there are.

    The path ``-`` is standard output.
    """
    written = 0
    with open_csv(path) as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS[:1])
        async for numbers in opt_outs.iterate():
            rows.writerows((f"+{number}",) for number in numbers)
            written += len(numbers)
    return written


def _column_index(heading: Heading, column: str) -> int:
    if _number_or_empty(heading.names[0]) and not column:
        return 0
    for name in (column,) if column else COLUMNS:
        if (index := heading.index(name)) is not None:
            return index
    missing = f"named {column}" if column else f"with numbers (named {', '.join(COLUMNS)})"
    raise InputInvalid(f"{heading.path}:{heading.line}: no column {missing}; {heading.described()}; --column names it")


def _normalise_cells(cells: Sequence[str], *, is_export: bool) -> tuple[list[str], dict[int, str]]:
    """Normalise cells; return the numbers, empty for invalid cells, and the reasons for invalid cells by index.

    Exports of older versions have numbers with country codes and without a plus. In an export, a number that is not
    Indian is therefore read as a number of another country. Ten digits among numbers with country codes are refused,
    because they may be an Indian number without its code, or a shorter number of another country.
    """
    numbers, reasons = normalise_numbers(cells, landlines=True)
    if not is_export:
        return numbers, reasons
    stripped = [cell.strip() for cell in cells]
    has_codes = any(map(_INDIAN_WITH_CODE.fullmatch, stripped))
    for index, cell in enumerate(stripped):
        if index in reasons and cell.isdecimal() and (number := _number_or_empty(f"+{cell}")):
            numbers[index] = number
            del reasons[index]
        elif has_codes and _TEN_DIGITS.fullmatch(cell) and _number_or_empty(f"+{cell}"):
            numbers[index] = ""
            reasons[index] = "may be Indian or another country's: write +91 or + before it"
    return numbers, reasons


def _number_or_empty(cell: str) -> str:
    try:
        return normalise_number(cell, landlines=True)
    except NumberInvalid:
        return ""
