"""Exports as a workbook of Excel: numbers and ids are texts, so that no digit is lost, and times are Excel's dates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import xlsxwriter

from producers.export.rows import RowGroup
from producers.export.schema import Column, ColumnType

MAX_ROWS_OF_SHEET: Final = 1_048_576
"""Excel's limit; further rows go to further sheets."""
_MAX_CELL = 32_767
_INDIA_MS = 19_800_000
_DAY_MS = 86_400_000
_EPOCH_DAY = 25_569
"""The number of 1 January 1970 among Excel's days."""


class ExcelWriter:
    """Writes a workbook row by row; no cell is a formula or a link."""

    def __init__(
        self, path: Path, columns: Sequence[Column], *, folder: Path, max_rows_of_sheet: int = MAX_ROWS_OF_SHEET
    ) -> None:
        """Begin a workbook.

        Args:
            path: the file, which may exist already.
            columns: the columns of the heading.
            folder: where the rows wait until the workbook is packed; readable by its owner only.
            max_rows_of_sheet: rows of a sheet, with the heading.
        """
        self._columns = columns
        self._max_rows = max_rows_of_sheet
        self._book = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": str(folder)})
        self._time = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._begin_sheet()

    def write(self, group: RowGroup) -> None:
        kinds = [column.type for column in self._columns]
        for row in zip(*group, strict=True):
            if self._row == self._max_rows:
                self._begin_sheet()
            for column, (kind, value) in enumerate(zip(kinds, row, strict=True)):
                if value is None or value == "":
                    continue
                if kind is ColumnType.TEXT:
                    self._sheet.write_string(self._row, column, value[:_MAX_CELL])
                elif kind is ColumnType.INTEGER:
                    self._sheet.write_number(self._row, column, value)
                else:
                    day = (value + _INDIA_MS) / _DAY_MS + _EPOCH_DAY
                    self._sheet.write_number(self._row, column, day, self._time)
            self._row += 1

    def finish(self) -> None:
        """Pack the workbook; raise OSError if the file cannot be written."""
        self._book.close()

    def _begin_sheet(self) -> None:
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        for number, column in enumerate(self._columns):
            self._sheet.write_string(0, number, column.name)
        self._row = 1
