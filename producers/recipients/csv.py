r"""Recipients as CSV in UTF-8 or UTF-16: separated by comma, semicolon, tab, bar or caret, and quoted as in RFC 4180.

Files that quote with apostrophes, or write a quote or a delimiter within a cell as ``\"`` and ``\|``, can also be read.
"""

import contextlib
import csv
import re
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, NamedTuple, NoReturn, Protocol, TextIO

from producers.errors import InputInvalid
from producers.recipients import utf8
from producers.recipients.cell_text import tidy
from producers.recipients.file import BrokenRow, Chunk
from producers.recipients.guarded_cells import has_guards, unguard
from producers.recipients.heading import Heading, is_among, rows_above
from times_dispatch.plurals import counted

_DELIMITERS = ",;\t|^"
_SEPARATOR_LINE = re.compile('\ufeff*"?sep ?= ?(\\\\t|.)"?[,;\t|^]*[\r\n]*', re.IGNORECASE)
"""A first line for spreadsheets, ``sep=;``, which names the delimiter of the lines below."""
_LINE_END = re.compile(r"\r\n|\r|\n")
_MAX_SEPARATOR_LINE = 20
_END_OF_DOS_FILE = "\x1a"
"""Ctrl-Z, with which programs of DOS end a text file."""
_PIECE = 1 << 20
"""How many bytes of a file are searched at once."""
_GROUP_OF_LINES = 1 << 14
"""How many characters of lines are searched at once for blanks beside quotes."""
_MAX_CHARACTERS = 5_000_000
"""The limit of characters for a row, which may have many lines, and for the rows that are read at once."""
_ROW_LIMIT = "row limit"
_MAX_LINES_ABOVE = 10
"""The limit of rows above the heading, such as a title."""
_FIRST_CELL = itemgetter(0)


class _CsvReader(Protocol):
    """The type of ``csv.reader``'s result, which has no public name."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


class _Quoting(NamedTuple):
    """The quoting characters of a file."""

    quote: str = '"'
    escape: str | None = None
    """The character before a quote within a cell; None if such a quote is written twice."""


class _Left:
    """Counts the characters that may still be read before the next row, or the next chunk of rows, must be complete."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.characters = _MAX_CHARACTERS

    def take(self, number: int) -> None:
        """Count characters that were read; raise csv.Error if there are too many."""
        self.characters -= number
        if self.characters < 0:
            raise csv.Error(_ROW_LIMIT)


class _FirstRow(NamedTuple):
    """A row that may be the heading."""

    line: int
    names: list[str]
    above: int
    """How many rows above this row are not blank."""


