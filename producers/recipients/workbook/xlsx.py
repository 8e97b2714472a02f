"""Reads the sheets of an .xlsx or .xlsm workbook (ECMA-376), with the text that each cell shows.

Fast libraries give values without number formats, so that 0.18 would be sent for 18%. The library that gives the
formats does not tell which rows are hidden when it streams.
"""

import re
import zipfile
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from xml.etree import ElementTree as ET

from producers.recipients.values import MAX_DIGITS, ValueDamaged
from producers.recipients.workbook.format_tokens import BUILTIN, GENERAL
from producers.recipients.workbook.number_format import show_number, show_text
from producers.recipients.workbook.shared_strings import SharedStrings, unescaped
from producers.recipients.workbook.sheet_reader import MAX_COLUMNS, NO_SIZE, TRUE, SheetReader, XmlCell
from producers.recipients.workbook.sheets import NO_RESULT, Sheet, SheetRow

_RELATION = re.compile("{[^}]*}id")
_BLOCK_BYTES = 1 << 16
_DAY_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001
_FIRST_DAY, _DAY_AFTER_LEAP_DAY = datetime(1900, 1, 1), datetime(1900, 3, 1)  # noqa: DTZ001
"""Between these days a date has one day less than the days since the day zero, because Excel counts 29 Feb 1900."""
_MAX_FORMATS = 65_490
"""The limit of Excel for the cell formats of a workbook, and more than its limit for number formats."""
_MAX_KEPT = 400_000
"""The limit of elements of all cell formats; a format has up to three."""
_MIN_CELL_BYTES = 20
"""The bytes of a sheet that a cell with a shared string takes at least."""
_SPARE_STRINGS = 1_000_000
"""Some programs leave strings behind whose cells were deleted."""
_shown = lru_cache(maxsize=10_000)(show_number)
"""Return the shown text of a number, from a cache, because many rows have equal dates and amounts."""


