"""Finds states in a report that contradict the report's event, because such a report must not be applied."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from times_dispatch.provider.reports.event_kinds import EventKind, is_report, kind_of
from times_dispatch.provider.reports.field_names import by_known_name, event_names
from times_dispatch.unreadable_json import UNREADABLE_JSON

_RESULTS: Final = (EventKind.DELIVERED, EventKind.FAILED)
_BAD: Final = re.compile(
    r"fail|faild|undel|unsuccess|unreach|reject|expir|block|dropp|bounc|invalid|abort|refus|declin|discard"
    r"|(?:non|not|never|no|n't|cannot) (?:be |been |get )?(?:deliv|dlvr|sent|receiv|success|reach)|^(?:error|nok|dnd)$"
)
"""Words of a state in small letters, of which each says that the message did not arrive."""
_GOOD: Final = re.compile(r"^(?:ok|okay|success\w*|done|completed?)$|^delivered\b|\b(?:delivered|successfully)$")
_NEITHER: Final = re.compile(r"[0-9 ]*|final|(?:un)?known|n/?a|none|null")
_WORDS: Final = (b"stat", b"event")
"""Words of which one is in the name of each field that may hold a state."""
_ID: Final = b'"meta"'
_DATA: Final = b'"data"'
_MAX_STATE_BYTES: Final = 200
_MAX_REPEATED_BYTES: Final = 65_536
"""The maximum length of an object that is searched for fields that stand twice."""
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_SEPARATORS: Final = re.compile(r"[\s_.-]+")


class ContradictoryStates(Exception):
    """The states of an event contradict each other."""


def contradict(kind: EventKind | None, states: Iterable[str]) -> bool:
    """Return whether one of several states says something else about the message than the event.

    A state with an unknown name counts only if its words say the opposite of the event, because a report may have any
    other fields.
    """
    return any(_says_else(kind, state) for state in states)


def may_have_state(fields: bytes) -> bool:
    """Return whether undecoded fields may include an event or a state; it is false for documented rows."""
    lowered = fields.lower()
    return any(word in lowered for word in _WORDS)


def names_ids_twice(rows: bytes, count: int) -> bool:
    """Return whether undecoded rows may have more ids than rows; it is false for documented rows."""
    return rows.count(_ID) > count


def row_contradicts(kind: EventKind | None, row: bytes) -> bool:
    """Return whether a field of an undecoded row contradicts the row's event, or the row has two different ids."""
    if not may_have_state(row) and not names_ids_twice(row, 1):
        return False
    readings = _readings(row)
    return _states_contradict(kind, readings) or (len(readings) > 1 and _ids(readings[0]) != _ids(readings[-1]))


def group_contradicts(event: str, group: bytes, data: bytes) -> bool:
    """Return whether a field beside the event and the data of an undecoded group contradicts the event.

    Other data in a second field of that name contradict it too: nothing says which data belong to the event.
    """
    around = group.replace(data, b"null", 1)
    may_have_other_data = around.count(_DATA) > 1
    # One word is the event itself.
    if _count_words(around) < 2 and not may_have_other_data:
        return False
    if may_have_other_data and len(around) > _MAX_REPEATED_BYTES:
        return True
    readings = _readings(around)
    return _states_contradict(kind_of(event), readings) or "data" in readings[-1]


def confirms(kind: EventKind, state: str) -> bool:
    """Return whether a state certainly says the same as the event, or nothing about the message."""
    if is_report(state) or kind_of(state) is kind:
        return True
    words = _words(state)
    if _NEITHER.fullmatch(words):
        return True
    return _says(words) is kind


def _count_words(fields: bytes) -> int:
    return sum(map(fields.lower().count, _WORDS))


def _states_contradict(kind: EventKind | None, readings: list[dict[str, Any]]) -> bool:
    names = [event_names(fields) for fields in readings]
    if any(contradict(kind, each) for each in names):
        return True
    # A field that stands twice, and is no result, contradicts itself too: "clicked" and "failed".
    return len(names) > 1 and len({known for each in names if each and (known := kind_of(each[0]))}) > 1


def _ids(fields: dict[str, Any]) -> object:
    return by_known_name(fields).get("meta")


def _readings(fields: bytes) -> list[dict[str, Any]]:
    """Return the short fields of an object but its data: decoding a mebibyte would hold up all threads.

    A second reading follows if a field stands twice, because programs differ in whether they use its last or its first
    value. Only the second reading may have data.
    """
    try:
        values = _FIELDS.decode(fields)
        last = {
            name: msgspec.json.decode(value)
            for name, value in values.items()
            if name.lower() != "data" and len(value) <= _MAX_STATE_BYTES
        }
    except UNREADABLE_JSON:
        return [{}]
    names = {name.lower() for name in values}
    if len(fields) > _MAX_REPEATED_BYTES or fields.count(b":") == len(names):
        return [last]
    first = {
        name: value
        for name, value in _first_values(fields).items()
        if name in last or (name == "data" and value is not None)
    }
    if not first or (first == last and len(names) == len(values)):
        return [last]
    return [last, first]


def _first_values(fields: bytes) -> dict[str, Any]:
    """Return an object with the first value of each field that stands twice, or an empty one if Python refuses it."""
    objects = list[dict[str, Any]]()

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        objects.append(dict(reversed(pairs)))
        return dict(pairs)

    try:
        json.loads(fields, object_pairs_hook=read)
    except (ValueError, RecursionError):
        return {}
    return objects[-1]


def _says_else(kind: EventKind | None, state: str) -> bool:
    known = kind_of(state)
    if kind is EventKind.INTERMEDIATE:
        return known in _RESULTS
    if kind not in _RESULTS:
        return False
    result = known or _says(_words(state))
    return result in _RESULTS and result is not kind


def _says(words: str) -> EventKind | None:
    if _BAD.search(words):
        return EventKind.FAILED
    return EventKind.DELIVERED if _GOOD.search(words) else None


def _words(state: str) -> str:
    return _SEPARATORS.sub(" ", state.lower()).strip()
