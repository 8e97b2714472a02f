"""Recipients as a sheet of Excel or OpenDocument: the rows and the sheet that a person sees."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError

from producers.errors import InputInvalid
from producers.recipients.file import CHUNK_ROWS, Chunk
from producers.recipients.heading import Heading, is_among, rows_above
from producers.recipients.kind import Kind
from producers.recipients.workbook.sheets import SheetRow, Workbook, WorkbookDamaged
from times_dispatch.plurals import counted

_MAX_LINES_SHOWN = 3
_MAX_ROWS_ABOVE = 10
"""The limit of rows above the heading, such as a title."""
_NO_MEMORY: Final = 1
"""The XML parser's error code for a failed allocation of memory."""
_DAMAGE: Final = (
    *(WorkbookDamaged, zipfile.BadZipFile, zlib.error, lzma.LZMAError, ExpatError, ParseError, struct.error),
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError, RuntimeError, StopIteration),
    *(TypeError, ValueError),
)
"""The errors of readers for damaged files, whose offsets, names and numbers make no sense."""


class ExcelFile:
    """The first visible sheet of a workbook, without its hidden rows.

    The heading is the first of ten rows that has a column named ``hint``; if no row has this column, the heading is the
    first row that is not blank. A line is a row of the sheet. The text of a cell is the text that a person sees in the
    cell: 0.18 with the format ``0%`` is 18%.
    """

    def __init__(self, path: Path, kind: Kind, *, hint: str) -> None:
        self._path = path
        self._kind = kind
        self._rows_read = 0
        self._rows = 0
        self._rows_above = 0
        self._hidden_lines: list[int] = []
        self._hidden_rows = 0
        self._workbook = self._open()
        sheets = self._workbook.sheets
        self._sheet = next((index for index, sheet in enumerate(sheets) if not sheet.is_hidden), -1)
        if self._sheet < 0:
            raise InputInvalid(f"{path}: has no visible sheet with rows")
        self.sheet_name = sheets[self._sheet].name
        self.heading = self._read_heading(hint)

    def use(self, columns: Collection[int]) -> None:
        """Do nothing: a value without a text makes its row wrong only if the value is used."""

    @property
    def source(self) -> str:
        """The name of the file and of the sheet."""
        return f"{self._path.name}, sheet {self.sheet_name}"

    def left_out(self) -> list[str]:
        """Return notes about other sheets and hidden rows, which are not read."""
        sheets = self._workbook.sheets
        others = [sheet.name for index, sheet in enumerate(sheets) if not sheet.is_hidden and index != self._sheet]
        hidden = [sheet.name for sheet in sheets if sheet.is_hidden]
        left_out = []
        if others or hidden:
            names = [*others, *(f"{name} (hidden)" for name in hidden)]
            left_out.append(
                f"{self._path.name}: only the sheet {self.sheet_name} is read, and not {', '.join(names)}; "
                "to send to another sheet, make it the first visible one"
            )
        if self._rows_above:
            left_out.append(rows_above(self._path, self._rows_above))
        if self._hidden_rows:
            lines = ", ".join(map(str, self._hidden_lines)) + (", …" if self._hidden_rows > _MAX_LINES_SHOWN else "")
            rows = counted(self._hidden_rows, "hidden row is", "hidden rows are")
            left_out.append(
                f"{self._path.name}: {rows} left out (row {lines}); to send to them, show all rows, and save the file"
            )
        return left_out

    def fraction(self) -> float:
        """Return how much of the sheet has been read, from 0 to 1; 0 until the rows are counted."""
        return min(1.0, self._rows_read / self._rows) if self._rows else 0.0

    def chunks(self) -> Iterator[Chunk]:
        """Read the visible rows below the heading, without blank rows."""
        width = len(self.heading)
        lines: list[int] = []
        rows: list[list[str]] = []
        damaged: dict[tuple[int, int], str] = {}
        self._rows_read = self._hidden_rows = 0
        self._hidden_lines = []
        for row in self._sheet_rows():
            if row.line <= self.heading.line or not (any(row.cells) or row.damaged):
                continue
            self._rows_read += 1
            if row.is_hidden:
                self._hidden_rows += 1
                if len(self._hidden_lines) < _MAX_LINES_SHOWN:
                    self._hidden_lines.append(row.line)
                continue
            for column, reason in row.damaged.items():
                damaged[len(rows), column] = reason
            lines.append(row.line)
            rows.append([*row.cells[:width], *[""] * (width - len(row.cells))])
            if len(rows) == CHUNK_ROWS:
                yield Chunk(lines, rows, (), damaged)
                lines, rows, damaged = [], [], {}
        self._rows = self._rows_read
        if rows:
            yield Chunk(lines, rows, (), damaged)

    def _other_sheets(self) -> str:
        others = [
            sheet.name
            for index, sheet in enumerate(self._workbook.sheets)
            if not sheet.is_hidden and index != self._sheet
        ]
        return f"; make {' or '.join(others)} the first visible sheet to send to it" if others else ""

    def _open(self) -> Workbook:
        with _readable(self._path):
            match self._kind:
                case Kind.XLS:
                    try:
                        from producers.recipients.workbook.xls import XlsWorkbook  # noqa: PLC0415  # an extra
                    except ImportError as missing:
                        raise InputInvalid(
                            f"{self._path}: reading .xls needs {missing.name}: pip install 'times-dispatch[files]', "
                            "or save it as .xlsx"
                        ) from None
                    return XlsWorkbook(self._path)
                case Kind.ODS:
                    from producers.recipients.workbook.ods import OdsWorkbook  # noqa: PLC0415

                    return OdsWorkbook(self._path)
                case _:
                    from producers.recipients.workbook.xlsx import XlsxWorkbook  # noqa: PLC0415

                    return XlsxWorkbook(self._path)

    def _sheet_rows(self) -> Iterator[SheetRow]:
        with _readable(self._path):
            yield from self._workbook.rows(self._sheet)

    def _read_heading(self, hint: str) -> Heading:
        rows = (row for row in self._sheet_rows() if any(map(str.strip, row.cells)) and not row.is_hidden)
        first = list(islice(rows, _MAX_ROWS_ABOVE + 2))
        if not first:
            raise InputInvalid(f"{self._path}: its sheet {self.sheet_name} is empty{self._other_sheets()}")
        self._rows_above = next((above for above, row in enumerate(first[:-1]) if is_among(hint, row.cells)), 0)
        heading = first[self._rows_above]
        if len(first) == 1:
            raise InputInvalid(
                f"{self._path}: its sheet {self.sheet_name} has a heading and no rows that are shown"
                f"{self._other_sheets()}"
            )
        names = list(heading.cells)
        while not names[-1].strip():
            names.pop()
        return Heading(self._path, heading.line, names)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn the errors of readers into a refusal of the file."""
    try:
        yield
    except InputInvalid:
        raise
    except _DAMAGE as error:
        if getattr(error, "code", None) == _NO_MEMORY:
            raise MemoryError from None
        raise InputInvalid(
            f"{path}: is not a workbook, or is damaged or encrypted; open it in a spreadsheet program and save it again"
        ) from None