class CsvFile:
    """A CSV file.

    The heading is the first of ten rows that has a column named ``hint``, because a title may stand above the heading;
    if no row has this column, the heading is the first row that is not blank. The delimiter is the character that a
    line ``sep=;`` names, or the character with which the heading has the column ``hint``. Blanks around a cell in
    quotes are ignored, and also blank cells beyond the heading. Missing cells at the end of a row are empty, because
    spreadsheets leave out empty cells.
    """

    def __init__(self, path: Path, *, hint: str) -> None:
        self._rows_at_once = utf8.check(path, line_ends=(b"\n", b"\r"))
        self._encoding = utf8.encoding_of(path)
        self._left = _Left()
        self._path = path
        self._size = max(path.stat().st_size, 1)
        self._bytes: BinaryIO | None = None
        self._named_delimiter = self._delimiter_of_first_line()
        self._quoting = _Quoting()
        self._rows_above = 0
        self._delimiter, self.heading = self._find_delimiter(hint)
        self._find_quoting(hint)
        with contextlib.closing(self.chunks()) as chunks:
            if next(chunks, None) is None:
                raise InputInvalid(f"{path}: has a heading and no rows")
        self._bytes = None

    def use(self, columns: Collection[int]) -> None:
        """Do nothing: every cell of CSV is a text."""

    @property
    def source(self) -> str:
        """The name of the file."""
        return self._path.name

    def left_out(self) -> list[str]:
        """Return a note about the rows above the heading, which are not read."""
        return [rows_above(self._path, self._rows_above)] if self._rows_above else []

    def fraction(self) -> float:
        """Return how much of the file has been read, from 0 to 1."""
        if self._bytes is None or self._bytes.closed:
            return 0.0 if self._bytes is None else 1.0
        return self._bytes.tell() / self._size

    def chunks(self) -> Generator[Chunk]:
        """Read the rows; a row with more cells than the heading becomes a broken row, and reading goes on."""
        width = len(self.heading)
        with self._open() as text:
            self._bytes = text.buffer
            reader = self._reader(text, self._delimiter)
            for _ in islice(filter(_has_value, self._one_by_one(reader)), self._rows_above + 1):
                pass
            first = self._lines_before_heading
            while True:
                before = reader.line_num + first
                self._left.reset()
                try:
                    rows = list(islice(reader, self._rows_at_once))
                except csv.Error:
                    self._refuse(self._delimiter)
                if not rows:
                    return
                if self._has_guards:
                    rows = [list(map(unguard, row)) for row in rows]
                lines: Sequence[int] = range(before + 1, reader.line_num + first + 1)
                if len(lines) != len(rows):
                    lines = _line_numbers(before + 1, rows)
                # A row without any value begins with an empty cell.
                if set(map(len, rows)) == {width} and all(map(_FIRST_CELL, rows)):
                    yield Chunk(lines, rows, ())
                elif any(rows):
                    yield _split(lines, rows, width)

    @property
    def _lines_before_heading(self) -> int:
        return 1 if self._named_delimiter else 0

    def _open(self) -> TextIO:
        """Open the file, and skip byte order marks and a line that names the delimiter."""
        text = self._path.open(encoding=self._encoding, newline="")
        if self._named_delimiter:
            text.readline()
        else:
            position = 0
            while text.read(1) == "\ufeff":
                position = text.tell()
            text.seek(position)
        return text

    def _delimiter_of_first_line(self) -> str:
        with self._path.open(encoding=self._encoding, newline="") as text:
            named = _SEPARATOR_LINE.fullmatch(text.readline(_MAX_SEPARATOR_LINE))
        return named[1].replace("\\t", "\t") if named else ""

    def _reader(self, text: TextIO, delimiter: str) -> "_CsvReader":
        quote, escape = self._quoting
        self._left.reset()
        groups: Iterator[Iterable[str]] = _groups(text, self._left)
        if self._quoting == _Quoting():
            groups = _groups_without_blanks(groups, delimiter)
        return csv.reader(
            chain.from_iterable(groups),
            delimiter=delimiter,
            quotechar=quote,
            escapechar=escape,
            strict=True,
            # A blank after a tab is not skipped, because it may be a cell of its own.
            skipinitialspace=delimiter != "\t",
        )

    def _find_quoting(self, hint: str) -> None:
        """Find out whether cells are quoted with apostrophes, and whether a backslash escapes quotes within cells."""
        if all(_is_in_apostrophes(name) for name in self._names if name):
            self._quoting = _Quoting("'")
            self._delimiter, self.heading = self._find_delimiter(hint)
        elif (self._has_backslash_before('"') and not self._is_readable()) or (
            self._has_backslash_before(self._delimiter) and not self._has_equal_rows()
        ):
            self._quoting = _Quoting(escape="\\")
            if not self._is_readable():
                self._quoting = _Quoting()

    def _has_backslash_before(self, character: str) -> bool:
        end_of_last, searched = b"", f"\\{character}".encode(self._encoding)
        with self._path.open("rb") as file:
            while piece := file.read(_PIECE):
                if searched in end_of_last + piece:
                    return True
                end_of_last = piece[1 - len(searched) :]
        return False

    def _has_equal_rows(self) -> bool:
        """Say whether no row has more cells than the heading, as rows with an escaped delimiter have."""
        width = len(self.heading)
        with self._open() as text, contextlib.suppress(csv.Error):
            rows = self._one_by_one(self._reader(text, self._delimiter))
            return not any(len(row) > width and any(row[width:]) for row in islice(rows, self._rows_above + 1, None))
        return True

    def _is_readable(self) -> bool:
        with self._open() as text:
            try:
                for _ in self._one_by_one(self._reader(text, self._delimiter)):
                    pass
            except csv.Error:
                return False
        return True

    def _one_by_one(self, reader: _CsvReader) -> Iterator[list[str]]:
        """Yield rows one by one, without keeping them in memory."""
        for row in reader:
            self._left.reset()
            yield row

    def _find_delimiter(self, hint: str) -> tuple[str, Heading]:
        """Choose the delimiter with which the heading has the column ``hint``, or else the most columns."""
        headings: dict[str, _FirstRow] = {}
        delimiters = self._named_delimiter or _DELIMITERS
        for delimiter in delimiters:
            # With a wrong delimiter a good heading may be invalid CSV: "to";"name" read with commas.
            with contextlib.suppress(csv.Error):
                headings[delimiter] = self._first_row(delimiter, hint)
        if not headings:
            self._refuse(delimiters[0])
        delimiter = max(
            headings, key=lambda candidate: (is_among(hint, headings[candidate].names), len(headings[candidate].names))
        )
        line, names, self._rows_above = headings[delimiter]
        self._names = names
        if len(headings) < len(delimiters) and any('"' in tidy(name) for name in names):
            self._refuse(next(candidate for candidate in delimiters if candidate not in headings))
        if "\0" in "".join(names):
            advice = utf8.advice_about_nuls(self._path)
            raise InputInvalid(f"{self._path}:{line}: the heading holds NUL bytes; is it UTF-16? {advice}")
        self._has_guards = has_guards(names)
        return delimiter, Heading(self._path, line, map(unguard, names) if self._has_guards else names)

    def _first_row(self, delimiter: str, hint: str) -> "_FirstRow":
        first: _FirstRow | None = None
        with self._open() as text:
            reader = self._reader(text, delimiter)
            for above, row in enumerate(islice(filter(_has_value, self._one_by_one(reader)), _MAX_LINES_ABOVE + 1)):
                candidate = _FirstRow(reader.line_num + self._lines_before_heading, row, above)
                if is_among(hint, row):
                    return candidate
                first = first or candidate
        if first is None:
            raise InputInvalid(f"{self._path}: is empty; its first line must name the columns")
        return first

    def _refuse(self, delimiter: str) -> NoReturn:
        """Raise InputInvalid with the line on which the unreadable row starts; csv reports where reading stopped."""
        line, reason = self._lines_before_heading + 1, _explain(csv.Error(_ROW_LIMIT))
        with self._open() as text:
            reader = self._reader(text, delimiter)
            try:
                for _ in self._one_by_one(reader):
                    line = reader.line_num + self._lines_before_heading + 1
            except csv.Error as error:
                reason = _explain(error)
        raise InputInvalid(f"{self._path}:{line}: {reason}")


