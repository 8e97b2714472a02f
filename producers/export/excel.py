"""Exports as an Excel workbook: numbers and ids are texts, so that no digit is lost, and times are Excel's dates.

XlsxWriter makes a workbook with the headings of the sheets. The rows from ``sheet_rows`` are written into these sheets
while the workbook is packed, so that no row waits in memory or in another file.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Final
from zipfile import ZIP_DEFLATED, ZipFile

import xlsxwriter

from producers.export.rows import RowGroup
from producers.export.schema import Column, ColumnType
from producers.export.sheet_rows import rows_xml

MAX_ROWS_OF_SHEET: Final = 1_048_576
"""Excel's limit for the rows of a sheet; more rows go to more sheets."""
MAX_BYTES_OF_SHEET: Final = 1_900_000_000
"""The limit for a sheet: a larger sheet would need the ZIP64 extension, and Excel would offer to repair the file."""
_QUICK: Final = 1
"""The level of compression."""
_END_OF_ROWS: Final = b"</sheetData>"
_DIMENSION: Final = re.compile(rb"<dimension [^<>]*/>")
"""The element with a sheet's range of cells, to be removed: its range, the heading, would hide the rows."""


class ExcelWriter:
    """Writes a workbook group by group; no cell is a formula or a link."""

    def __init__(
        self,
        path: Path,
        columns: Sequence[Column],
        *,
        max_rows_of_sheet: int = MAX_ROWS_OF_SHEET,
        max_bytes_of_sheet: int = MAX_BYTES_OF_SHEET,
    ) -> None:
        """Begin a workbook.

        Args:
            path: the file, which may exist already.
            columns: the columns of the heading.
            max_rows_of_sheet: rows of a sheet, including the heading.
            max_bytes_of_sheet: uncompressed bytes of a sheet; the last group of a sheet may exceed the limit.
        """
        self._columns = columns
        self._max_rows = max_rows_of_sheet
        self._max_bytes = max_bytes_of_sheet
        self._archive = ZipFile(path, "w", ZIP_DEFLATED, compresslevel=_QUICK)
        self._before_rows, self._after_rows = _around_rows(_workbook(columns, sheets=1)[_sheet_name(1)])
        self._sheets = 0
        self._sheet: IO[bytes] = self._begin_sheet()

    def write(self, group: RowGroup) -> None:
        first, count = 0, len(group[0])
        while first < count:
            if self._rows >= self._max_rows or self._bytes >= self._max_bytes:
                self._end_sheet()
                self._sheet = self._begin_sheet()
            end = min(count, first + self._max_rows - self._rows)
            xml = rows_xml(self._columns, [column[first:end] for column in group]).encode()
            self._sheet.write(xml)
            self._rows += end - first
            self._bytes += len(xml)
            first = end

    def finish(self) -> None:
        """Write the end of the workbook; raise OSError if the file cannot be written."""
        self._end_sheet()
        for name, content in _workbook(self._columns, sheets=self._sheets).items():
            if not name.startswith("xl/worksheets/"):
                self._archive.writestr(name, content)
        self._archive.close()

    def close(self) -> None:
        """Close the file, even if the workbook is unfinished; such a file is discarded."""
        with suppress(OSError):
            self._sheet.close()
        with suppress(OSError):
            self._archive.close()

    def _begin_sheet(self) -> IO[bytes]:
        self._sheets += 1
        self._rows, self._bytes = 1, 0
        sheet = self._archive.open(_sheet_name(self._sheets), "w")
        sheet.write(self._before_rows)
        return sheet

    def _end_sheet(self) -> None:
        self._sheet.write(self._after_rows)
        self._sheet.close()


def _workbook(columns: Sequence[Column], *, sheets: int) -> dict[str, bytes]:
    """Return the files of a workbook whose sheets have a heading and no rows, by their names in the archive."""
    packed = BytesIO()
    with xlsxwriter.Workbook(packed, {"in_memory": True}) as book:
        time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for _ in range(sheets):
            sheet = book.add_worksheet()
            sheet.freeze_panes(1, 0)
            for number, column in enumerate(columns):
                sheet.set_column(number, number, None, time if column.type is ColumnType.TIME else None)
                sheet.write_string(0, number, column.name)
    with ZipFile(packed) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _sheet_name(number: int) -> str:
    return f"xl/worksheets/sheet{number}.xml"


def _around_rows(sheet: bytes) -> tuple[bytes, bytes]:
    """Return the part of a sheet before its rows, and the part after its rows."""
    before, end, after = _DIMENSION.sub(b"", sheet).partition(_END_OF_ROWS)
    return before, end + after
