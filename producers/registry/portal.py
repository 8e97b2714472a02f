"""Reads the list of templates that a DLT portal offers for download; column names differ from portal to portal."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from producers.errors import InputInvalid
from producers.recipients import Chunk, open_table
from producers.recipients.cell_text import tidy
from producers.recipients.reader.limits import DEFAULT_LIMITS, ReaderLimits
from producers.registry.columns import CATEGORY, FIELDS, by_words, indexes
from producers.rows.damage import damage_of_text
from times_dispatch.sms.rules.categories import Category, category_from_portal, is_no_category
from times_dispatch.sms.rules.headers import without_affixes
from times_dispatch.sms.slot_rules import Operator

_OPERATORS: dict[str, Operator] = {
    "airtel": "airtel",
    "bharti": "airtel",
    "bsnl": "bsnl",
    "jio": "jio",
    "trueconnect": "jio",
    "smartping": "stpl",
    "stpl": "stpl",
    "tata": "stpl",
    "videocon": "stpl",
    "vodafone": "vi",
    "vil": "vi",
    "vilpower": "vi",
    "vi": "vi",
}
_APPROVED = re.compile(
    r"\b(approved?|registered|active|activated|live|verified|success(?:ful)?|white[ -]?list(?:ed)?|accepted|enabled"
    r"|confirmed|validated)\b",
    re.IGNORECASE,
)
_NOT_APPROVED = re.compile(
    r"\b(not|no|un|non|de|dis|ex|yet|to be"
    r"|pending|await\w*|rejected|black[ -]?list(?:ed)?|suspended|expired|in[ -]?active"
    r"|de[ -]?activated|dis[ -]?approved|revoked|blocked|cancell?ed|withdrawn|deleted|disabled|removed|failed|failure"
    r"|denied|declined|draft|submitted|submission|requested|(?:in|under)[ -](?:progress|process|review|verification)"
    r"|on hold|hold|partial(?:ly)?|without|de-?registered|archived|discontinued|terminated|paused|closed|invalid)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z]+")


class PortalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a download."""

    line: int
    damage: str = ""
    """Why the row cannot be used, if its ids or its text are damaged; a sentence without a subject."""
    content_id: str
    name: str
    text: str
    headers: tuple[str, ...]
    """The headers for which the template is registered; empty if the download has no such column."""
    category: Category | None
    entity_id: str
    status: str
    """The status in the portal's words; empty if the download has no such column."""
    approved: bool
    unknown_category: str = ""
    """The text of the category's column, if the text is no known category."""
    operator: Operator = ""
    """The operator at whose portal the template is registered, if the download names the operator."""


