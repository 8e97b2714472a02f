"""Recipients as CSV in UTF-8: separated by comma, semicolon or tab, and quoted as in RFC 4180."""

import contextlib
import csv
import re
from collections.abc import Generator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NoReturn, TextIO

from producers.errors import InputInvalid
from producers.recipients import utf8
from producers.recipients.file import CHUNK_ROWS, BrokenRow, Chunk
from producers.recipients.heading import Heading, is_among

_DELIMITERS = ",;\t"
_LINE_END = re.compile(r"\r\n|\r|\n")


class CsvFile:
    """A CSV file. The right delimiter is the one with which the heading has a column named ``hint``."""

    def __init__(self, path: Path, *, hint: str) -> None:
        utf8.check(path)
        self._path = path
        self._size = max(path.stat().st_size, 1)
        self._bytes: BinaryIO | None = None
        self._delimiter, self.heading = self._find_delimiter(hint)
        with contextlib.closing(self.chunks()) as chunks:
            if next(chunks, None) is None:
                raise InputInvalid(f"{path}: has a heading and no rows")
        self._bytes = None

    def fraction(self) -> float:
        """Return how much of the file has been read, from 0 to 1."""
        if self._bytes is None or self._bytes.closed:
            return 0.0 if self._bytes is None else 1.0
        return self._bytes.tell() / self._size

    def chunks(self) -> Generator[Chunk]:
        """Read the rows; a row with more or fewer cells than the heading is a broken row, and does not end the file."""
        width = len(self.heading)
        with self._open() as text:
            self._bytes = text.buffer
            reader = csv.reader(text, delimiter=self._delimiter, strict=True)
            next(filter(None, reader), None)
            while True:
                before = reader.line_num
                try:
                    rows = list(islice(reader, CHUNK_ROWS))
                except csv.Error:
                    self._refuse(self._delimiter)
                if not rows:
                    return
                lines: Sequence[int] = range(before + 1, reader.line_num + 1)
                if len(lines) != len(rows):
                    lines = _line_numbers(before + 1, rows)
                if set(map(len, rows)) == {width}:
                    yield Chunk(lines, rows, ())
                elif any(rows):
                    yield _split(lines, rows, width)

    def _open(self) -> TextIO:
        return self._path.open(encoding="utf-8-sig", newline="")

    def _find_delimiter(self, hint: str) -> tuple[str, Heading]:
        """Choose the delimiter with which the heading has the hinted column, or else the most columns."""
        headings: dict[str, tuple[int, list[str]]] = {}
        for delimiter in _DELIMITERS:
            # With a wrong delimiter a good heading may be invalid CSV: "to";"name" read with commas.
            with contextlib.suppress(csv.Error):
                headings[delimiter] = self._first_row(delimiter)
        if not headings:
            self._refuse(_DELIMITERS[0])
        delimiter = max(
            headings, key=lambda candidate: (is_among(hint, headings[candidate][1]), len(headings[candidate][1]))
        )
        line, names = headings[delimiter]
        if len(headings) < len(_DELIMITERS) and any('"' in name for name in names):
            self._refuse(next(candidate for candidate in _DELIMITERS if candidate not in headings))
        if "\0" in "".join(names):
            raise InputInvalid(f"{self._path}:{line}: the heading holds NUL bytes; is it UTF-16? save it as UTF-8")
        return delimiter, Heading(self._path, line, names)

    def _first_row(self, delimiter: str) -> tuple[int, list[str]]:
        with self._open() as text:
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            for row in reader:
                if row:
                    return reader.line_num, row
        raise InputInvalid(f"{self._path}: is empty; its first line must name the columns")

    def _refuse(self, delimiter: str) -> NoReturn:
        """Raise InputInvalid with the line on which the unreadable row starts; csv only knows where reading stopped."""
        line, reason = 1, ""
        with self._open() as text:
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            try:
                for _ in reader:
                    line = reader.line_num + 1
            except csv.Error as error:
                reason = _explain(error)
        raise InputInvalid(f"{self._path}:{line}: {reason}")


def _line_numbers(first: int, rows: Sequence[Sequence[str]]) -> Sequence[int]:
    """Return the line of each row when some rows are blank or go over several lines."""
    lines, line = [], first
    for row in rows:
        lines.append(line)
        line += 1 + sum(len(_LINE_END.findall(cell)) for cell in row)
    return lines


def _split(lines: Sequence[int], rows: Sequence[Sequence[str]], width: int) -> Chunk:
    good = [index for index, row in enumerate(rows) if len(row) == width]
    broken = [
        BrokenRow(line, f"has {len(row)} {'cell' if len(row) == 1 else 'cells'}, the heading has {width}", row)
        for line, row in zip(lines, rows, strict=True)
        if row and len(row) != width
    ]
    return Chunk([lines[index] for index in good], [rows[index] for index in good], broken)


def _explain(error: csv.Error) -> str:
    # The csv module has one kind of error; only the error's words say what is wrong.
    match str(error):
        case "unexpected end of data":
            return "a quote is opened here and not closed; close it, or write a quote within a cell twice"
        case words if "field limit" in words:
            return f"a cell is longer than {csv.field_size_limit():,} characters; is a quote opened and not closed?"
        case words if "expected after" in words:
            return "there is text after a closing quote; write a quote within a cell twice"
        case words:
            return f"not CSV: {words}"
