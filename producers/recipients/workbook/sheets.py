"""The contract of a workbook of any format: its sheets, and their rows as texts."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

NO_RESULT = "holds a formula without a result: open the file in a spreadsheet program and save it"


class WorkbookDamaged(Exception):
    """The library that reads the workbook reports that the workbook is damaged."""


class Sheet(NamedTuple):
    """A sheet of a workbook."""

    name: str
    is_hidden: bool


class SheetRow(NamedTuple):
    """A row of a sheet."""

    line: int
    """The number of the row in the sheet, from 1."""
    cells: Sequence[str]
    """The text that a person sees in each cell; cells at the end may be missing."""
    is_hidden: bool
    damaged: Mapping[int, str]
    """Cells whose value has no text, by the index of the column, with the reason."""


class Workbook(Protocol):
    """An opened workbook, whose sheets are read one by one."""

    sheets: list[Sheet]

    def rows(self, sheet: int) -> Iterator[SheetRow]:
        """Yield the rows of a sheet in their order; rows without cells may be missing."""

    def hidden_columns(self, sheet: int) -> Collection[int]:
        """Return the indexes of the columns of a sheet that a person does not see."""

    def close(self) -> None:
        """Close the file, or release its memory."""
