"""Reads the reports of a posted body, and decides whether the body is stored or refused."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from callbacks.http.form_fields import json_in_query
from callbacks.http.posted_body import decompress_body, join_documents, json_in
from callbacks.http.wrapped_reports import unwrap
from times_dispatch.content_encoding import GZIP_MAGIC
from times_dispatch.http_server.event_loop_turns import TurnTime
from times_dispatch.provider.reports.reports import ParsedReports, ReportsUnreadable, UnusableRow, parse
from times_dispatch.unreadable_json import UNREADABLE_JSON

MANDATORY_FIELDS: Final = ("event", "ts", "meta")
"""The fields that the response names as missing when a body is empty."""

_MAX_LIGHT_BYTES: Final = 16 * 1024
_MAX_LIGHT_PARTS: Final = 700
_PART_BYTES: Final = b",&;\n\r[{'"
"""The bytes that separate or begin rows, fields, documents or texts. A body of 700 takes up to 15 milliseconds to read.
A body of 100 reports of the usual form has fewer: the thread takes as long as reading 50 of them."""
_MAX_TURN_S: Final = 0.01
"""How long light bodies are read in one turn of the event loop; further bodies of the turn are read in the thread."""

T = TypeVar("T")


class PostedReports(NamedTuple):
    """The reports of a posted body."""

    content: bytes
    """The body that is stored: JSON, byte for byte as it was posted if it was posted as JSON."""
    events: int
    """How many rows are report events."""
    unusable: int
    """How many rows cannot be used."""
    missing: Sequence[str]
    """The mandatory fields that all rows lack; empty if a row is to be stored."""


class PostedReportsReader:
    """Reads posted bodies. Long or compressed bodies are read in a thread, one after the other.

    The thread keeps the event loop free, and the order bounds how many bodies take memory at the same time. A thousand
    light bodies that arrive at one moment would be a long turn too; so some of them are read in the thread.
    """

    def __init__(self) -> None:
        self._in_turn = asyncio.Lock()
        self._turn_time = TurnTime(_MAX_TURN_S)

    async def decompress(self, body: bytes, encoding: str) -> bytes:
        """Return a body without its Content-Encoding; raise the errors of ``decompress_body``."""
        return await self._in_thread(lambda: decompress_body(body, encoding))

    async def read(self, body: bytes, content_type: str, query: bytes) -> PostedReports:
        """Return the reports of a body, or of a query if there is no body; raise ReportsUnreadable."""
        if is_light(body) and self._turn_time.is_left():
            return _read(body, content_type, query)
        return await self._in_thread(lambda: _read(body, content_type, query))

    async def _in_thread(self, call: Callable[[], T]) -> T:
        async with self._in_turn:
            return await asyncio.to_thread(call)


def is_compressed(body: bytes, encoding: str) -> bool:
    """Return whether a body may have a Content-Encoding: some posters forget to name it."""
    return bool(encoding) or body.startswith(GZIP_MAGIC)


def is_light(body: bytes) -> bool:
    """Return whether a body is read within some milliseconds, whatever its content."""
    if len(body) <= _MAX_LIGHT_PARTS:  # so most bodies are not searched
        return True
    return len(body) <= _MAX_LIGHT_BYTES and len(body) - len(body.translate(None, _PART_BYTES)) <= _MAX_LIGHT_PARTS


def _read(body: bytes, content_type: str, query: bytes) -> PostedReports:
    return read(json_in(body, content_type) if body else json_in_query(query))


def read(content: bytes) -> PostedReports:
    """Return the reports of a JSON document; raise ReportsUnreadable."""
    content, parsed = _parse(content)
    if parsed.events:
        return PostedReports(content, len(parsed.events), len(parsed.unusable), ())
    missing: set[str] = set()
    if all(map(is_incomplete, parsed.unusable)):
        missing.update(field for row in parsed.unusable for field in missing_fields(row))
    return PostedReports(content, 0, len(parsed.unusable), sorted(missing))


def is_incomplete(row: UnusableRow) -> bool:
    """Return whether a row lacks a mandatory field, or does not even have the shape of a report.

    A row that is unusable for another reason (an unknown event, a time out of bounds) is stored and becomes a dead
    letter, so that people can see the row.
    """
    return not row.is_contradictory and (bool(row.missing_fields) or not _has_shape(row, list[_EventRows]))


def missing_fields(row: UnusableRow) -> Sequence[str]:
    """Return the mandatory fields that a row lacks."""
    if row.missing_fields:
        return row.missing_fields
    return ("ts", "meta") if _has_shape(row, list[_NamedEvent]) else MANDATORY_FIELDS


class _EventRows(msgspec.Struct):
    """The shape of reports: the name of an event, with one row or several."""

    event: str | int | float | dict[str, Any] | list[Any]
    data: list[dict[str, Any]] | dict[str, Any]


class _NamedEvent(msgspec.Struct):
    """The shape of an object that names an event, and may have no rows."""

    event: str | int | float


def _has_shape(row: UnusableRow, shape: Any) -> bool:
    try:
        msgspec.json.decode(row.raw, type=shape)
    except UNREADABLE_JSON:
        return False
    return True


def _parse(content: bytes) -> tuple[bytes, ParsedReports]:
    """Return a body that ``parse`` can read, and the rows in the body; raise ReportsUnreadable."""
    try:
        parsed = parse(content)
    except ReportsUnreadable:
        if not (joined := join_documents(content)):
            raise
        return joined, parse(joined)
    is_certain = not any(row.is_contradictory for row in parsed.unusable)
    if not parsed.events and is_certain and (inner := unwrap(content)):
        with suppress(ReportsUnreadable):
            inner_parsed = parse(inner)
            if inner_parsed.events:
                return inner, inner_parsed
    return content, parsed
