"""Reads the sheets of an .xls workbook with xlrd (the ``files`` extra), with the text that each cell shows."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xlrd
from xlrd.compdoc import CompDocError

from producers.recipients.values import ValueDamaged
from producers.recipients.workbook.format_tokens import GENERAL
from producers.recipients.workbook.number_format import show_number, show_text
from producers.recipients.workbook.sheets import Sheet, SheetRow, WorkbookDamaged


class XlsWorkbook:
    """An opened workbook. Raises WorkbookDamaged, struct.error or an error of Python if the file is damaged."""

    def __init__(self, path: Path) -> None:
        with _damage_named():
            self._book = xlrd.open_workbook(path, formatting_info=True, logfile=io.StringIO())
            self._sheets = self._book.sheets()
        self.sheets = [Sheet(sheet.name, sheet.visibility != 0) for sheet in self._sheets]

    def hidden_columns(self, sheet: int) -> set[int]:
        """Return the indexes of the columns of a sheet that a person does not see."""
        columns = self._sheets[sheet].colinfo_map.items()
        return {index for index, column in columns if column.hidden or column.width == 0}

    def close(self) -> None:
        """Release the memory of the workbook."""
        self._book.release_resources()

    def rows(self, sheet: int) -> Iterator[SheetRow]:
        """Yield all rows of a sheet."""
        table = self._sheets[sheet]
        for index in range(table.nrows):
            info = table.rowinfo_map.get(index)
            cells: list[str] = []
            damaged: dict[int, str] = {}
            for column in range(table.row_len(index)):
                try:
                    cells.append(self._text(table.cell(index, column)))
                except ValueDamaged as reason:
                    cells.append("")
                    damaged[column] = str(reason)
            yield SheetRow(index + 1, cells, bool(info and info.hidden), damaged)

    def _text(self, cell: Any) -> str:
        match cell.ctype:
            case xlrd.XL_CELL_TEXT:
                return show_text(str(cell.value), self._number_format(cell))
            case xlrd.XL_CELL_NUMBER | xlrd.XL_CELL_DATE:
                return show_number(cell.value, self._number_format(cell), from_1904=self._book.datemode == 1)
            case xlrd.XL_CELL_BOOLEAN:
                return "TRUE" if cell.value else "FALSE"
            case xlrd.XL_CELL_ERROR:
                return str(xlrd.error_text_from_code.get(cell.value, "#VALUE!"))
            case _:
                return ""

    def _number_format(self, cell: Any) -> str:
        if cell.xf_index is None:
            return GENERAL
        known = self._book.format_map.get(self._book.xf_list[cell.xf_index].format_key)
        if known is None:
            return GENERAL
        # For the short date of the computer, xlrd gives the short date of the United States.
        text = str(known.format_str)
        return {"m/d/yy": "dd-mm-yyyy", "mm-dd-yy": "dd-mm-yyyy", "m/d/yy h:mm": "dd-mm-yyyy hh:mm"}.get(text, text)


@contextmanager
def _damage_named() -> Iterator[None]:
    """Turn the two errors of xlrd into WorkbookDamaged, which code without xlrd knows."""
    try:
        yield
    except (xlrd.XLRDError, CompDocError) as error:
        raise WorkbookDamaged(str(error)) from None
