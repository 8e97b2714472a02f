"""The body of a POST of delivery reports, in the formats of docs/domain.md section 3."""

from collections.abc import Sequence

import orjson

from times_dispatch.sandbox.delivery_reports.reports import Event, ReportRow

_DESCRIPTIONS = {Event.DELIVERED: "Delivered to handset", Event.FAILED: "Not delivered"}
_REPLIES = ("STOP", "YES", "धन्यवाद", "x" * 600)
"""The texts of replies; the last text is longer than the 512 characters that the receiver stores."""


def encode(rows: Sequence[ReportRow], *, now_s: int) -> bytes:
    """Return ``rows`` grouped by event; a single odd row becomes an object instead of an array."""
    groups: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        is_dnd = row.odd and row.event is Event.FAILED and row.code == "901"
        groups.setdefault("failed_dnd" if is_dnd else row.event, []).append(_data(row, now_s))
    events = [{"event": event, "data": data} for event, data in groups.items()]
    if len(rows) == 1 and rows[0].odd:
        return orjson.dumps(events[0])
    return orjson.dumps(events)


def _data(row: ReportRow, now_s: int) -> dict[str, object]:
    data: dict[str, object] = {"ts": now_s, "meta": row.meta}
    variant = sum(row.meta.encode()) if row.odd else 0
    if row.odd:
        data["ts"] = str(now_s) if variant % 2 else now_s * 1000
    match row.event:
        case Event.FAILED:
            data["code"] = row.code
        case Event.CLICKED:
            data["url"] = "https://example.com/offer"
            data["shorturl"] = "https://exa.mp/" + row.meta[:6]
        case Event.REPLIED:
            data["toPhone"] = "5555"
            data["incomingMessage" if row.odd else "incomingText"] = _REPLIES[sum(row.meta.encode()) % len(_REPLIES)]
        case Event.DELIVERED:
            pass
    if row.event in _DESCRIPTIONS:
        data["description"] = _DESCRIPTIONS[row.event]
    return data
