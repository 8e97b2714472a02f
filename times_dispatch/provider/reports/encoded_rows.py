"""Reads the rows and the event of a report that a program encoded as a text of JSON, or wrapped in an object."""

from contextlib import suppress
from typing import Final

import msgspec

from times_dispatch.provider.reports.event_kinds import kind_of
from times_dispatch.provider.reports.json_repair import JsonBroken, repair_json
from times_dispatch.unreadable_json import UNREADABLE_JSON

_MAX_NESTED_STRINGS: Final = 3
"""How many times the rows may be encoded as a JSON string."""


def event_in(event: bytes) -> bytes:
    """Return the name of an event in an object or an array, as JSON: ``{"name": "delivered"}``, ``["delivered"]``.

    Raises msgspec.ValidationError if the values name no event, or different events, or if an array has another text: it
    may be the name of an event that is unknown.
    """
    fields = msgspec.json.decode(event)
    if isinstance(fields, dict):
        names = {value for value in fields.values() if isinstance(value, str) and kind_of(value)}
    else:
        names = {value for value in fields if isinstance(value, str)}
    if len(names) != 1 or not all(map(kind_of, names)):
        raise msgspec.ValidationError("no event with one name")
    return msgspec.json.encode(names.pop())


def rows_in_text(data: msgspec.Raw) -> tuple[bytes, msgspec.Raw]:
    """Return the undecoded rows in a text of JSON, which may be encoded several times; other texts stay unchanged."""
    text = bytes(data)
    for _ in range(_MAX_NESTED_STRINGS):
        if not text.startswith(b'"'):
            break
        text = msgspec.json.decode(text, type=str).strip().encode()
    if not text.startswith((b"[", b"{")):
        return bytes(data), data
    with suppress(*UNREADABLE_JSON):
        return text, msgspec.json.decode(text, type=msgspec.Raw)
    # A text with one escape too many is the inside of a string of JSON. A quote that is escaped in any other text is
    # part of a value, and must not end the value: a recipient may have written the value.
    for read in (bytes, _without_escapes):
        with suppress(JsonBroken, *UNREADABLE_JSON):
            repaired = repair_json(read(text))
            return repaired, msgspec.Raw(repaired)
    return bytes(data), data


def _without_escapes(text: bytes) -> bytes:
    return msgspec.json.decode(b'"' + text + b'"', type=str).encode()
