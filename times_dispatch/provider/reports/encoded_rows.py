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

    Raises msgspec.ValidationError if the values name no event, or different events.
    """
    fields = msgspec.json.decode(event)
    values = fields.values() if isinstance(fields, dict) else fields
    names = {value for value in values if isinstance(value, str) and kind_of(value)}
    if len(names) != 1:
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
    try:
        return text, msgspec.json.decode(text, type=msgspec.Raw)
    except UNREADABLE_JSON:
        with suppress(JsonBroken):
            text = repair_json(text.replace(b'\\"', b'"'))
            return text, msgspec.Raw(text)
        return bytes(data), data
