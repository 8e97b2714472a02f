import json
import time
from typing import Any

import pytest

from tests.kit.growth import superlinear
from times_dispatch.provider.reports.reports import parse

ROW: dict[str, Any] = {"ts": 1435322805, "meta": "m"}
FAILED_ROW = {**ROW, "code": "912"}
CONTRADICTORY: list[dict[str, Any]] = [
    *(
        {"event": event, "data": [FAILED_ROW]}
        for event in (
            {"name": "delivered", "status": "delvery failed"},
            {"name": "delvery failed", "status": "delivered"},
            {"name": "delivered", "status": "failed"},
            {"name": "delivered", "state": "gone"},
            {"name": "failed", "status": "success"},
            ["delivered", "delvery failed"],
        )
    ),
    {"event": {"name": "delivered", "status": "delvery failed"}, **ROW},
    {"event": "delivered", "data": [{**ROW, "status": "FAILED"}]},
    {"event": "delivered", "data": [{**ROW, "Delivery Status": "delvery failed"}]},
    {"event": "delivered", "data": [{**ROW, "event": "failed"}]},
    {"event": "failed", "data": [{**FAILED_ROW, "status": "DELIVRD"}]},
    {"event": "failed", "data": [{**FAILED_ROW, "status": "Delivered to handset"}]},
    {"event": "delivered", "status": "failed", "data": [ROW]},
    {"event": "delivered", "EVENT": "failed", "data": [ROW]},
    {"event": "delivered", "status": "Not delivered", **ROW},
    {"event": "sent", "status": "FAILED", **ROW},
    {"status": "DELIVRD", "state": "FAILED", **ROW},
    {"status": {"name": "DELIVRD", "groupName": "UNDELIVERABLE"}, **ROW},
]


@pytest.mark.parametrize("group", CONTRADICTORY, ids=json.dumps)
def test_a_report_whose_states_contradict_each_other_is_not_applied(group: dict[str, Any]) -> None:
    parsed = parse(json.dumps([group]).encode())

    assert parsed.events == []
    [row] = parsed.unusable
    assert row.missing_fields == ()
    assert parse(row.raw).events == []  # also when a person posts the dead letter again


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ({"event": {"name": "delivered", "status": "DELIVRD"}, "data": [ROW]}, "delivered"),
        ({"event": {"name": "delivered", "status": "success"}, "data": [ROW]}, "delivered"),
        ({"event": {"name": "delivered", "status": "0"}, "data": [ROW]}, "delivered"),
        ({"event": {"name": "delivered", "type": "sms"}, "data": [ROW]}, "delivered"),
        ({"event": {"name": "dlr", "status": "delivered"}, "data": [ROW]}, "delivered"),
        ({"event": {"name": "failed", "status": "undelivered"}, "data": [FAILED_ROW]}, "failed"),
        ({"event": "delivered", "data": [{**ROW, "status": "DELIVRD"}]}, "delivered"),
        ({"event": "delivered", "data": [{**ROW, "state": "Maharashtra"}]}, "delivered"),
        ({"event": "delivered", "data": [{**ROW, "status": "SUBMIT_ACCEPTED"}]}, "delivered"),
        ({"event": "delivered", "data": [{**ROW, "status": "no error", "statusCode": 200}]}, "delivered"),
        ({"event": "delivered", "data": [{**ROW, "description": "status failed"}]}, "delivered"),
        ({"event": "failed", "data": [{**FAILED_ROW, "status": "UNDELIV"}]}, "failed"),
        ({"event": "failed", "data": [{**FAILED_ROW, "status": "could not be delivered"}]}, "failed"),
        ({"event": "failed", "data": [{**FAILED_ROW, "status": "delivery report"}]}, "failed"),
        ({"event": "delivered", "status": "success", "data": [ROW]}, "delivered"),
        ({"event": "clicked", "status": "failed", "url": "u", **ROW}, "clicked"),
    ],
)
def test_other_states_do_not_matter(group: dict[str, Any], kind: str) -> None:
    parsed = parse(json.dumps([group]).encode())

    assert (parsed.unusable, [event.kind for event in parsed.events]) == ([], [kind])


def test_only_the_row_with_a_contradiction_is_not_applied() -> None:
    rows = [{**ROW, "status": "EXPIRED"}, {**ROW, "status": "DELIVRD"}, ROW]
    parsed = parse(json.dumps([{"event": "delivered", "data": rows}]).encode())

    assert (len(parsed.unusable), len(parsed.events)) == (1, 2)


_TIME = '"ts":1435322805'
_ROW = f'{{{_TIME},"meta":"m"}}'


@pytest.mark.parametrize(
    "report",
    [
        f'{{"event":"delivered","event":"failed","data":[{_ROW}]}}',
        f'{{"event":"failed","event":"delivered","data":[{_ROW}]}}',
        f'{{"event":"delivered","event":"failed","event":"delivered","data":[{_ROW}]}}',
        f'{{"event":"delivered","event":"clicked",{_TIME},"meta":"m","url":"u"}}',
        f'{{"event":"delivered","event":"sent","data":[{_ROW}]}}',
        f'{{"event":"dlr","data":[{{{_TIME},"meta":"m","status":"DELIVRD","status":"UNDELIV"}}]}}',
        f'{{{_TIME},"meta":"m","status":"delivered","Status":"failed"}}',
        f'{{{_TIME},"meta":"m","status":"failed","status":"delivered","x":{"9" * 4_000}}}',
    ],
)
def test_two_events_in_fields_of_one_name_are_a_contradiction(report: str) -> None:
    parsed = parse(report.encode())

    assert parsed.events == []
    [row] = parsed.unusable
    assert (row.reason, row.is_contradictory) == ("the states contradict each other", True)
    assert parse(row.raw).events == []


@pytest.mark.parametrize(
    "report",
    [
        f'{{"event":"delivered","event":"DELIVRD","data":[{_ROW}]}}',
        f'{{"event":"sent","event":"delivered","data":[{_ROW}]}}',
        f'{{"event":"delivered","data":[{{{_TIME},"meta":"m","status":"queued","status":"delivered"}}]}}',
        f'{{"event":"delivered","data":[{{{_TIME},"meta":"m","note":"failed","note":"status"}}]}}',
        f'{{"event":"delivered","request":{{"status":"","data":[{_ROW}]}},"data":[{_ROW}]}}',
        f'{{"event":"delivered","status":"DELIVRD","x":[{_ROW}],"at":"10:30","data":[{_ROW}]}}',
        f'{{{_TIME},"meta":"m","status":"delivered","Status":"DELIVRD"}}',
        f'{{{_TIME},"meta":"m","status":"{"failed " * 9_000}","status":"delivered"}}',
    ],
)
def test_fields_of_one_name_that_do_not_contradict_each_other_do_not_matter(report: str) -> None:
    parsed = parse(report.encode())

    assert (parsed.unusable, [(event.kind, event.meta) for event in parsed.events]) == ([], [("delivered", "m")])


def test_many_fields_beside_one_that_stands_twice_take_time_in_proportion_to_their_number() -> None:
    def cpu_s(length: int) -> float:
        fields = ",".join(f'"a{index}":1' for index in range(length // 10))
        body = f'{{"event":"delivered","data":[{{{_TIME},"meta":"m","status":"DELIVRD",{fields},"a1":2}}]}}'.encode()
        began_s = time.process_time()
        assert len(parse(body).events) == 1
        return time.process_time() - began_s

    assert superlinear(cpu_s, 30_000) == ""
