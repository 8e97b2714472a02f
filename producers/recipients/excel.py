"""Recipients as a sheet of Excel or OpenDocument, read with fastexcel and polars (the ``files`` extra)."""

from collections.abc import Iterator
from pathlib import Path

from producers.errors import InputInvalid
from producers.recipients.file import CHUNK_ROWS, Chunk
from producers.recipients.heading import Heading


class ExcelFile:
    """The first sheet of a workbook. Its first row that is not blank is the heading; a line is a row of the sheet.

    A cell gives its stored value, not the displayed one: 99.50 may be stored as 99.5, so amounts are best kept as text.
    The whole workbook is in memory, because its format cannot be streamed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import fastexcel  # noqa: PLC0415  # an extra
            import polars as pl  # noqa: PLC0415  # an extra
        except ImportError as missing:
            raise InputInvalid(
                f"{path}: reading Excel needs {missing.name}: pip install 'times-dispatch[files]', or save it as CSV"
            ) from None
        try:
            sheet = fastexcel.read_excel(path).load_sheet(0, header_row=None, skip_rows=0, dtypes="string")
            self._frame = sheet.to_polars()
        except fastexcel.FastExcelError:
            raise InputInvalid(f"{path}: is not a workbook, or is damaged or encrypted") from None
        self._frame = self._frame.select(pl.all().fill_null(""))
        self._heading_row = next((index for index, row in enumerate(self._frame.iter_rows()) if any(row)), -1)
        if self._heading_row < 0:
            raise InputInvalid(f"{path}: its first sheet is empty")
        self.heading = Heading(path, self._heading_row + 1, self._frame.row(self._heading_row))
        if not any(map(any, self._frame[self._heading_row + 1 :].iter_rows())):
            raise InputInvalid(f"{path}: its first sheet has a heading and no rows")
        self._rows_read = 0

    def fraction(self) -> float:
        """Return how much of the sheet has been read, from 0 to 1."""
        return self._rows_read / self._frame.height

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows below the heading, without the blank ones."""
        for first in range(self._heading_row + 1, self._frame.height, CHUNK_ROWS):
            rows = self._frame[first : first + CHUNK_ROWS].rows()
            self._rows_read = min(first + CHUNK_ROWS, self._frame.height)
            filled = [index for index, row in enumerate(rows) if any(row)]
            yield Chunk([first + 1 + index for index in filled], [rows[index] for index in filled], ())