def lines_without_blanks_at_quotes(text: TextIO, delimiter: str) -> Iterator[str]:
    """Return the lines of a file as ``without_blanks_at_quotes`` does, without checking single lines of most files."""
    return chain.from_iterable(_groups_without_blanks(_groups(text, _Left()), delimiter))


def _groups(text: TextIO, left: _Left) -> Iterator[list[str]]:
    while lines := text.readlines(_GROUP_OF_LINES):
        if lines[-1].endswith(_END_OF_DOS_FILE):
            lines[-1] = lines[-1].rstrip(_END_OF_DOS_FILE)
        left.take(sum(map(len, lines)))
        yield lines


def _groups_without_blanks(groups: Iterable[Iterable[str]], delimiter: str) -> Iterator[Iterable[str]]:
    is_within_quotes = False
    for lines in map(list, groups):
        group = "".join(lines)
        has_blank_at_quote = _has_blank_at_quote(group)
        yield (
            without_blanks_at_quotes(lines, delimiter, is_within_quotes=is_within_quotes)
            if has_blank_at_quote
            else lines
        )
        is_within_quotes ^= group.count('"') % 2 == 1


def without_blanks_at_quotes(lines: Iterable[str], delimiter: str, *, is_within_quotes: bool = False) -> Iterator[str]:
    """Remove blanks between a closing or opening quote and a delimiter, which people write against RFC 4180."""
    blank = "[ \u00a0]" if delimiter == "\t" else "[ \t\u00a0]"
    sign = re.escape(delimiter)
    at_quote = re.compile(rf'(?<="){blank}+(?=[{sign}\r\n]|\Z)|(?<=[{sign}]){blank}+(?=")|^{blank}+(?=")')
    # Within a cell in quotes the number of quotes so far is odd.
    quotes = int(is_within_quotes)
    for line in lines:
        if not _has_blank_at_quote(line):
            quotes += line.count('"')
            yield line
            continue
        pieces, end, counted = [], 0, 0
        for match in at_quote.finditer(line):
            quotes += line.count('"', counted, match.start())
            counted = match.start()
            if quotes % 2 == 0:
                pieces.append(line[end : match.start()])
                end = match.end()
        quotes += line.count('"', counted)
        yield "".join((*pieces, line[end:]))


