"""Recipients as JSON Lines: one object on each line, whose texts, numbers and booleans are the cells."""

import json
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

import orjson

from producers.errors import InputInvalid
from producers.recipients import utf8
from producers.recipients.epoch_dates import EPOCH_DATE, is_midnight, is_whole_second
from producers.recipients.file import BrokenRow, Chunk
from producers.recipients.heading import MAX_COLUMNS, Heading
from producers.recipients.values import ValueDamaged, number_text, text_of

JsonObject = dict[str, object]

_MIN_MOMENTS = 3
"""A column of at least this many whole seconds, and no other number, has moments, except one in a billion columns."""
_MIN_MOMENT_DIGITS = 11
_MAX_SHOWN = 10_000
"""The limit of characters that the rejects file gets of a line that is no row."""
_KINDS_OF_TEXTS = ("$date", "$oid")
_KINDS_OF_NUMBERS = ("$numberInt", "$numberLong", "$numberDouble", "$numberDecimal")
_NUMBER = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_HALF_SURROGATE = "holds half a surrogate pair, which is no character"


class _RowUnusable(ValueError):
    """A line that is no row; the message is the reason."""


class _Number(str):
    """A number with the digits that are written in the file: 99.50 must not become 99.5."""

    __slots__ = ()


class _Constant(str):
    """NaN, Infinity or -Infinity, which programs write although JSON does not have them."""

    __slots__ = ()


class _Twice:
    """The value of a key that an object has twice, with different values."""


