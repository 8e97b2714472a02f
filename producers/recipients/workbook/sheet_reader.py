"""Reads the rows of a sheet's XML block by block, without a tree of elements: a sheet may have a million rows."""

from collections.abc import Callable
from dataclasses import dataclass
from xml.parsers import expat

from producers.recipients.values import ValueDamaged
from producers.recipients.workbook.sheets import SheetRow

TRUE = ("1", "true", "on")
"""The texts that mean true in XML."""
NO_SIZE = ("0", "0.0")
"""The heights and widths of rows and columns that nobody sees."""
MAX_COLUMNS = 16_384
"""The number of columns of a sheet. A bad reference such as ``ZZZZZZZ1`` would name a column above eight billion."""


@dataclass(slots=True)
class XmlCell:
    """A cell of the XML."""

    column: int
    kind: str
    """The type of the value, such as ``n`` (a number), ``s`` (the index of a shared string) or ``b`` (a boolean)."""
    style: int
    value: str | None = None
    """The value as text; None if the cell has no value."""
    has_formula: bool = False


class SheetReader:
    """Turns blocks of XML into rows.

    Args:
        text: returns the text that a person sees in a cell; raises ValueDamaged if the value has no text.
    """

    def __init__(self, text: Callable[[XmlCell], str]) -> None:
        self._text = text
        self._rows: list[SheetRow] = []
        self._line = 0
        self._is_hidden = False
        self._cells: list[str] = []
        self._damaged: dict[int, str] = {}
        self._cell = XmlCell(0, "n", 0)
        self._pieces: list[str] = []
        self._is_phonetic = False
        self._names: dict[str, str] = {}
        self._columns: dict[str, int] = {}
        self._column_elements = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def feed(self, block: bytes, *, is_last: bool = False) -> list[SheetRow]:
        """Parse a block; return the rows that end in the block. Raises ExpatError if the XML is damaged."""
        self._parser.Parse(block, is_last)
        rows, self._rows = self._rows, []
        return rows

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        match self._local(name):
            case "c":
                reference = attributes.get("r")
                column = self._column(reference) if reference else len(self._cells)
                self._cell = XmlCell(column, attributes.get("t", "n"), int(attributes.get("s", 0)))
            case "v" | "t":
                self._pieces = []
                self._parser.CharacterDataHandler = self._pieces.append
            case "col":
                self._column_elements += 1
                if self._column_elements > MAX_COLUMNS:
                    raise ValueError(self._column_elements)
            case "f":
                self._cell.has_formula = True
            case "rPh":
                self._is_phonetic = True
            case "row":
                self._line = int(attributes.get("r", self._line + 1))
                self._is_hidden = attributes.get("hidden") in TRUE or attributes.get("ht") in NO_SIZE
                self._cells, self._damaged = [], {}

    def _end(self, name: str) -> None:
        match self._local(name):
            case "c":
                self._add_cell()
            case "v":
                self._parser.CharacterDataHandler = None
                self._cell.value = "".join(self._pieces)
            case "t":
                self._parser.CharacterDataHandler = None
                if not self._is_phonetic:
                    self._cell.value = (self._cell.value or "") + "".join(self._pieces)
            case "rPh":
                self._is_phonetic = False
            case "row":
                self._rows.append(SheetRow(self._line, self._cells, self._is_hidden, self._damaged))

    def _add_cell(self) -> None:
        cell = self._cell
        if cell.column >= MAX_COLUMNS:
            raise ValueError(cell.column)
        if missing := cell.column - len(self._cells) + 1:
            self._cells.extend([""] * missing)
        try:
            self._cells[cell.column] = self._text(cell)
        except ValueDamaged as reason:
            self._damaged[cell.column] = str(reason)

    def _local(self, name: str) -> str:
        """Return a name without its prefix, which some programs write."""
        local = self._names.get(name)
        if local is None:
            local = self._names[name] = name.rpartition(":")[2]
        return local

    def _column(self, reference: str) -> int:
        """Return the index of the column of a cell such as AB12."""
        letters = reference.rstrip("0123456789")
        column = self._columns.get(letters)
        if column is None:
            column = 0
            for letter in letters.upper():
                column = 26 * column + ord(letter) - ord("A") + 1
                if column > MAX_COLUMNS:
                    raise ValueError(letters)
            column = self._columns[letters] = column - 1
        return column
