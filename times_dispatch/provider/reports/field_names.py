"""The names of a report's fields at gateways, in any case and with any separators."""

import re
from collections.abc import Mapping
from typing import Any, Final

_NAMES: Final = {
    "ts": (
        *("ts", "timestamp", "donedate", "donetime", "doneat", "deliverytime", "deliverydate", "deliverydatetime"),
        *("deliverytimestamp", "deliveredat", "deliveredon", "deliveredts", "deliveredtime", "eventtime", "eventts"),
        *("reporttime", "statustime", "statusdate", "messagetimestamp", "dlrtime", "dlrtimestamp", "eventtimestamp"),
    ),
    # Any of these fields may hold our id, because the signature proves the id.
    "meta": (
        *("meta", "corelationid", "correlationid", "clientref", "clientreference", "clientmessageid", "clientmsgid"),
        *("externalid", "callbackdata", "customid", "customerreference", "referenceid", "reference"),
    ),
    "code": ("code", "errorcode", "errcode", "err", "failurecode", "reasoncode", "failedcode", "dlrcode", "error"),
    "url": ("url",),
    "incomingText": ("incomingtext", "incomingmessage"),
}
"""The names of a row's fields in the form of ``plain_name``; the first field with a value counts."""
_EVENTS: Final = (
    "event",
    "eventtype",
    "eventname",
    "status",
    "state",
    "deliverystatus",
    "messagestatus",
    "dlrstatus",
    "stat",
    "smsstatus",
)
_STATE_ENDINGS: Final = ("event", "eventtype", "eventname", "status", "state", "stat", "statusname", "groupname")
"""The endings of the names of fields that hold an event or a state, in the form of ``plain_name``."""
_ROWS: Final = frozenset((*_NAMES["ts"], *_NAMES["meta"]))
_KNOWN: Final = frozenset((*_EVENTS, *(name for names in _NAMES.values() for name in names)))
_SEPARATORS: Final = re.compile(r"[\s_.-]+")
_MAX_NAME: Final = 200
"""The maximum length of a name that can be known; the search in a mebibyte would hold up all threads."""


def by_known_name(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the fields with known names, by Times Mobile's name of each field."""
    values = _by_plain_name(fields)
    known = {}
    for field, names in _NAMES.items():
        value = next((values[name] for name in names if values.get(name) not in (None, "")), None)
        if value is not None:
            known[field] = value
    return known


def event_name(fields: Mapping[str, Any]) -> str | None:
    """Return the name of the event in a report without groups: a text, the name in an object, or a number."""
    return next(iter(event_names(fields)), None)


def event_names(fields: Mapping[str, Any]) -> list[str]:
    """Return all names in a report that may name the event: the texts first, then the numbers."""
    values = _by_plain_name(fields)
    candidates = [name for value in map(values.get, _EVENTS) for name in _names_in(value)]
    texts = [value for value in candidates if isinstance(value, str)]
    return texts + [str(value) for value in candidates if isinstance(value, int) and not isinstance(value, bool)]


def is_state(name: str) -> bool:
    """Return whether a field of this name holds an event or a state of a message."""
    return plain_name(name).endswith(_STATE_ENDINGS)


def is_known(name: str) -> bool:
    """Return whether a field of this name holds the event, its time, its message or its reason."""
    return plain_name(name) in _KNOWN


def may_be_row(fields: Mapping[str, Any]) -> bool:
    """Return whether an object without the field ``data`` is itself a report: it has an id or a time.

    The wrapper of a group of reports may also have an id or a time; but a wrapper has an array of whole reports.
    """
    return not _ROWS.isdisjoint(_by_plain_name(fields)) and not any(map(_has_reports, fields.values()))


def _names_in(value: object) -> list[object]:
    """Return what names the event: the value itself, or in an object the name before the other states."""
    if not isinstance(value, dict):
        return [value]
    return [value.get("name"), *(each for name, each in value.items() if is_state(name))]


def _has_reports(value: object) -> bool:
    """Return whether a value is an array with an object that has an event, and either data or an id and a time."""
    return isinstance(value, list) and any(
        isinstance(each, dict)
        and event_name(each) is not None
        and ("data" in each or {"ts", "meta"} <= by_known_name(each).keys())
        for each in value
    )


def _by_plain_name(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {plain_name(name): value for name, value in fields.items()}


def plain_name(name: str) -> str:
    """Return the name of a field in small letters without separators; fields with equal results are the same.

    A very long name is returned unchanged: it is the name of no known field.
    """
    if len(name) > _MAX_NAME:
        return name
    return _SEPARATORS.sub("", name).lower()
