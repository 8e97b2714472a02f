"""Finds states in a report that contradict the report's event, because such a report must not be applied."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from times_dispatch.provider.reports.event_kinds import EventKind, is_report, kind_of
from times_dispatch.provider.reports.field_names import event_names, plain_name
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
_MAX_STATE_BYTES: Final = 200
_MAX_REPEATED_BYTES: Final = 65_536
"""The maximum length of an object that is searched for states that a field of the same name follows."""
_NAME_ENDS: Final = re.compile(rb'"\s*:')
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


def row_contradicts(kind: EventKind | None, row: bytes) -> bool:
    """Return whether a field of an undecoded row contradicts the row's event."""
    return may_have_state(row) and _contradicts(kind, row)


def group_contradicts(event: str, group: bytes, data: bytes) -> bool:
    """Return whether a field beside the event and the data of an undecoded group contradicts the event."""
    around = group.replace(data, b"null", 1)
    # One word is the event itself.
    return _count_words(around) > 1 and _contradicts(kind_of(event), around)


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


def _contradicts(kind: EventKind | None, fields: bytes) -> bool:
    try:
        values = _FIELDS.decode(fields)
        if contradict(kind, event_names(_short(values))):
            return True
    except UNREADABLE_JSON:
        return False
    # A name that ends within a text, or in an object below, looks like a repeated one; then nothing is found.
    if len(_NAME_ENDS.findall(fields)) == len(set(map(plain_name, values))) or len(fields) > _MAX_REPEATED_BYTES:
        return False
    return any(_is_other_event(kind, state) for state in _overwritten_states(fields))


def _short(values: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    """Return the short fields of an object but its data: decoding a mebibyte would hold up all threads."""
    return {
        name: msgspec.json.decode(value)
        for name, value in values.items()
        if name.lower() != "data" and len(value) <= _MAX_STATE_BYTES
    }


def _overwritten_states(fields: bytes) -> list[str]:
    """Return the states of an object that a field of the same name follows; programs differ in which of them counts."""
    outermost = list[tuple[str, Any]]()

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        outermost[:] = pairs
        return dict(pairs)

    try:
        json.loads(fields, object_pairs_hook=read, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return []
    names = [plain_name(name) for name, _ in outermost]
    last = {name: index for index, name in enumerate(names)}
    return [
        state
        for index, (name, value) in enumerate(outermost)
        if last[names[index]] != index
        for state in event_names({name: value})
        if len(state) <= _MAX_STATE_BYTES
    ]


def _is_other_event(kind: EventKind | None, state: str) -> bool:
    """Return whether an overwritten state says something else; progress before the result does not."""
    return kind_of(state) not in {None, EventKind.INTERMEDIATE, kind} or _says_else(kind, state)


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
