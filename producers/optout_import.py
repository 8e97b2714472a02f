"""Numbers that must not be sent to any more: in from files, out to files; the list itself is in the ledger."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

import msgspec

from producers.atomic_file import whole_file
from producers.errors import InputInvalid
from producers.recipients import Heading, open_table
from producers.rows.numbers import normalised
from times_dispatch.ledger.optouts import OptOuts
from times_dispatch.sms.numbers import NumberInvalid, normalise

COLUMNS = ("to", "number", "mobile", "mobile number", "mobile no", "phone", "phone number", "msisdn")
"""What the column with the numbers may be called; the first of them that is there counts."""

_AT_ONCE = 5_000
_WITH_CODE = re.compile("91[6-9][0-9]{9}")
_TEN_DIGITS = re.compile("[6-9][0-9]{9}")


class Imported(msgspec.Struct, frozen=True):
    """What an import came to."""

    added: int
    known: int
    """Those that were on the list, or twice in the file."""
    refused: dict[str, int]
    """Rows by reason."""
    first_refused: dict[str, int]
    """The first line of each reason."""


async def import_numbers(path: Path, optouts: OptOuts, *, column: str = "") -> Imported:
    """Add every number of a file, CSV, JSON Lines, Parquet or Excel; a plain list of numbers needs no heading.

    Raises InputInvalid if the column cannot be told.
    """
    file = open_table(path, hint=column or COLUMNS[0])
    place, added, good = _place(file.heading, column), 0, 0
    refused: Counter[str] = Counter()
    first: dict[str, int] = {}
    headless = _number(file.heading.names[0])
    numbers: list[str] = [headless] if headless else []
    for chunk in file.chunks():
        found, reasons = _numbers(list(map(itemgetter(place), chunk.rows)), exported=file.heading.names == COLUMNS[:1])
        numbers += filter(None, found)
        wrong = [(chunk.lines[at], reason) for at, reason in reasons.items()]
        for line, reason in [*wrong, *((broken.line, broken.reason) for broken in chunk.broken)]:
            refused[reason] += 1
            first.setdefault(reason, line)
        if len(numbers) >= _AT_ONCE:
            added, good, numbers = added + await optouts.add(numbers), good + len(numbers), []
    if numbers:
        added, good = added + await optouts.add(numbers), good + len(numbers)
    return Imported(added, good - added, dict(refused.most_common()), first)


async def export_numbers(path: Path, optouts: OptOuts) -> int:
    """Write all numbers, with their plus, to a CSV file that only its owner can read, whole or not at all.

    Returns how many there are.
    """
    written = 0
    with whole_file(path) as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS[:1])
        async for numbers in optouts.iterate():
            rows.writerows((f"+{number}",) for number in numbers)
            written += len(numbers)
    return written


def numbers_given(raws: Sequence[str]) -> list[str]:
    """Normalise numbers that were typed in; raise InputInvalid for those that are none, by their place."""
    numbers, reasons = normalised(list(raws))
    if reasons:
        raise InputInvalid(*(f"number {place + 1} {reason}" for place, reason in reasons.items()))
    return numbers


def _place(heading: Heading, column: str) -> int:
    if _number(heading.names[0]) and not column:
        return 0
    for name in (column,) if column else COLUMNS:
        if (place := heading.index(name)) is not None:
            return place
    what = f"named {column}" if column else f"with numbers (named {', '.join(COLUMNS)})"
    raise InputInvalid(f"{heading.path}:{heading.line}: no column {what}; {heading.described()}; --column names it")


def _numbers(cells: Sequence[str], *, exported: bool) -> tuple[list[str], dict[int, str]]:
    """Normalise cells.

    Lists that were ``exported`` before numbers had a plus have them all with their country's code: what is no Indian
    number is another country's. Ten digits among them may be an Indian number or a shorter country's.
    """
    numbers, reasons = normalised(cells)
    if not exported:
        return numbers, reasons
    bare = [cell.strip() for cell in cells]
    with_codes = any(map(_WITH_CODE.fullmatch, bare))
    for place, cell in enumerate(bare):
        if place in reasons and cell.isdecimal() and (number := _number(f"+{cell}")):
            numbers[place] = number
            del reasons[place]
        elif with_codes and _TEN_DIGITS.fullmatch(cell) and _number(f"+{cell}"):
            numbers[place] = ""
            reasons[place] = "may be Indian or another country's: write +91 or + before it"
    return numbers, reasons


def _number(cell: str) -> str:
    try:
        return normalise(cell)
    except NumberInvalid:
        return ""