def _has_blank_at_quote(text: str) -> bool:
    """Return whether a blank may stand beside a quote in a text."""
    return '"' in text and ('" ' in text or ' "' in text or "\t" in text or "\u00a0" in text)


def _has_value(row: Sequence[str]) -> bool:
    return any(map(str.strip, row))


def _is_in_apostrophes(name: str) -> bool:
    return len(name) > 1 and name[0] == name[-1] == "'"


def _line_numbers(first: int, rows: Sequence[Sequence[str]]) -> Sequence[int]:
    """Return the line of each row, for rows of which some are blank or have several lines."""
    lines, line = [], first
    for row in rows:
        lines.append(line)
        line += 1 + sum(len(_LINE_END.findall(cell)) for cell in row)
    return lines


def _split(lines: Sequence[int], rows: Sequence[Sequence[str]], width: int) -> Chunk:
    rows = [_fitted(row, width) if any(map(str.strip, row)) else () for row in rows]
    good = [index for index, row in enumerate(rows) if len(row) == width]
    broken = [
        BrokenRow(line, f"has {counted(len(row), 'cell')}, the heading has {width}", row)
        for line, row in zip(lines, rows, strict=True)
        if len(row) > width
    ]
    return Chunk([lines[index] for index in good], [rows[index] for index in good], broken)


def _fitted(row: Sequence[str], width: int) -> Sequence[str]:
    """Fill up a row that lacks cells at its end; cut off blank cells beyond the heading."""
    if len(row) < width:
        return [*row, *[""] * (width - len(row))]
    return row if any(map(str.strip, row[width:])) else row[:width]


def _explain(error: csv.Error) -> str:
    # The csv module has only one type of error; the error's text tells the cause.
    match str(error):
        case "unexpected end of data":
            return "a quote is opened here and not closed; close it, or write a quote within a cell twice"
        case words if words == _ROW_LIMIT:
            return f"has rows of more than {_MAX_CHARACTERS:,} characters; is a quote opened and not closed?"
        case words if "field limit" in words:
            return f"a cell is longer than {csv.field_size_limit():,} characters; is a quote opened and not closed?"
        case words if "expected after" in words:
            return "there is text or a blank after a closing quote; remove it, and write a quote within a cell twice"
        case words:
            return f"not CSV: {words}"
