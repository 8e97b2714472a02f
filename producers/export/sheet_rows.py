"""Rows of an export as the XML of a worksheet, a whole group of rows at a time.

A library's call for each cell would take ten times as long.

The cells of a row follow each other without references such as A1, which ECMA-376 (part 1, section 18.3.1.4) allows.
Texts are written into their cells, not into the table of shared strings, which would have to be kept in memory.
"""

import re
from collections.abc import Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from producers.export.rows import RowGroup
from producers.export.schema import Column, ColumnType

MAX_CELL: Final = 32_767
"""The greatest number of characters that Excel reads in a cell."""
TIME_STYLE: Final = 1
"""The index of the cell style for times in the workbook."""

_INDIA_MS: Final = 19_800_000
_DAY_MS: Final = 86_400_000
_EPOCH_DAY: Final = 25_569
"""The number of 1 January 1970 among Excel's days."""
_EMPTY: Final = "<c/>"
_TEXT: Final = '<c t="inlineStr"><is><t>%s</t></is></c>'
_INTEGER: Final = "<c><v>%d</v></c>"
_TIME: Final = f'<c s="{TIME_STYLE}"><v>%r</v></c>'
_SPECIAL: Final = re.compile("[&<>\x00-\x09\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Characters that must be escaped in XML."""
_BLANK_ENDS: Final = ("\n ", " \n", "\n\n")
"""In texts joined by line feeds, the places where a text begins or ends with a blank."""
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_LIKE_ESCAPE: Final = re.compile("(_x[0-9a-fA-F]{4}_)")


def rows_xml(columns: Sequence[Column], group: RowGroup) -> str:
    """Return the rows of a group; an empty text is an empty cell, and a text that is too long for Excel is cut."""
    template, varying = "<row>", []
    for column, values in zip(columns, group, strict=True):
        cell, cells = _cells(column.type, values)
        template += cell
        if cells is not None:
            varying.append(cells)
    template += "</row>"
    if not varying:
        return (template % ()) * len(group[0])
    return "".join([template % row for row in zip(*varying, strict=True)])


def _cells(kind: ColumnType, values: Sequence[Any]) -> tuple[str, Sequence[Any] | None]:
    """Return the cell of a column, as a template, and what to fill in for each row; None if all cells are the same."""
    different = set(values)
    if len(different) == 1:
        return _cell(kind, values[0]).replace("%", "%%"), None
    if None in different or "" in different or (kind is ColumnType.TEXT and _has_special(values)):
        cells = {value: _cell(kind, value) for value in different}
        return "%s", [cells[value] for value in values]
    if kind is ColumnType.TEXT:
        return _TEXT, values
    if kind is ColumnType.INTEGER:
        return _INTEGER, values
    return _TIME, [_day(value) for value in values]


def _has_special(texts: Sequence[str]) -> bool:
    """Return whether a text needs escapes or must be cut; one search in the joined texts is faster than many."""
    joined = "\n".join(texts)
    return (
        bool(_SPECIAL.search(joined))
        or "_x" in joined
        or joined[0].isspace()
        or joined[-1].isspace()
        or any(blank in joined for blank in _BLANK_ENDS)
        or (len(joined) > MAX_CELL and max(map(len, texts)) > MAX_CELL)
    )


def _cell(kind: ColumnType, value: Any) -> str:
    if value is None or value == "":
        return _EMPTY
    if kind is ColumnType.INTEGER:
        return _INTEGER % int(value)
    if kind is ColumnType.TIME:
        return _TIME % _day(value)
    text = _CONTROL.sub(_escaped, _LIKE_ESCAPE.sub(r"_x005F\1", value[:MAX_CELL]))
    text = escape(text.encode("utf-8", "replace").decode())
    if text[0].isspace() or text[-1].isspace():
        return _TEXT.replace("<t>", '<t xml:space="preserve">') % text
    return _TEXT % text


def _escaped(match: "re.Match[str]") -> str:
    """Return the escape by which Office writes a character that XML does not allow."""
    return f"_x{ord(match[0]):04X}_"


def _day(epoch_ms: int) -> float:
    """Return a time as Excel's number: the days since 30 December 1899, in India's time."""
    return (epoch_ms + _INDIA_MS) / _DAY_MS + _EPOCH_DAY
