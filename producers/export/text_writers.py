"""The contract of a writer of exports, and the writers of the two text formats, CSV and JSON Lines."""

import csv
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec

from producers.export.rows import RowGroup
from producers.export.schema import Column, ColumnType
from producers.recipients.guarded_cells import guard
from times_dispatch.sms.rules.send_window import INDIA_ZONE
from times_dispatch.visible_text import visible

_INDIA = ZoneInfo(INDIA_ZONE)
_MAX_KNOWN_MINUTES = 10_000


class TextSink(Protocol):
    """A target for text: a file, or standard output."""

    def write(self, text: str, /) -> object:
        """Write the text of one or several rows."""


class ExportWriter(Protocol):
    """Writes groups of rows to a file that the caller opens and keeps."""

    def write(self, group: RowGroup) -> None:
        """Write the rows of a group; raise OSError if the file cannot be written."""

    def finish(self) -> None:
        """Write the end of the format, after the last row."""


class CsvWriter:
    """Writes CSV with a heading. A cell that a spreadsheet would run as a formula gets an apostrophe in front."""

    def __init__(self, file: TextSink, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._rows = csv.writer(file)
        self._rows.writerow(column.name for column in columns)

    def write(self, group: RowGroup) -> None:
        self._rows.writerows(zip(*map(_cells, self._columns, group), strict=True))

    def finish(self) -> None:
        """Do nothing: CSV has no end."""


class JsonLinesWriter:
    """Writes one JSON object a line in UTF-8, with every column; null stands for no value."""

    def __init__(self, write: Callable[[bytes], object], columns: Sequence[Column]) -> None:
        self._columns = columns
        self._write = write
        self._encode_lines = msgspec.json.Encoder().encode_lines
        self._row_type = _row_type([column.name for column in columns])

    def write(self, group: RowGroup) -> None:
        columns = [
            _times(values) if column.type is ColumnType.TIME else values
            for column, values in zip(self._columns, group, strict=True)
        ]
        self._write(self._encode_lines(list(map(self._row_type, *columns))))

    def finish(self) -> None:
        """Do nothing: JSON Lines has no end."""


def _row_type(names: Sequence[str]) -> Callable[..., Any]:
    """Return a function that makes an object with these names from a row's values, to be encoded as JSON.

    A struct is encoded many times faster than a dictionary, but its names must be unique and need no escapes in JSON.
    """
    fields = [f"field{number}" for number in range(len(names))]
    try:
        return msgspec.defstruct(
            "Row",
            [(field, Any) for field in fields],
            rename=dict(zip(fields, names, strict=True)),
            frozen=True,
            gc=False,
        )
    except ValueError:
        return lambda *values: dict(zip(names, values, strict=True))


class VisibleLines:
    """A text file that shows control characters as escapes, and keeps one row on one line, for standard output."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def write(self, text: str, /) -> None:
        """Write one or several rows that end with line breaks; a line break within a row becomes an escape."""
        rows = text.removesuffix("\r\n").split("\r\n") if text.endswith("\r\n") else text.removesuffix("\n").split("\n")
        self._write("".join(visible(row) + "\n" for row in rows))


def iso_time(epoch_ms: int | None) -> str | None:
    """Return a time in India with milliseconds: ``2026-11-26T10:00:00.123+05:30``."""
    if epoch_ms is None:
        return None
    minute, rest_ms = divmod(epoch_ms, 60_000)
    second, millisecond = divmod(rest_ms, 1000)
    return f"{_minute(minute)}{_SECONDS[second]}{_MILLISECONDS[millisecond]}"


_SECONDS = [f":{second:02}" for second in range(60)]
_MILLISECONDS = [f".{millisecond:03}+05:30" for millisecond in range(1000)]


def _times(values: Sequence[int | None]) -> list[str | None]:
    """Return the times of a column as text; each time is formatted once, because many rows have equal times."""
    texts = {value: iso_time(value) for value in set(values)}
    return [texts[value] for value in values]


@lru_cache(_MAX_KNOWN_MINUTES)
def _minute(epoch_minutes: int) -> str:
    return f"{datetime.fromtimestamp(epoch_minutes * 60, _INDIA):%Y-%m-%dT%H:%M}"


def _cells(column: Column, values: Sequence[Any]) -> Sequence[Any]:
    """Return the cells of a column; the csv module writes an empty cell for None."""
    if column.type is ColumnType.TIME:
        return _times(values)
    if column.is_foreign:
        return [cell if not cell or cell[0].isalnum() else guard(cell) for cell in values]
    return values
