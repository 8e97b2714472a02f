"""Reads the list of templates that a DLT portal offers for download; every portal names the columns in its own way."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from producers.errors import InputInvalid
from producers.recipients import Chunk, Heading, open_table
from producers.recipients.cell_text import tidy
from producers.rows.damage import damage_of_text
from times_dispatch.sms.rules.categories import Category, category_from_portal
from times_dispatch.sms.rules.headers import without_affixes

CONTENT_ID = (
    "templateid",
    "dlttemplateid",
    "contenttemplateid",
    "dltcontenttemplateid",
    "contentid",
    "dltcontentid",
    "dltid",
    "templateregistrationid",
)
TEXT = (
    "templatecontent",
    "templatemessage",
    "templatetext",
    "templatebody",
    "contenttemplate",
    "messagecontent",
    "smscontent",
    "content",
    "message",
    "text",
)
NAME = ("templatename", "contenttemplatename", "dlttemplatename", "name")
HEADERS = ("header", "headers", "headername", "headernames", "senderid", "senderids", "sender", "cli", "mappedheaders")
ENTITY = ("principalentityid", "entityid", "peid", "dltentityid")
STATUS = ("status", "approvalstatus", "templatestatus", "registrationstatus", "dltstatus")
CATEGORY = (
    "templatetype",
    "templatecategory",
    "contenttype",
    "communicationtype",
    "messagetype",
    "smstype",
    "type",
    "category",
    "contentcategory",
)
"""Portals disagree on what these columns mean: ``Template Type`` is a category at one portal, and TEXT or UNICODE at
another. The first of the columns that holds a category decides."""

_APPROVED = re.compile(r"\b(approved?|registered|active|activated|live)\b", re.IGNORECASE)
_NOT_APPROVED = re.compile(
    r"\b(not|un|non|to be|pending|await\w*|rejected|blacklisted|suspended|expired|in ?active)\b", re.IGNORECASE
)


class PortalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a download."""

    line: int
    damage: str = ""
    """Why the row cannot be used, if the file damages its ids or its text; a sentence without a subject."""
    content_id: str
    name: str
    text: str
    headers: tuple[str, ...]
    """Empty if the download has no such column."""
    category: Category | None
    entity_id: str
    status: str
    """In the portal's words; empty if the download has no such column."""
    approved: bool


class PortalDownload:
    """A download as CSV or Excel. Raises InputInvalid with the column that is missing, if one is."""

    def __init__(self, path: Path) -> None:
        self._file = open_table(path, hint="Template ID")
        columns = {_letters(name): index for index, name in reversed(list(enumerate(self._file.heading.names)))}
        self._content_id = self._required(columns, CONTENT_ID, "Template ID", self._file.heading)
        self._text = self._required(columns, TEXT, "Template Content", self._file.heading)
        self._name = _first(columns, NAME)
        self._headers = _first(columns, HEADERS)
        self._entity = _first(columns, ENTITY)
        self._status = _first(columns, STATUS)
        self._category_columns = [columns[name] for name in CATEGORY if name in columns]

    @property
    def has_headers(self) -> bool:
        """Say whether the download has a column for headers."""
        return self._headers is not None

    def rows(self) -> Iterator[PortalRow]:
        """Read the rows; raise InputInvalid at a row with more or fewer cells than the heading: the file is damaged."""
        for chunk in self._file.chunks():
            if chunk.broken:
                raise InputInvalid(f"{self._file.heading.path}:{chunk.broken[0].line}: {chunk.broken[0].reason}")
            damage = self._damage(chunk)
            for line, cells in zip(chunk.lines, chunk.rows, strict=True):
                status = _cell(cells, self._status)
                categories = (category_from_portal(cells[column]) for column in self._category_columns)
                yield PortalRow(
                    line=line,
                    damage=damage.get(line, ""),
                    content_id=_digits(_cell(cells, self._content_id)),
                    name=_cell(cells, self._name),
                    text=cells[self._text],
                    headers=_headers(_cell(cells, self._headers)),
                    category=next(filter(None, categories), None),
                    entity_id=_digits(_cell(cells, self._entity)),
                    status=status,
                    approved=self._status is None or is_approved(status),
                )

    def _damage(self, chunk: Chunk) -> dict[int, str]:
        """Return why rows cannot be used, by their line: an id that is kept as a number has lost digits."""
        damage = {
            chunk.lines[row]: f"{self._file.heading.names[column]} {reason}"
            for (row, column), reason in chunk.damaged.items()
            if column in (self._content_id, self._text, self._entity)
        }
        for line, cells in zip(chunk.lines, chunk.rows, strict=True):
            if problem := damage_of_text(_digits(_cell(cells, self._content_id))):
                damage.setdefault(line, f"{self._file.heading.names[self._content_id]} {problem.reason}")
        return damage

    @staticmethod
    def _required(columns: dict[str, int], names: tuple[str, ...], usual_name: str, heading: Heading) -> int:
        column = _first(columns, names)
        if column is None:
            raise InputInvalid(f"{heading.path}:{heading.line}: no column like {usual_name}; {heading.described()}")
        return column


def is_approved(status: str) -> bool:
    """Say whether a status in a portal's words, such as ``REGISTERED VIA AIRTEL``, lets a template be used."""
    return _APPROVED.search(status) is not None and _NOT_APPROVED.search(status) is None


def _first(columns: dict[str, int], names: tuple[str, ...]) -> int | None:
    return next((columns[name] for name in names if name in columns), None)


def _cell(cells: Sequence[str], column: int | None) -> str:
    return "" if column is None else cells[column].strip()


def _digits(cell: str) -> str:
    """Remove the apostrophe, or the ``="…"``, with which portals keep spreadsheets from changing long numbers."""
    return tidy(cell)


def _headers(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(without_affixes, re.findall(r"[A-Za-z0-9-]+", cell))))


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