class PortalDownload:
    """A download as CSV or Excel.

    Args:
        path: the file.
        columns: the column names that the user gives, by the keys of ``FIELDS``.
        limits: the memory and time that reading a workbook may take.

    Raises:
        InputInvalid: a column is missing.
    """

    def __init__(
        self, path: Path, columns: Mapping[str, str] | None = None, *, limits: ReaderLimits = DEFAULT_LIMITS
    ) -> None:
        self._file = open_table(path, hint="Template ID", limits=limits)
        self._named = columns or {}
        self._indexes = indexes(self._file.heading.names)
        self._content_id = self._required("id", "Template ID")
        self._text = self._required("content", "Template Content")
        self._name = self._column("name")
        self._headers = self._column("header")
        self._entity = self._column("entity")
        self._status = self._column("status")
        self._operator = self._column("operator")
        if "category" in self._named:
            self._category_columns = [self._required("category", "")]
        else:
            self._category_columns = [self._indexes[name] for name in CATEGORY if name in self._indexes]
            if not self._category_columns:
                self._category_columns = by_words("category", self._indexes)

    @property
    def has_headers(self) -> bool:
        """Whether the download has a column for headers."""
        return self._headers is not None

    def rows(self) -> Iterator[PortalRow]:
        """Read the rows; raise InputInvalid if a row has more or fewer cells than the heading, as in a damaged file."""
        for chunk in self._file.chunks():
            if chunk.broken:
                raise InputInvalid(f"{self._file.heading.path}:{chunk.broken[0].line}: {chunk.broken[0].reason}")
            damage = self._damage(chunk)
            for line, cells in zip(chunk.lines, chunk.rows, strict=True):
                status = _cell(cells, self._status)
                category, unknown_category = self._category(cells)
                yield PortalRow(
                    line=line,
                    damage=damage.get(line, ""),
                    content_id=_digits(_cell(cells, self._content_id)),
                    name=_cell(cells, self._name),
                    text=cells[self._text],
                    headers=_headers(_cell(cells, self._headers)),
                    category=category,
                    unknown_category=unknown_category,
                    operator=_operator_in(f"{_cell(cells, self._operator)} {status}"),
                    entity_id=_digits(_cell(cells, self._entity)),
                    status=status,
                    approved=self._status is None or is_approved(status),
                )

    def _damage(self, chunk: Chunk) -> dict[int, str]:
        """Return why rows cannot be used, by their line: an id that was stored as a number has lost digits."""
        damage = {
            chunk.lines[row]: f"{self._file.heading.names[column]} {reason}"
            for (row, column), reason in chunk.damaged.items()
            if column in (self._content_id, self._text, self._entity)
        }
        for line, cells in zip(chunk.lines, chunk.rows, strict=True):
            if problem := damage_of_text(_digits(_cell(cells, self._content_id))):
                damage.setdefault(line, f"{self._file.heading.names[self._content_id]} {problem.reason}")
        return damage

    def _category(self, cells: Sequence[str]) -> tuple[Category | None, str]:
        """Return the category of a row, and the text of the category's column if the text is no known category."""
        written = [cells[column].strip() for column in self._category_columns]
        for category in map(category_from_portal, written):
            if category:
                return category, ""
        return None, next((words for words in written if words and not is_no_category(words)), "")

    def _column(self, field: str) -> int | None:
        if field in self._named:
            return self._required(field, "")
        known = next((self._indexes[name] for name in FIELDS[field] if name in self._indexes), None)
        return self._only_by_words(field) if known is None else known

    def _only_by_words(self, field: str) -> int | None:
        """Return the only column that may hold a field; raise InputInvalid if several may hold the status."""
        columns = by_words(field, self._indexes)
        if field == "status" and len(columns) > 1:
            heading = self._file.heading
            names = ", ".join(heading.names[column] for column in columns)
            raise InputInvalid(
                f"{heading.path}:{heading.line}: several columns may hold the status: {names}; "
                "--column status=NAME names it"
            )
        return columns[0] if len(columns) == 1 else None

    def _required(self, field: str, usual_name: str) -> int:
        heading = self._file.heading
        if named := self._named.get(field):
            if (index := heading.index(named)) is None:
                raise InputInvalid(f"{heading.path}:{heading.line}: no column {named}; {heading.described()}")
            return index
        column = self._column(field)
        if column is None:
            advice = f"; --column {field}=NAME names it" if heading.names else ""
            raise InputInvalid(
                f"{heading.path}:{heading.line}: no column like {usual_name}; {heading.described()}{advice}"
            )
        return column


def is_approved(status: str) -> bool:
    """Return whether a status in a portal's words, such as ``REGISTERED VIA AIRTEL``, means approved."""
    return _APPROVED.search(status) is not None and _NOT_APPROVED.search(status) is None


def _operator_in(words: str) -> Operator:
    operators = {operator for word in _WORD.findall(words.lower()) if (operator := _OPERATORS.get(word))}
    return operators.pop() if len(operators) == 1 else ""


def _cell(cells: Sequence[str], column: int | None) -> str:
    return "" if column is None else cells[column].strip()


def _digits(cell: str) -> str:
    """Remove the apostrophe, or the ``="…"``, by which portals keep spreadsheets from changing long numbers."""
    return tidy(cell)


def _headers(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(without_affixes, re.findall(r"[A-Za-z0-9-]+", cell))))
