"""A lenient parser of posted delivery reports (docs/domain.md section 3)."""

import re
from typing import Annotated, Any, Final

import msgspec

from times_dispatch.provider.reports.codes import read_code
from times_dispatch.provider.reports.contradictions import (
    ContradictoryStates,
    group_contradicts,
    may_have_state,
    row_contradicts,
)
from times_dispatch.provider.reports.encoded_rows import event_in, rows_in_text
from times_dispatch.provider.reports.event_kinds import EventKind, is_outcome, is_report, kind_of, means_dnd
from times_dispatch.provider.reports.field_names import by_known_name, event_name, event_names, may_be_row
from times_dispatch.provider.reports.json_repair import repair_json
from times_dispatch.provider.reports.times import MIN_SMPP_S, epoch_s
from times_dispatch.unreadable_json import UNREADABLE_JSON

MAX_ROWS: Final = 20_000
"""The maximum number of rows of a body, which is more than the number of our reports that fit into the longest body."""
MAX_COMMAS: Final = 3 * MAX_ROWS
"""The maximum number of commas of a body, so that a body of tiny values is refused before it takes much memory."""
MAX_META: Final = 200
MAX_INCOMING_TEXT: Final = 512

_PLAIN_KINDS: Final = frozenset({EventKind.DELIVERED, EventKind.INTERMEDIATE})
"""The kinds of events for which only the time and the id are read."""
_VISITS: Final = frozenset({EventKind.CLICKED, EventKind.PREVIEWED, EventKind.SCANNED, EventKind.PROBED})
_VISIT: Final = re.compile("[0-9a-f]{16}-[0-9]{1,9}")


class ReportEvent(msgspec.Struct, frozen=True, gc=False):
    """One report about one message."""

    kind: EventKind
    ts: int
    """Epoch seconds, at least 0 and below 2**32."""
    meta: str
    """The correlation id of the push, or the id of another system's message: 1 to 200 characters."""
    prefix: bytes
    """The beginning of a body that holds only this row."""
    row: msgspec.Raw
    """The row's bytes, unchanged."""
    code: int = 0
    """The failure code: 1 to 65535, 900 if the row has no such number, 0 for other kinds of events."""
    code_text: str = ""
    """The first 40 characters of the code in the row."""
    url: str = ""
    link: int = 0
    """The number of the clicked link in the message, from 1; 0 if the report is not from our links process."""
    visit: str = ""
    """The id of a visit of a tracked link, which our links process writes; a foreign report may have one too."""
    incoming_text: str = ""
    """The first 512 characters of the reply."""

    @property
    def raw(self) -> bytes:
        """A body that contains only this row, with its bytes unchanged; ``parse`` reads the same event from it."""
        return _single_row_body(self.prefix, self.row)

    def __repr__(self) -> str:
        # The text leaves out fields that may contain a phone number or a text.
        return f"ReportEvent(kind={self.kind.value!r}, ts={self.ts}, meta={self.meta!r}, code={self.code})"


class UnusableRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that cannot be used, with the reason."""

    reason: str
    missing_fields: tuple[str, ...] = ()
    raw: bytes
    """A body that contains only this row, as in ReportEvent."""

    @property
    def is_contradictory(self) -> bool:
        """Return whether the states of the row contradict each other; no other reading of the row is certain either."""
        return self.reason == _CONTRADICTORY

    def __repr__(self) -> str:
        return f"UnusableRow(reason={self.reason!r}, missing_fields={self.missing_fields})"


class ParsedReports(msgspec.Struct, frozen=True):
    """The content of a body."""

    events: list[ReportEvent]
    unusable: list[UnusableRow]


class ReportsUnreadable(ValueError):
    """The body can never be read, even if the provider posts the body again."""


class _Unusable(Exception):
    """A row cannot be used, for this reason."""

    def __init__(self, reason: str, missing_fields: tuple[str, ...] = ()) -> None:
        self.reason = reason
        self.missing_fields = missing_fields


class _Group(msgspec.Struct):
    """One object of a posted body: an event, and in ``data`` the rows of the messages with this event."""

    event: msgspec.Raw = msgspec.Raw(b"null")
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Row(msgspec.Struct, gc=False):
    ts: Any = None
    meta: Any = None
    code: Any = None
    url: Any = None
    link: Any = None
    id: Any = None
    incomingText: Any = None  # noqa: N815 - the provider's spelling
    incomingMessage: Any = None  # noqa: N815 - the provider's spelling


class _PlainRow(_Row, kw_only=True):
    """A row whose time and id have the documented types."""

    ts: Annotated[int, msgspec.Meta(ge=0, lt=MIN_SMPP_S)]
    meta: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_META)]


_LINK_NUMBERS: Final = (1, 2, 3, 4, 5)
_EMPTY: Final = (None, "")
_MAX_EVENT_BYTES: Final = 200
"""The maximum length of an event's name in JSON."""
_MAX_ROW_BYTES: Final = 65_536
"""The maximum length of a row that is searched for fields with other names. No report is longer, and decoding an object
of a mebibyte would hold up all threads."""
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_PLAIN_ROWS: Final = msgspec.json.Decoder(list[_PlainRow])
_GROUP: Final = msgspec.json.Decoder(_Group)
_RAW_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAME: Final = msgspec.json.Decoder(str | int | float | None)
_ROW: Final = msgspec.json.Decoder(_Row)
_TOO_MANY_ROWS: Final = f"the body has more than {MAX_ROWS} rows"
_CONTRADICTORY: Final = "the states contradict each other"
_DEEP: Final = b"[" * 1_000
"""More nested arrays than any report has. The limit of msgspec depends on the version of Python."""
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A string of JSON; a string without an end matches to the end of the body, so that no search begins inside it."""
_UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)


def parse(body: bytes) -> ParsedReports:
    """Parse a posted body; raise ReportsUnreadable if the body is invalid JSON or empty, or has too many rows.

    A row that cannot be used is returned as an unusable row, and does not affect the other rows.
    """
    parsed = ParsedReports([], [])
    groups = _groups(body)
    row_count = len(groups)
    for group in groups:
        try:
            event, prefix, data, rows = _parse_group(group)
        except _Unusable as error:
            parsed.unusable.append(_unusable_row(error, b"[" + bytes(group) + b"]"))
            continue
        row_count += len(rows) - 1
        if row_count > MAX_ROWS:
            raise ReportsUnreadable(_TOO_MANY_ROWS)
        kind = kind_of(event)
        if kind in _PLAIN_KINDS and (plain := _plain(data)):
            parsed.events.extend(
                [
                    ReportEvent(kind, fields.ts, fields.meta, prefix, row)
                    for fields, row in zip(plain, rows, strict=True)
                ]
            )
            continue
        if kind is EventKind.FAILED and (plain := _plain(data)) and all(fields.code not in _EMPTY for fields in plain):
            is_dnd = means_dnd(event)
            parsed.events.extend(
                [
                    ReportEvent(kind, fields.ts, fields.meta, prefix, row, *read_code(fields.code, is_dnd=is_dnd))
                    for fields, row in zip(plain, rows, strict=True)
                ]
            )
            continue
        for row in rows:
            try:
                parsed.events.append(_read(event, kind, prefix, row))
            except _Unusable as error:
                parsed.unusable.append(_unusable_row(error, _single_row_body(prefix, row)))
    return parsed


def _single_row_body(prefix: bytes, row: msgspec.Raw) -> bytes:
    return prefix + bytes(row) + b"]}]"


def _unusable_row(error: _Unusable, raw: bytes) -> UnusableRow:
    return UnusableRow(reason=error.reason, missing_fields=error.missing_fields, raw=raw)


def _groups(body: bytes) -> list[msgspec.Raw]:
    if body.count(b",") > MAX_COMMAS:
        raise ReportsUnreadable(f"the body has more than {MAX_COMMAS} values")
    if _DEEP in body and _DEEP in _STRING.sub(b"", body):
        raise ReportsUnreadable("the body is nested too deeply")
    try:
        body.decode()  # msgspec does not check the encoding of strings that it skips
        groups = _decode_groups(body)
    except _UNREADABLE:
        groups = _decode_repaired(body)
    if not groups:
        raise ReportsUnreadable("the body is an empty array")
    if len(groups) > MAX_ROWS:
        raise ReportsUnreadable(_TOO_MANY_ROWS)
    return groups


def _decode_groups(body: bytes) -> list[msgspec.Raw]:
    match body.lstrip()[:1]:
        case b"[":
            return _LIST.decode(body)
        case b"{":
            return [msgspec.json.decode(body, type=msgspec.Raw)]
        case _:
            raise ReportsUnreadable("the body is neither an array nor an object")


def _decode_repaired(body: bytes) -> list[msgspec.Raw]:
    try:
        return _decode_groups(repair_json(body))
    except _UNREADABLE:
        raise ReportsUnreadable("the body is not a JSON array or object") from None


def _parse_group(group: msgspec.Raw) -> tuple[str, bytes, bytes, list[msgspec.Raw]]:
    """Return a group's event (empty without an event), the prefix of single-row bodies, the data and the rows."""
    try:
        fields = _GROUP.decode(group)
        event, data = bytes(fields.event), bytes(fields.data)
        if data == b"null":
            event, data = _by_case(group, event)
            fields.data = msgspec.Raw(data)
        if data == b"null":
            event, is_row = _row_without_data(group, event)
        if len(event) > _MAX_EVENT_BYTES:
            raise _Unusable("the event's name is too long")  # the name is repeated in the body of each row
        if event.startswith((b"{", b"[")):
            event = event_in(event)
        name = "" if (value := _NAME.decode(event)) is None else str(value)
        if data != b"null" and group_contradicts(name, bytes(group), data):
            raise _Unusable(_CONTRADICTORY)
        if data.startswith(b'"'):
            data, fields.data = rows_in_text(fields.data)
        rows = _LIST.decode(data) if data.startswith(b"[") else [fields.data]
    except ContradictoryStates:
        raise _Unusable(_CONTRADICTORY) from None
    except UNREADABLE_JSON:
        raise _Unusable("not an object with an event's name and its data") from None
    prefix = b'[{"event":' + event + b',"data":['
    if data == b"null":
        if not is_row:
            raise _Unusable("fields are missing", ("data",) if name else ("event", "data"))
        rows = [group]
    return name, prefix, data, rows


