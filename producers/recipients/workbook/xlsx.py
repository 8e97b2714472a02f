"""Reads the sheets of an .xlsx or .xlsm workbook (ECMA-376), with the text that each cell shows.

Libraries that are quick enough give values without their number formats, and 0.18 would be sent for 18%; those that
give the formats hide which rows are hidden, or take a minute for a million rows.
"""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from xml.etree import ElementTree as ET

from producers.recipients.values import ValueDamaged
from producers.recipients.workbook.format_tokens import BUILTIN, GENERAL
from producers.recipients.workbook.number_format import show_number
from producers.recipients.workbook.sheets import NO_RESULT, Sheet, SheetRow

_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_RELATION = re.compile("{[^}]*}id")
_TRUE = ("1", "true", "on")


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
                    self._from_1904 = element.get("date1904") in _TRUE
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
        self._strings = list(self._read_strings(strings)) if self._is_there(strings) else []

    def close(self) -> None:
        """Close the file that the workbook is read from."""
        self._archive.close()

    def rows(self, sheet: int) -> Iterator[SheetRow]:
        """Yield the rows of a sheet that are in the file; a row without cells may be missing."""
        line = 0
        for element in self._elements(self._paths[sheet], keep="row"):
            if _local(element.tag) == "row":
                line = int(element.get("r", line + 1))
                is_hidden = element.get("hidden") in _TRUE or element.get("ht") in ("0", "0.0")
                yield self._row(element, line, is_hidden=is_hidden)
                element.clear()

    def _row(self, element: ET.Element, line: int, *, is_hidden: bool) -> SheetRow:
        cells: list[str] = []
        damaged: dict[int, str] = {}
        for cell in element:
            column = _column(cell.get("r", "")) if cell.get("r") else len(cells)
            if column >= len(cells):
                cells.extend([""] * (column - len(cells) + 1))
            try:
                cells[column] = self._text(cell)
            except ValueDamaged as reason:
                damaged[column] = str(reason)
        return SheetRow(line, cells, is_hidden, damaged)

    def _text(self, cell: ET.Element) -> str:
        value, is_formula = None, False
        for child in cell:
            match _local(child.tag):
                case "v":
                    value = child.text or ""
                case "f":
                    is_formula = True
                case "is":
                    value = _string(child)
        kind = cell.get("t", "n")
        if not value:
            if is_formula and value is None:
                raise ValueDamaged(NO_RESULT)
            return ""
        match kind:
            case "s":
                return self._strings[int(value)]
            case "str" | "inlineStr" | "e":
                return _unescaped(value)
            case "b":
                return "TRUE" if value in _TRUE else "FALSE"
            case "d":
                return value.replace("T", " ")
            case _:
                style = int(cell.get("s", 0))
                number_format = self._formats[style] if style < len(self._formats) else GENERAL
                return show_number(float(value), number_format, from_1904=self._from_1904)

    def _read_strings(self, path: str) -> Iterator[str]:
        for element in self._elements(path, keep="si"):
            if _local(element.tag) == "si":
                yield _string(element)
                element.clear()

    def _read_formats(self, path: str) -> list[str]:
        """Return the number format of each style of cells."""
        own: dict[int, str] = {}
        formats: list[str] = []
        for element in self._elements(path, keep="cellXfs"):
            if _local(element.tag) == "numFmt":
                own[int(element.get("numFmtId", 0))] = element.get("formatCode", GENERAL)
            elif _local(element.tag) == "cellXfs":
                numbers = [int(style.get("numFmtId", 0)) for style in element if _local(style.tag) == "xf"]
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
        """Yield the elements of a part when they end; those outside of elements named ``keep`` are emptied."""
        depth = 0
        with self._open(path) as file:
            for event, element in ET.iterparse(file, ("start", "end")):  # noqa: S314  # expat bounds entities
                is_kept = bool(keep) and _local(element.tag) == keep
                if event == "start":
                    depth += is_kept
                    continue
                depth -= is_kept
                if not depth:
                    yield element
                    if not keep or not is_kept:
                        element.clear()
                elif _local(element.tag) == "numFmt":
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


def _column(reference: str) -> int:
    """Return the index of the column of a cell such as ``AB12``."""
    column = 0
    for character in reference.upper():
        if not "A" <= character <= "Z":
            break
        column = 26 * column + ord(character) - 64
    return column - 1


def _string(element: ET.Element) -> str:
    """Return the text of a string, which may have runs of several fonts; phonetic guides are left out."""
    texts = []
    for child in element:
        match _local(child.tag):
            case "t":
                texts.append(child.text or "")
            case "r":
                texts += [part.text or "" for part in child if _local(part.tag) == "t"]
    return _unescaped("".join(texts))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text