class XlsxWorkbook:
    """An opened workbook. Raises KeyError, ValueError, zipfile.BadZipFile or ParseError if the file is damaged."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self._names = {name.replace("\\", "/").lower(): name for name in self._archive.namelist()}
        root = self._related("", ("/officeDocument",))
        self._workbook = next(iter(root.values()))
        related = self._related(self._workbook, ("/worksheet", "/sharedStrings", "/styles"))
        self._from_1904 = False
        self.sheets: list[Sheet] = []
        self._paths: list[str] = []
        for element in self._elements(self._workbook):
            match _local(element.tag):
                case "workbookPr":
                    self._from_1904 = element.get("date1904") in TRUE
                case "sheet":
                    identifier = next((value for key, value in element.items() if _RELATION.fullmatch(key)), "")
                    # Sheets of charts and macros have other relations.
                    if (path_in_archive := related.get(("/worksheet", identifier))) is not None:
                        is_hidden = element.get("state", "visible") != "visible"
                        self.sheets.append(Sheet(element.get("name", ""), is_hidden))
                        self._paths.append(path_in_archive)
        styles = next((path for (kind, _), path in related.items() if kind == "/styles"), "")
        strings = next((path for (kind, _), path in related.items() if kind == "/sharedStrings"), "")
        self._formats = self._read_formats(styles) if self._is_there(styles) else []
        self._strings = self._read_strings(strings) if self._is_there(strings) else []

    def hidden_columns(self, sheet: int) -> set[int]:
        """Return the indexes of the columns of a sheet that a person does not see; reads the sheet up to its rows."""
        are_hidden, columns = bytearray(MAX_COLUMNS), 0
        with self._open(self._paths[sheet]) as file:
            for _, element in ET.iterparse(file, ("start",)):  # noqa: S314  # expat bounds entities
                match _local(element.tag):
                    case "col" if (columns := columns + 1) > MAX_COLUMNS:
                        raise ValueError(columns)
                    case "col" if element.get("hidden") in TRUE or element.get("width") in NO_SIZE:
                        first = max(int(element.get("min", 1)), 1)
                        last = min(int(element.get("max", 0)), MAX_COLUMNS)
                        if first <= last:
                            are_hidden[first - 1 : last] = b"\x01" * (last - first + 1)
                    case "sheetData":
                        break
        return {index for index, is_hidden in enumerate(are_hidden) if is_hidden}

    def close(self) -> None:
        """Close the file of the workbook."""
        self._archive.close()

    def rows(self, sheet: int) -> Iterator[SheetRow]:
        """Yield the rows of a sheet that are in the file; a row without cells may be missing."""
        reader = SheetReader(self._text)
        with self._open(self._paths[sheet]) as file:
            while block := file.read(_BLOCK_BYTES):
                yield from reader.feed(block)
            yield from reader.feed(b"", is_last=True)

    def _text(self, cell: XmlCell) -> str:
        value = cell.value
        # The result of a formula may be an empty text.
        if cell.has_formula and not value and cell.kind != "str":
            raise ValueDamaged(NO_RESULT)
        if not value:
            return ""
        match cell.kind:
            case "n":
                text = self._number(value, cell.style)
            case "s":
                text = show_text(self._strings[int(value)], self._format(cell.style))
            case "b":
                text = "TRUE" if value in TRUE else "FALSE"
            case "d":
                text = self._moment(value, cell.style)
            case "e":
                text = value
            case _:
                text = show_text(unescaped(value), self._format(cell.style))
        return text

    def _format(self, style: int) -> str:
        return self._formats[style] if style < len(self._formats) else GENERAL

    def _number(self, value: str, style: int) -> str:
        number_format = self._format(style)
        if number_format == GENERAL and value.isdecimal() and len(value) <= MAX_DIGITS:
            return value
        return _shown(float(value), number_format, from_1904=self._from_1904)

    def _moment(self, value: str, style: int) -> str:
        """Return the text of a cell whose date, time or date and time is written by ISO 8601."""
        number_format = self._format(style)
        try:
            if "-" not in value:
                moment = datetime.combine(_DAY_ZERO, time.fromisoformat(value), tzinfo=None)
            else:
                moment = datetime.fromisoformat(value).replace(tzinfo=None)
        except ValueError:
            return value
        if number_format == GENERAL:
            return value.replace("T", " ")
        if _FIRST_DAY <= moment < _DAY_AFTER_LEAP_DAY:
            moment -= timedelta(days=1)
        return _shown((moment - _DAY_ZERO) / timedelta(days=1), number_format)

    def _read_strings(self, path: str) -> list[str]:
        """Return the shared strings; raise ValueError if there are many more than the cells of all sheets can use."""
        sheets_bytes = sum(self._archive.getinfo(self._names[sheet.lower()]).file_size for sheet in self._paths)
        most = _SPARE_STRINGS + sheets_bytes // _MIN_CELL_BYTES
        with self._open(path) as file:
            return SharedStrings(max_strings=most).read(file)

    def _read_formats(self, path: str) -> list[str]:
        """Return the number format of each style of cells."""
        own: dict[int, str] = {}
        formats: list[str] = []
        for element in self._elements(path, keep="cellXfs"):
            if _local(element.tag) == "numFmt":
                own[int(element.get("numFmtId", 0))] = element.get("formatCode", GENERAL)
                if len(own) > _MAX_FORMATS:
                    raise ValueError(len(own))
            elif _local(element.tag) == "cellXfs":
                numbers = [int(style.get("numFmtId", 0)) for style in element if _local(style.tag) == "xf"]
                if len(numbers) > _MAX_FORMATS:
                    raise ValueError(len(numbers))
                formats = [own.get(number) or BUILTIN.get(number, GENERAL) for number in numbers]
        return formats

    def _related(self, path: str, kinds: tuple[str, ...]) -> dict[tuple[str, str], str]:
        """Return the parts to which a part of the archive is related, by the end of the relation's type and its id."""
        part = PurePosixPath(path)
        related = {}
        for element in self._elements(str(part.parent / "_rels" / f"{part.name}.rels")):
            kind = next((kind for kind in kinds if element.get("Type", "").endswith(kind)), "")
            if kind:
                target = element.get("Target", "").replace("\\", "/")
                absolute = target.lstrip("/") if target.startswith("/") else _resolved(part.parent / target)
                related[kind, element.get("Id", "")] = absolute
        return related

    def _is_there(self, path: str) -> bool:
        return path.lower() in self._names

    def _open(self, path: str) -> BinaryIO:
        return self._archive.open(self._names[path.lower()])  # type: ignore[return-value]

    def _elements(self, path: str, *, keep: str = "") -> Iterator[ET.Element]:
        """Yield the elements of a part when they end, and forget them.

        Elements inside an element named ``keep`` belong to that element; of these, only number formats are yielded.
        Raises ValueError if one of these elements has too many elements.
        """
        depth, kept = 0, 0
        parents: list[ET.Element] = []
        with self._open(path) as file:
            for event, element in ET.iterparse(file, ("start", "end")):  # noqa: S314  # expat bounds entities
                is_kept = bool(keep) and _local(element.tag) == keep
                if event == "start":
                    parents.append(element)
                    depth += is_kept
                    continue
                parents.pop()
                depth -= is_kept
                if not depth:
                    yield element
                    element.clear()
                    kept = 0
                    if parents:
                        del parents[-1][:]
                    continue
                kept += 1
                if kept > _MAX_KEPT:
                    raise ValueError(kept)
                if _local(element.tag) == "numFmt":
                    yield element


def _resolved(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _local(name: str) -> str:
    return name.rpartition("}")[2]
