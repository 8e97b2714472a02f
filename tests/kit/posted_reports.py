"""Makes bodies of delivery reports as a provider posts them, and parses bodies of one row."""

import json

from times_dispatch.provider.reports.reports import ReportEvent, UnusableRow, parse

TS = 1435322805
META = "abcdefgh00000000" + "0123456789abcdef"


def body(event: object, *rows: object) -> bytes:
    return json.dumps([{"event": event, "data": list(rows)}]).encode()


def row(**fields: object) -> dict[str, object]:
    return {"ts": TS, "meta": META} | fields


def only_event(posted: bytes) -> ReportEvent:
    parsed = parse(posted)
    assert parsed.unusable == []
    (event,) = parsed.events
    return event


def only_unusable(posted: bytes) -> UnusableRow:
    parsed = parse(posted)
    assert parsed.events == []
    (unusable,) = parsed.unusable
    return unusable