class JsonLinesFile:
    """A JSON Lines file. Its columns are the keys of all objects, in the order in which they first occur."""

    def __init__(self, path: Path) -> None:
        self._rows_at_once = utf8.check(path, line_ends=(b"\n",))
        self._encoding = utf8.encoding_of(path)
        self._path = path
        self._size = max(path.stat().st_size, 1)
        self._bytes: BinaryIO | None = None
        self._keys, self.heading = self._heading()
        self._used: Collection[int] = range(len(self._keys))

    def use(self, columns: Collection[int]) -> None:
        """Name the columns whose values must be texts or numbers; other columns may have any value."""
        self._used = frozenset(columns)

    @property
    def source(self) -> str:
        """The name of the file."""
        return self._path.name

    def left_out(self) -> list[str]:
        """Return nothing, because all rows are read."""
        return []

    def fraction(self) -> float:
        """Return how much of the file has been read, from 0 to 1."""
        if self._bytes is None or self._bytes.closed:
            return 0.0 if self._bytes is None else 1.0
        return self._bytes.tell() / self._size

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows; a missing key and null give an empty cell."""
        with self._open() as file:
            self._bytes = file.buffer
            numbered = enumerate(file, 1)
            while batch := list(islice(numbered, self._rows_at_once)):
                lines: list[int] = []
                rows: list[list[str]] = []
                broken: list[BrokenRow] = []
                damaged: dict[tuple[int, int], str] = {}
                numbers: dict[int, list[int]] = {}
                for line, text in batch:
                    if _is_blank(text):
                        continue
                    try:
                        json_object = _parse(text)
                    except _RowUnusable as unusable:
                        broken.append(BrokenRow(line, str(unusable), (text.strip()[:_MAX_SHOWN],)))
                    else:
                        rows.append(self._cells(json_object, len(rows), damaged, numbers))
                        lines.append(line)
                self._find_moments(rows, numbers, damaged)
                yield Chunk(lines, rows, broken, damaged)

    def _find_moments(
        self, rows: list[list[str]], numbers: dict[int, list[int]], damaged: dict[tuple[int, int], str]
    ) -> None:
        """Add to ``damaged`` the dates and times in milliseconds; ``numbers`` has the rows with a number, by column."""
        for column, indexes in numbers.items():
            if column not in self._used:
                continue
            values = {index: int(cell) for index in indexes if (cell := rows[index][column]).lstrip("-").isdecimal()}
            are_moments = len(values) >= _MIN_MOMENTS and all(map(is_whole_second, values.values()))
            for index, value in values.items():
                if are_moments or is_midnight(value):
                    damaged[index, column] = EPOCH_DATE

    def _cells(
        self,
        json_object: JsonObject,
        row: int,
        damaged: dict[tuple[int, int], str],
        numbers: dict[int, list[int]],
    ) -> list[str]:
        cells = []
        for column, key in enumerate(self._keys):
            value = json_object.get(key)
            if type(value) is str and value.isascii():
                cells.append(value)
                continue
            if type(value) is dict:
                value = _unwrapped(value)
            if type(value) is _Number and len(value) >= _MIN_MOMENT_DIGITS:
                numbers.setdefault(column, []).append(row)
            try:
                cells.append(_text(value))
            except ValueDamaged as reason:
                cells.append("")
                if column in self._used:
                    damaged[row, column] = str(reason)
        return cells

    def _open(self) -> TextIO:
        return self._path.open(encoding=self._encoding, newline="\n")

    def _heading(self) -> tuple[list[str], Heading]:
        first_line, keys = 0, dict[str, None]()
        with self._open() as file:
            for line, text in enumerate(file, 1):
                if _is_blank(text):
                    continue
                if not first_line:
                    first_line = line
                    keys.update(dict.fromkeys(self._first_object(text, line)))
                else:
                    keys.update(dict.fromkeys(_keys_of(text)))
                if len(keys) > MAX_COLUMNS:
                    break
        if not first_line:
            raise InputInvalid(f"{self._path}: is empty; every line must be a JSON object")
        names = [key for key in keys if _is_writable(key)]
        return names, Heading(self._path, first_line, names)

    def _first_object(self, text: str, line: int) -> JsonObject:
        beginning = text.lstrip(" \t\ufeff")
        if beginning.startswith("[") and beginning[1:].lstrip()[:1] in ("", "{"):
            raise InputInvalid(f"{self._path}:{line}: is a JSON array; {self._as_lines('.[]')}")
        try:
            return _parse(text)
        except _RowUnusable as unusable:
            is_begun = beginning.startswith("{") and "}" not in beginning
            advice = self._as_lines(".") if is_begun else "its keys name the columns"
            raise InputInvalid(f"{self._path}:{line}: the first row {unusable}; {advice}") from None

    def _as_lines(self, jq_filter: str) -> str:
        """Return the advice to write one object a line, with a command that makes such a file."""
        target = f"{self._path.stem}.{'lines.' if self._path.suffix.lower() == '.jsonl' else ''}jsonl"
        return f"write one object a line: jq -c '{jq_filter}' {self._path.name} > {target}"


def _is_blank(text: str) -> bool:
    return not text.strip(" \t\r\n\v\f\ufeff")


def _unique(pairs: list[tuple[str, object]]) -> JsonObject:
    cells = dict(pairs)
    if len(cells) != len(pairs):
        first = dict[str, object]()
        for key, value in pairs:
            known = first.setdefault(key, value)
            if known is not value and (type(known) is not type(value) or known != value):
                cells[key] = _Twice()
    return cells


_decode = json.JSONDecoder(
    parse_float=_Number, parse_int=_Number, parse_constant=_Constant, object_pairs_hook=_unique
).decode


def _parse(text: str) -> JsonObject:
    text = text.strip("\ufeff \t\r\n")
    try:
        cells = _decode(text.removesuffix(","))
    except (ValueError, RecursionError):
        raise _RowUnusable("is not JSON") from None
    if not isinstance(cells, dict):
        raise _RowUnusable("is not a JSON object")
    return cells


def _keys_of(text: str) -> Collection[str]:
    """Return the keys of a line; none if the line is no JSON object."""
    try:
        cells = orjson.loads(text.rstrip(", \t\r\n"))
    except ValueError:  # half surrogates and NaN are not JSON, but occur beside good values
        try:
            cells = _parse(text)
        except _RowUnusable:
            return ()
    return cells if isinstance(cells, dict) else ()


def _unwrapped(json_object: JsonObject) -> object:
    """Return the value in an object of MongoDB's extended JSON, as ``{"$numberLong": "5"}``; else the object itself."""
    if len(json_object) == 1:
        ((kind, value),) = json_object.items()
        if isinstance(value, dict) and kind == "$date":
            value = _unwrapped(value)
            return _moment(value) if isinstance(value, _Number) else json_object
        if type(value) is str and kind in _KINDS_OF_TEXTS:
            return value
        if type(value) is str and kind in _KINDS_OF_NUMBERS and _NUMBER.fullmatch(value):
            return _Number(value)
    return json_object


def _moment(milliseconds: str) -> str:
    """Return a date of MongoDB as MongoDB writes a date from 1970 to 9999 for people: ``2026-11-30T10:30:00Z``."""
    try:
        moment = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueDamaged("is no date") from None
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return text_of(value)
        case _Constant():
            if value == "NaN":
                return ""
            raise ValueDamaged("is infinite")
        case _Number():
            return number_text(str(value))  # a subclass of str cannot be packed into a batch
        case str():
            if not _is_writable(value):
                raise ValueDamaged(_HALF_SURROGATE)
            return value
        case _Twice():
            raise ValueDamaged("stands twice in the row, with different values")
        case _:
            raise ValueDamaged("holds a list or an object, and neither a text nor a number")


def _is_writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
