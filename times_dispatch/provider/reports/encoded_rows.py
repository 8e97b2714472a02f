"""Reads the rows and the event of a report that a program encoded as a text of JSON, or wrapped in an object."""

from contextlib import suppress
from typing import Final

import msgspec

from times_dispatch.provider.reports.contradictions import ContradictoryStates, confirms, contradict
from times_dispatch.provider.reports.event_kinds import kind_of
from times_dispatch.provider.reports.field_names import is_state
from times_dispatch.provider.reports.json_repair import JsonBroken, repair_json
from times_dispatch.unreadable_json import UNREADABLE_JSON

_MAX_NESTED_STRINGS: Final = 3
"""How many times the rows may be encoded as a JSON string."""


def event_in(event: bytes) -> bytes:
    """Return the name of an event in an object or an array, as JSON: ``{"name": "delivered"}``, ``["delivered"]``.

    Raises msgspec.ValidationError if the values name no event, or if an array has another text, which may name an
    unknown event. Raises ContradictoryStates if the values name different events, or if an object has a
    state that does not confirm the event.
    """
    values = msgspec.json.decode(event)
    fields = values.items() if isinstance(values, dict) else (("", value) for value in values)
    texts = [(name, value) for name, value in fields if isinstance(value, str)]
    names = [(kind, value) for _, value in texts if (kind := kind_of(value))]
    kinds = {kind for kind, _ in names}
    if not kinds or (isinstance(values, list) and len(set(texts)) != 1):
        raise msgspec.ValidationError("no event with one name")
    kind = names[0][0]
    if (
        contradict(kind, (value for _, value in texts))
        or not all(confirms(kind, value) for name, value in texts if is_state(name))
        or len(kinds) > 1
    ):
        raise ContradictoryStates
    return msgspec.json.encode(names[0][1])


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
