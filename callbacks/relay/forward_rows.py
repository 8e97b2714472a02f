"""Writes the row that a forwarded report has, in the provider's format (docs/domain.md section 3)."""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from times_dispatch.provider.correlation_ids import bare_id
from times_dispatch.provider.reports.event_kinds import EventKind
from times_dispatch.provider.reports.reports import ReportEvent
from times_dispatch.unreadable_json import UNREADABLE_JSON

ForwardKind = Literal["reports", "clicks"]

MAX_TEXT: Final = 512
"""How many characters of a description, of a number or of a short link are kept."""

_KINDS: Final[dict[str, frozenset[EventKind]]] = {
    "reports": frozenset({EventKind.DELIVERED, EventKind.FAILED, EventKind.REPLIED}),
    "clicks": frozenset({EventKind.CLICKED}),
}


class _OtherFields(msgspec.Struct):
    """Fields of a posted row that the parser of reports does not read."""

    description: Any = None
    shorturl: Any = None
    toPhone: Any = None  # noqa: N815 - the provider's spelling


_OTHER_FIELDS: Final = msgspec.json.Decoder(_OtherFields)


class ForwardRows:
    """Writes rows of the kinds of reports that are forwarded."""

    def __init__(self, kinds: Iterable[ForwardKind]) -> None:
        self._kinds = frozenset[EventKind]().union(*(_KINDS[kind] for kind in kinds))

    def write(self, event: ReportEvent) -> bytes | None:
        """Return the row of an event about one of our messages as JSON; None for a kind that is not forwarded.

        The time has whole seconds, the id is written as we sent it, and a failure has its code as a text, however the
        provider wrote them. Fields that docs/domain.md does not name are left out.
        """
        if event.kind not in self._kinds:
            return None
        row: dict[str, Any] = {"ts": event.ts, "meta": bare_id(event.meta)}
        others = _read_others(event.row)
        if event.kind is EventKind.CLICKED:
            row["url"] = event.url
            _add_text(row, "shorturl", others.shorturl)
        elif event.kind is EventKind.REPLIED:
            _add_text(row, "toPhone", others.toPhone)
            row["incomingText"] = event.incoming_text
        else:
            if event.kind is EventKind.FAILED:
                row["code"] = str(event.code)
            _add_text(row, "description", others.description)
        return msgspec.json.encode(row)


def _read_others(row: msgspec.Raw) -> _OtherFields:
    try:
        return _OTHER_FIELDS.decode(row)
    except UNREADABLE_JSON:
        return _OtherFields()


def _add_text(row: dict[str, Any], name: str, value: object) -> None:
    if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        row[name] = str(value)[:MAX_TEXT]
