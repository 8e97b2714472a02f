"""Makes bodies of delivery reports as a provider posts them, and parses bodies of one row."""

import json

from times_dispatch.provider.reports.reports import RejectedRow, ReportEvent, parse

TS = 1435322805
META = "abcdefgh00000000" + "0123456789abcdef"


def body(event: object, *rows: object) -> bytes:
    return json.dumps([{"event": event, "data": list(rows)}]).encode()


def row(**fields: object) -> dict[str, object]:
    return {"ts": TS, "meta": META} | fields


def only_event(posted: bytes) -> ReportEvent:
    parsed = parse(posted)
    assert parsed.rejected == []
    (event,) = parsed.events
    return event


def only_rejected(posted: bytes) -> RejectedRow:
    parsed = parse(posted)
    assert parsed.events == []
    (rejected,) = parsed.rejected
    return rejected
