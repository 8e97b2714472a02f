"""Reads the sheets of an .ods workbook (OpenDocument), which contains both value and shown text of each cell."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from producers.recipients.values import LOST_DIGITS, MAX_DIGITS, ValueDamaged, float_text
from producers.recipients.workbook.sheets import Sheet, SheetRow

_NAMESPACE = "{urn:oasis:names:tc:opendocument:xmlns:"
_TABLE, _TEXT, _OFFICE, _STYLE = (f"{_NAMESPACE}{name}:1.0}}" for name in ("table", "text", "office", "style"))
_SCIENTIFIC = re.compile(r"[+-]?[0-9.,]+E[+-]?[0-9]+")
_UNIX_MOMENT = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}")
_MAX_COLUMNS = 1_000
"""The limit of repeated cells; more repetitions are the empty end of a row."""
_MAX_ROW_CELLS = 16_384
"""The number of columns of a sheet."""
_MAX_REPEATED_ROWS = 100_000


class OdsWorkbook:
    """An opened workbook. Raises KeyError, ValueError, zipfile.BadZipFile or ParseError if the file is damaged."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive, archive.open("content.xml") as file:
            root = ET.parse(file).getroot()  # noqa: S314  # expat bounds entities
        hidden_styles = {
            style.get(f"{_STYLE}name")
            for style in root.iter(f"{_STYLE}style")
            for properties in style.iter(f"{_STYLE}table-properties")
            if properties.get(f"{_TABLE}display") == "false"
        }
        self._tables = list(root.iter(f"{_TABLE}table"))
        self.sheets = [
            Sheet(table.get(f"{_TABLE}name", ""), table.get(f"{_TABLE}style-name") in hidden_styles)
            for table in self._tables
        ]

    def hidden_columns(self, sheet: int) -> set[int]:
        """Return the indexes of the columns of a sheet that a person does not see."""
        hidden: set[int] = set()
        first = 0
        for column in self._tables[sheet].iter(f"{_TABLE}table-column"):
            end = first + max(int(column.get(f"{_TABLE}number-columns-repeated", 1)), 0)
            if column.get(f"{_TABLE}visibility", "visible") != "visible":
                hidden.update(range(first, min(end, _MAX_ROW_CELLS)))
            first = end
        return hidden

    def close(self) -> None:
        """Release the memory of the workbook."""
        self._tables = []

    def rows(self, sheet: int) -> Iterator[SheetRow]:
        """Yield the rows of a sheet; rows without text are left out."""
        line = 1
        for element in self._tables[sheet].iter(f"{_TABLE}table-row"):
            repeated = int(element.get(f"{_TABLE}number-rows-repeated", 1))
            is_hidden = element.get(f"{_TABLE}visibility", "visible") != "visible"
            cells, damaged = _cells(element)
            if any(cells) or damaged:
                for number in range(min(repeated, _MAX_REPEATED_ROWS)):
                    yield SheetRow(line + number, cells, is_hidden, damaged)
            line += repeated


def _cells(row: ET.Element) -> tuple[list[str], dict[int, str]]:
    cells: list[str] = []
    damaged: dict[int, str] = {}
    for element in row:
        repeated = min(int(element.get(f"{_TABLE}number-columns-repeated", 1)), _MAX_COLUMNS)
        try:
            text = _shown(element)
        except ValueDamaged as reason:
            text = ""
            damaged.update(dict.fromkeys(range(len(cells), len(cells) + repeated), str(reason)))
        cells += [text] * repeated
        if len(cells) >= _MAX_ROW_CELLS:
            break
    while cells and not cells[-1] and len(cells) - 1 not in damaged:
        cells.pop()
    return cells, damaged


def _shown(cell: ET.Element) -> str:
    """Return the text of a cell.

    A program that gives dates no style, such as pandas, writes a text with the month first, 11/05/26, or a text of
    Unix, Thu Nov  5 10:30:00 2026, which no person has seen. In such a cell, the text is taken from the date's value.
    """
    text = "\n".join(_paragraph(child) for child in cell if child.tag == f"{_TEXT}p")
    if cell.get(f"{_OFFICE}value-type") in ("float", "currency", "percentage"):
        number = float(cell.get(f"{_OFFICE}value", 0))
        if abs(number) >= 10**MAX_DIGITS:
            raise ValueDamaged(LOST_DIGITS)
        if not text or _SCIENTIFIC.fullmatch(text) or not text.strip("#"):
            return float_text(number)
    elif cell.get(f"{_OFFICE}value-type") == "date":
        date = cell.get(f"{_OFFICE}date-value", "")
        without_style = cell.get(f"{_TABLE}style-name") is None and (
            text == f"{date[5:7]}/{date[8:10]}/{date[2:4]}" or _UNIX_MOMENT.fullmatch(text) is not None
        )
        if without_style or not text.strip("#"):
            return date.replace("T", " ")
    return text


def _paragraph(element: ET.Element) -> str:
    text = element.text or ""
    for child in element:
        if child.tag == f"{_TEXT}s":
            text += " " * int(child.get(f"{_TEXT}c", 1))
        elif child.tag == f"{_TEXT}tab":
            text += "\t"
        elif child.tag == f"{_TEXT}line-break":
            text += "\n"
        elif child.tag != f"{_OFFICE}annotation":
            text += _paragraph(child)
        text += child.tail or ""
    return text
