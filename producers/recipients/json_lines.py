"""Recipients as JSON Lines: one object on each line. Its texts and numbers are the cells."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NoReturn, TextIO

from producers.errors import InputInvalid
from producers.recipients import utf8
from producers.recipients.file import CHUNK_ROWS, BrokenRow, Chunk
from producers.recipients.heading import Heading

JsonObject = dict[str, object]

_HALF_SURROGATE = "holds half a surrogate pair, which is no character"


class _RowUnusable(ValueError):
    """A line that is no row; the message is the reason."""


class JsonLinesFile:
    """A JSON Lines file. Its columns are those keys of the first object whose value is a text, a number or null."""

    def __init__(self, path: Path) -> None:
        utf8.check(path)
        self._path = path
        self._size = max(path.stat().st_size, 1)
        self._bytes: BinaryIO | None = None
        self._keys, self.heading = self._heading()

    def fraction(self) -> float:
        """Return how much of the file has been read, from 0 to 1."""
        if self._bytes is None or self._bytes.closed:
            return 0.0 if self._bytes is None else 1.0
        return self._bytes.tell() / self._size

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows; a missing key and null give an empty cell."""
        keys = self._keys
        with self._open() as file:
            self._bytes = file.buffer
            numbered = enumerate(file, 1)
            while batch := list(islice(numbered, CHUNK_ROWS)):
                lines: list[int] = []
                rows: list[list[str]] = []
                broken: list[BrokenRow] = []
                for line, text in batch:
                    if text.isspace():
                        continue
                    try:
                        row = _cells(_parse(text), keys)
                    except _RowUnusable as unusable:
                        broken.append(BrokenRow(line, str(unusable), ()))
                    else:
                        lines.append(line)
                        rows.append(row)
                yield Chunk(lines, rows, broken)

    def _open(self) -> TextIO:
        return self._path.open(encoding="utf-8-sig", newline="\n")

    def _heading(self) -> tuple[list[str], Heading]:
        with self._open() as text:
            line, first = next(((line, row) for line, row in enumerate(text, 1) if not row.isspace()), (0, ""))
        if not first:
            raise InputInvalid(f"{self._path}: is empty; every line must be a JSON object")
        if first.lstrip().startswith("["):
            raise InputInvalid(
                f"{self._path}:{line}: is a JSON array; write one object a line: "
                f"jq -c '.[]' {self._path.name} > {self._path.stem}.jsonl"
            )
        try:
            cells = _parse(first)
        except _RowUnusable as unusable:
            raise InputInvalid(f"{self._path}:{line}: the first row {unusable}; its keys name the columns") from None
        keys = [key for key, cell in cells.items() if cell is None or isinstance(cell, str)]
        if not _is_writable(keys):
            raise InputInvalid(
                f"{self._path}:{line}: a key of the first row {_HALF_SURROGATE}; its keys name the columns"
            )
        return keys, Heading(self._path, line, keys)


def _unique(pairs: list[tuple[str, object]]) -> JsonObject:
    cells = dict(pairs)
    if len(cells) != len(pairs):
        raise _RowUnusable("has a key twice")
    return cells


def _refuse_constant(name: str) -> NoReturn:
    raise _RowUnusable(f"holds {name}, which is not JSON")


# Numbers stay as they are written: 99.50 must not become 99.5, and twelve digits must not become a float.
_decode = json.JSONDecoder(
    parse_float=str, parse_int=str, parse_constant=_refuse_constant, object_pairs_hook=_unique
).decode


def _parse(text: str) -> JsonObject:
    try:
        cells = _decode(text)
    except _RowUnusable:
        raise
    except (ValueError, RecursionError):
        raise _RowUnusable("is not JSON") from None
    if not isinstance(cells, dict):
        raise _RowUnusable("is not a JSON object")
    return cells


def _cells(json_object: JsonObject, keys: list[str]) -> list[str]:
    row: list[str] = []
    for key in keys:
        match json_object.get(key):
            case str(cell):
                row.append(cell)
            case None:
                row.append("")
            case _:
                raise _RowUnusable(f"holds neither a text nor a number as {key}")
    if not _is_writable(row):
        raise _RowUnusable(_HALF_SURROGATE)
    return row


def _is_writable(texts: list[str]) -> bool:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True
