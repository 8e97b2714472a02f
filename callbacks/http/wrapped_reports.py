"""Finds the reports in JSON whose outer objects and arrays are not those of Times Mobile."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from callbacks.http.form_fields import is_document
from times_dispatch.provider.reports.json_repair import JsonBroken, repair_json
from times_dispatch.provider.reports.reports import MAX_ROWS, ReportsUnreadable, parse
from times_dispatch.unreadable_json import UNREADABLE_JSON

_MAX_DEPTH: Final = 6
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


def unwrap(content: bytes) -> bytes:
    """Return an array of the objects in a JSON document that are reports, with their bytes unchanged; empty if none is.

    An object is a report if ``reports.parse`` reads it; nothing inside a report is searched. A text that is a JSON
    object or array is searched too. An object whose keys are numbers (``{"0": …, "1": …}``, as PHP writes arrays) is an
    array. Objects that stand in one array with a report are taken too, so that the unusable rows among them are not
    lost.
    """
    try:
        reports = _reports_in(content)
    except (*UNREADABLE_JSON, JsonBroken):
        return b""
    return b"[" + b",".join(reports) + b"]" if 0 < len(reports) <= MAX_ROWS else b""


def _reports_in(content: bytes) -> list[bytes]:
    try:
        content.decode()  # msgspec does not check the encoding of strings that it skips
        return list(_reports(content, _MAX_DEPTH))
    except UNREADABLE_JSON:
        return list(_reports(repair_json(content), _MAX_DEPTH))


def _reports(document: bytes, depth: int) -> Iterator[bytes]:
    document = _in_text(document.strip())
    if not depth or not document.startswith((b"{", b"[")):
        return
    if document.startswith(b"["):
        yield from _of_array(map(bytes, _ARRAY.decode(document)), depth - 1)
        return
    fields = _OBJECT.decode(document)
    if _is_report(document):
        yield document
        return
    if "event" in fields and "data" in fields and (rows := _counted(bytes(fields["data"]))):
        group = b'{"event":' + bytes(fields["event"]) + b',"data":[' + b",".join(rows) + b"]}"
        if _is_report(group):
            yield group
            return
    if all(map(str.isdecimal, fields)):
        yield from _of_array(map(bytes, fields.values()), depth - 1)
        return
    for value in fields.values():
        yield from _reports(bytes(value), depth - 1)


def _of_array(values: Iterable[bytes], depth: int) -> Iterator[bytes]:
    """Yield the reports in the values of an array, and the objects beside these reports that contain no report."""
    documents = [(value, list(_reports(value, depth))) for value in map(_in_text, map(bytes.strip, values))]
    if any(reports for _, reports in documents):
        for document, reports in documents:
            yield from reports or ([document] if document.startswith(b"{") else [])


def _is_report(document: bytes) -> bool:
    try:
        return bool(parse(b"[" + document + b"]").events)
    except ReportsUnreadable:
        return False


def _counted(document: bytes) -> list[bytes]:
    """Return the values of an object whose keys are 0, 1, 2 …; nothing for any other value."""
    try:
        fields = _OBJECT.decode(document)
    except UNREADABLE_JSON:
        return []
    return [bytes(value) for value in fields.values()] if all(map(str.isdecimal, fields)) else []


def _in_text(document: bytes) -> bytes:
    if not document.startswith(b'"'):
        return document
    text = msgspec.json.decode(document)
    if not isinstance(text, str) or not is_document(text):
        return b""
    inner = text.strip().encode()
    try:
        msgspec.json.decode(inner, type=msgspec.Raw)
    except UNREADABLE_JSON:
        return repair_json(inner)
    return inner