def _by_case(group: msgspec.Raw, event: bytes) -> tuple[bytes, bytes]:
    """Return the event and the data of a group whose field names are in another case."""
    fields = {name.lower(): bytes(value) for name, value in _RAW_FIELDS.decode(group).items()}
    return fields.get("event", event), fields.get("data", b"null")


def _row_without_data(group: msgspec.Raw, event: bytes) -> tuple[bytes, bool]:
    """Return the event of a group without data, and whether the group is itself a row, with an id or a time."""
    if len(group) > _MAX_ROW_BYTES:
        return event, False
    fields = msgspec.json.decode(group)
    is_row = may_be_row(fields)
    if is_row and event == b"null":
        event = msgspec.json.encode(event_name(fields))
    return event, is_row


def _plain(data: bytes) -> list[_PlainRow]:
    """Decode all rows in one call, at a third of the cost; return an empty list if one row is not plain.

    A row with a state of its own is not plain, because the state may contradict the event.
    """
    if may_have_state(data):
        return []
    try:
        return _PLAIN_ROWS.decode(data)
    except UNREADABLE_JSON:
        return []


def _read(event: str, kind: EventKind | None, prefix: bytes, row: msgspec.Raw) -> ReportEvent:
    try:
        if bytes(row).startswith(b'"'):
            row = rows_in_text(row)[1]
        fields = _ROW.decode(row)
    except UNREADABLE_JSON:
        raise _Unusable("the row is not an object, or holds a number out of bounds") from None
    if kind is None and is_report(event):
        event = _outcome(row) or event
        kind = kind_of(event)
    if _missing(event, kind, fields) or (kind is EventKind.FAILED and fields.code in _EMPTY):
        fields = _by_other_names(fields, row)
        if missing := _missing(event, kind, fields):
            raise _Unusable("fields are missing", tuple(missing))
    if kind is None:
        raise _Unusable("the event is unknown")
    if row_contradicts(kind, bytes(row)):
        raise _Unusable(_CONTRADICTORY)
    code, code_text = read_code(fields.code, is_dnd=means_dnd(event)) if kind is EventKind.FAILED else (0, "")
    return ReportEvent(
        kind=kind,
        ts=_epoch_s(fields.ts),
        meta=_text("meta", fields.meta, MAX_META),
        prefix=prefix,
        row=row,
        code=code,
        code_text=code_text,
        url=_text("url", fields.url) if kind is EventKind.CLICKED else "",
        link=fields.link if kind is EventKind.CLICKED and fields.link in _LINK_NUMBERS else 0,
        visit=fields.id if kind in _VISITS and isinstance(fields.id, str) and _VISIT.fullmatch(fields.id) else "",
        incoming_text=_incoming(fields)[:MAX_INCOMING_TEXT] if kind is EventKind.REPLIED else "",
    )


def _outcome(row: msgspec.Raw) -> str:
    """Return the status of a row whose event means only "report"; empty if the row has different statuses."""
    if len(row) > _MAX_ROW_BYTES:
        return ""
    try:
        names = event_names(msgspec.json.decode(row))
    except UNREADABLE_JSON:
        return ""
    outcomes = [name for name in names if not is_report(name)]
    return outcomes[0] if len(set(map(kind_of, outcomes))) == 1 and is_outcome(outcomes[0]) else ""


def _by_other_names(fields: _Row, row: msgspec.Raw) -> _Row:
    """Return the fields of a row; missing fields are filled from fields with other names."""
    if len(row) > _MAX_ROW_BYTES:
        return fields
    try:
        others = by_known_name(msgspec.json.decode(row))
    except UNREADABLE_JSON:
        return fields
    for field, value in others.items():
        if getattr(fields, field) in _EMPTY:
            setattr(fields, field, value)
    return fields


def _missing(event: str, kind: EventKind | None, fields: _Row) -> list[str]:
    missing = []
    if not event:
        missing.append("event")
    if fields.ts is None or fields.ts == "":
        missing.append("ts")
    if fields.meta is None or fields.meta == "":
        missing.append("meta")
    if kind is EventKind.CLICKED and (fields.url is None or fields.url == ""):
        missing.append("url")
    if kind is EventKind.REPLIED and fields.incomingText is None and fields.incomingMessage is None:
        missing.append("incomingText")
    return missing


def _epoch_s(ts: object) -> int:
    seconds = epoch_s(ts)
    if seconds is None:
        raise _Unusable("ts is not a time in epoch seconds")
    return seconds


def _text(name: str, value: object, max_length: int | None = None) -> str:
    if not isinstance(value, str):
        raise _Unusable(f"{name} is not a text")
    if max_length is not None and len(value) > max_length:
        raise _Unusable(f"{name} is longer than {max_length} characters")
    return value


def _incoming(fields: _Row) -> str:
    text = fields.incomingMessage if fields.incomingText is None else fields.incomingText
    return str(text) if type(text) is int else _text("incomingText", text)  # a reply such as 1
