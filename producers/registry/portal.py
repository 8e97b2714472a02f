"""A list of templates as downloaded from a DLT portal: its columns found by the names that portals give them."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from producers.errors import InputInvalid
from producers.recipients import Heading, open_table
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
"""Portals disagree on what these mean: ``Template Type`` is a category at one and TEXT or UNICODE at another, so the
first of them counts that holds a category."""

_APPROVED = re.compile(r"\b(approved?|registered|active|activated|live)\b", re.IGNORECASE)
_NOT = re.compile(
    r"\b(not|un|non|to be|pending|await\w*|rejected|blacklisted|suspended|expired|in ?active)\b", re.IGNORECASE
)
_WRAPPED = re.compile('="([^"]*)"')


class PortalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a download."""

    line: int
    content_id: str
    name: str
    text: str
    headers: tuple[str, ...]
    """Empty if there is no such column."""
    category: Category | None
    entity_id: str
    status: str
    """As it stands there; empty if there is no such column."""
    approved: bool


class Portal:
    """A download, CSV or Excel; raises InputInvalid if it cannot be one, with the columns that it lacks."""

    def __init__(self, path: Path) -> None:
        self._file = open_table(path, hint="Template ID")
        columns = {_plain(name): index for index, name in reversed(list(enumerate(self._file.heading.names)))}
        self._content_id = self._needed(columns, CONTENT_ID, "Template ID", self._file.heading)
        self._text = self._needed(columns, TEXT, "Template Content", self._file.heading)
        self._name = _first(columns, NAME)
        self._headers = _first(columns, HEADERS)
        self._entity = _first(columns, ENTITY)
        self._status = _first(columns, STATUS)
        self._categories = [columns[name] for name in CATEGORY if name in columns]

    @property
    def has_headers(self) -> bool:
        """Say whether the download tells which headers a template belongs to."""
        return self._headers is not None

    def rows(self) -> Iterator[PortalRow]:
        """Read the rows; raise InputInvalid at one that has not the shape of the heading: the file is damaged then."""
        for chunk in self._file.chunks():
            if chunk.broken:
                raise InputInvalid(f"{self._file.heading.path}:{chunk.broken[0].line}: {chunk.broken[0].reason}")
            for line, cells in zip(chunk.lines, chunk.rows, strict=True):
                status = _cell(cells, self._status)
                found = (category_from_portal(cells[column]) for column in self._categories)
                yield PortalRow(
                    line=line,
                    content_id=_digits(_cell(cells, self._content_id)),
                    name=_cell(cells, self._name),
                    text=cells[self._text],
                    headers=_headers(_cell(cells, self._headers)),
                    category=next(filter(None, found), None),
                    entity_id=_digits(_cell(cells, self._entity)),
                    status=status,
                    approved=self._status is None or is_approved(status),
                )

    @staticmethod
    def _needed(columns: dict[str, int], names: tuple[str, ...], usual: str, heading: Heading) -> int:
        found = _first(columns, names)
        if found is None:
            raise InputInvalid(f"{heading.path}:{heading.line}: no column like {usual}; {heading.described()}")
        return found


def is_approved(status: str) -> bool:
    """Say whether a status as portals word it (``Approved``, ``REGISTERED VIA AIRTEL``) lets a template be used."""
    return _APPROVED.search(status) is not None and _NOT.search(status) is None


def _first(columns: dict[str, int], names: tuple[str, ...]) -> int | None:
    return next((columns[name] for name in names if name in columns), None)


def _cell(cells: Sequence[str], column: int | None) -> str:
    return "" if column is None else cells[column].strip()


def _digits(cell: str) -> str:
    """Take off the apostrophe before, or ``="…"`` around, by which portals make spreadsheets leave digits alone."""
    wrapped = _WRAPPED.fullmatch(cell)
    return (wrapped[1] if wrapped else cell).strip().lstrip("'")


def _headers(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(without_affixes, re.findall(r"[A-Za-z0-9-]+", cell))))


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
