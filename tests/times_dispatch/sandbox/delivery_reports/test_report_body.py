import orjson

from times_dispatch.sandbox.delivery_reports import report_body
from times_dispatch.sandbox.delivery_reports.reports import Event, ReportRow


def test_a_body_groups_rows_by_event() -> None:
    rows = [
        ReportRow(Event.DELIVERED, "a"),
        ReportRow(Event.FAILED, "b", "901"),
        ReportRow(Event.DELIVERED, "c"),
        ReportRow(Event.REPLIED, "d"),
    ]
    body = orjson.loads(report_body.encode(rows, now_s=1_700_000_000))
    assert [(group["event"], [row["meta"] for row in group["data"]]) for group in body] == [
        ("delivered", ["a", "c"]),
        ("failed", ["b"]),
        ("replied", ["d"]),
    ]
    assert body[1]["data"][0]["code"] == "901"
    assert all(row["ts"] == 1_700_000_000 for group in body for row in group["data"])
    assert body[2]["data"][0]["incomingText"]


def test_odd_rows_come_in_every_odd_shape() -> None:
    odd = [ReportRow(Event.FAILED, meta, "901", odd=True) for meta in "ab"] + [ReportRow(Event.REPLIED, "c", odd=True)]
    body = orjson.loads(report_body.encode(odd, now_s=1_700_000_000))
    assert [group["event"] for group in body] == ["failed_dnd", "replied"]
    assert {row["ts"] for row in body[0]["data"]} == {"1700000000", 1_700_000_000_000}
    assert "incomingMessage" in body[1]["data"][0]
    assert isinstance(orjson.loads(report_body.encode(odd[:1], now_s=1)), dict)
