"""Bodies of delivery reports in the forms of other gateways, languages and middleware, posted over a real socket."""

import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from redis.asyncio import Redis

from callbacks.dead_letters import DeadLetters
from tests.kit.callbacks import ID_KEY, NOW_S, posted, row
from tests.kit.receiver import PATH, classified
from times_dispatch.provider.correlation_ids import CorrelationIds

IDS = CorrelationIds(ID_KEY.encode())
META, OTHER = IDS.make("abcdefgh", 7), IDS.make("abcdefgh", 8)
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
UTC, INDIA = "2026-11-21T22:26:40", "2026-11-22 03:56:40"
REPORT = {"event": "delivered", "ts": NOW_S, "meta": META}
SECOND = {"event": "failed", "code": "912", "ts": NOW_S, "meta": OTHER}
GROUP = posted("delivered", row(META))[1:-1].decode()
DELIVERED, FAILED = ("delivered", 7, 0), ("failed", 8, 912)


async def reports_in(redis: Redis, http: httpx.AsyncClient, content: Any, content_type: str = JSON) -> list[Any]:
    body = content if isinstance(content, str | bytes) else json.dumps(content)
    response = await http.post(PATH, content=body, headers={"content-type": content_type})
    assert response.status_code == 200, response.text
    reports = (await classified(redis)).reports
    assert {report.ts for report in reports} <= {NOW_S}
    return [(report.kind, report.index, report.code) for report in reports]


WRAPPINGS: dict[str, tuple[Any, str]] = {
    "an event that says only that this is a report": (
        [
            {"event": "dlr", "status": "DELIVRD", "ts": NOW_S, "meta": META},
            {**SECOND, "event": "DLR", "state": "UNDELIV"},
        ],
        JSON,
    ),
    "rows of an event that says only that this is a report": (
        [{"event": "message_status", "data": [{**REPORT, "event": "delivered"}, {**SECOND, "event": "failed"}]}],
        JSON,
    ),
    "rows in a text in a text": (
        [{"event": "delivered", "data": json.dumps(json.dumps([row(META)]))}, SECOND],
        JSON,
    ),
    "rows in a text with one escape too many": (
        [{"event": "delivered", "data": json.dumps([row(META)]).replace('"', '\\"')}, SECOND],
        JSON,
    ),
    "each row a text": ([{"event": "delivered", "data": [json.dumps(row(META))]}, SECOND], JSON),
    "single quotes of Python": (repr([{**REPORT, "x": None, "y": "it's"}, SECOND]), JSON),
    "single quotes around the body": (f"'{json.dumps([REPORT, SECOND])}'", JSON),
    "single quotes around a field": (urlencode({"response": f"'{json.dumps([REPORT, SECOND])}'"}), FORM),
    "lines of JSON in a field": (urlencode({"file": f"{json.dumps(REPORT)}\n{json.dumps(SECOND)}\n"}), FORM),
    "lines of JSON in a part": (
        (
            '--B\r\nContent-Disposition: form-data; name="file"; filename="a.ndjson"\r\n\r\n'
            f"{json.dumps(REPORT)}\n{json.dumps(SECOND)}\r\n--B--\r\n"
        ),
        "multipart/form-data; boundary=B",
    ),
    "an event that is an object": ([{**REPORT, "event": {"name": "delivered", "id": 5}}, SECOND], JSON),
    "an event that is an array": ([{"event": ["delivered"], "data": [row(META)]}, SECOND], JSON),
    "a misspelt state": ([{**REPORT, "event": "DELIVRED"}, {**SECOND, "event": "FAILD"}], JSON),
    "seconds in an object": (
        [{**REPORT, "ts": {"seconds": NOW_S, "nanos": 5}}, {**SECOND, "ts": {"_seconds": NOW_S}}],
        JSON,
    ),
    "a time in a named zone": ([{**REPORT, "ts": f"{INDIA} Asia/Kolkata"}, {**SECOND, "ts": f"{INDIA} IST"}], JSON),
    "an object around an object": ({"a": {"b": [REPORT, SECOND]}}, JSON),
    "beside other objects": ({"reports": [REPORT, SECOND], "meta": {"page": 1}, "links": ["x"]}, JSON),
    "an array of arrays": ([[REPORT], [SECOND]], JSON),
    "an array of texts": ([json.dumps(REPORT), json.dumps(SECOND)], JSON),
    "a text in a text in a text": (json.dumps(json.dumps(json.dumps([REPORT, SECOND]))), JSON),
    "the event in each row": ([{"data": [REPORT, SECOND]}], JSON),
    "groups without the outer array": (f"{GROUP},{json.dumps(SECOND)}", JSON),
    "two arrays": (f"[{GROUP}][{json.dumps(SECOND)}]", JSON),
    "two arrays on lines": (f"[{GROUP}]\r\n[{json.dumps(SECOND)}]\r\n", "application/x-ndjson"),
    "a sequence of RFC 7464": (f"\x1e{json.dumps(REPORT)}\n\x1e{json.dumps(SECOND)}\n", "application/json-seq"),
    "objects by index, as PHP writes arrays": ({"0": REPORT, "1": SECOND}, JSON),
    "an envelope of a queue": ({"Records": [{"body": json.dumps(REPORT)}, {"body": json.dumps(SECOND)}]}, JSON),
    "an envelope of a topic": ({"Type": "Notification", "Message": json.dumps([REPORT, SECOND])}, JSON),
    "an event of a cloud": ({"specversion": "1.0", "id": "1", "data": {"reports": [REPORT, SECOND]}}, JSON),
    "an answer of SOAP in JSON": ({"Envelope": {"Body": {"Reports": {"Report": [REPORT, SECOND]}}}}, JSON),
    "UTF-16 without a byte order mark": (json.dumps([REPORT, SECOND]).encode("utf-16-le"), JSON),
    "UTF-32": (json.dumps([REPORT, SECOND]).encode("utf-32"), JSON),
    "a comma after the last report": (f"[{json.dumps(REPORT)},\n{json.dumps(SECOND)},\n]\n", JSON),
    "commas after the last fields": (json.dumps([REPORT, SECOND]).replace("}", ",}"), JSON),
    "the end of a file of DOS": (json.dumps([REPORT, SECOND]) + "\x1a", JSON),
    "a form in which the document is escaped twice": (
        urlencode({"response": json.dumps([REPORT, SECOND]).replace('"', '\\"')}),
        FORM,
    ),
    "an escape that JSON does not have": (
        json.dumps([{**REPORT, "description": "Z"}, SECOND]).replace("Z", r"Couldn\'t reach C:\x"),
        JSON,
    ),
    "a form of nested fields": (
        urlencode({f"e[{n}][{key}]": value for n, one in enumerate((REPORT, SECOND)) for key, value in one.items()}),
        FORM,
    ),
    "a form of one nested object": (
        "&".join(f"body[reports][{n}]={json.dumps(one)}" for n, one in enumerate((REPORT, SECOND))),
        FORM,
    ),
}


@pytest.mark.parametrize("name", WRAPPINGS)
async def test_reports_are_found_in_the_wrappings_of_other_programs(
    redis: Redis, http: httpx.AsyncClient, name: str
) -> None:
    assert await reports_in(redis, http, *WRAPPINGS[name]) == [DELIVERED, FAILED]


FIELDS: dict[str, tuple[Any, str]] = {
    "hyphens": ({"event-type": "delivered", "time-stamp": f"{UTC}Z", "correlation-id": META}, JSON),
    "blanks around": ({"Event ": "delivered", " ts": NOW_S, "meta ": META}, JSON),
    "headings": ({"Delivery Status": "Delivered", "Delivered At": f"{UTC}Z", "Correlation Id": META}, JSON),
    "a status with a name": ({"status": {"id": 5, "name": "DELIVERED_TO_HANDSET"}, "ts": NOW_S, "meta": META}, JSON),
    "field names of one gateway": (
        [{"messageId": "0A", "status": "delivered", "err-code": "0", "client-ref": META, "message-timestamp": INDIA}],
        JSON,
    ),
    "field names of a second gateway": (
        {"results": [{"doneAt": f"{UTC}.000+0000", "callbackData": META, "status": {"name": "DELIVERED_TO_HANDSET"}}]},
        JSON,
    ),
    "field names of a third gateway": (
        urlencode({"externalId": META, "deliveredTS": NOW_S * 1000, "status": "DELIVRD"}),
        FORM,
    ),
    "field names of a fourth gateway": (
        urlencode({"MessageStatus": "delivered", "clientReference": META, "ts": NOW_S}),
        FORM,
    ),
    "a form in UTF-16": (urlencode(REPORT).encode("utf-16"), FORM),
    "a receipt of SMPP": (
        urlencode({"stat": "DELIVRD", "corelationid": META, "done_date": "261122035640", "err": "000"}),
        FORM,
    ),
    "semicolons": (f"event=delivered;ts={NOW_S};meta={META}", FORM),
    "a byte order mark": ("\ufeff" + urlencode(REPORT), FORM),
    "rows by index": (
        f"event=delivered&data[0][ts]={NOW_S}&data[0][meta]={META}",
        FORM,
    ),
    "rows by index in JSON": ([{"event": "delivered", "data": {"0": row(META)}}], JSON),
}


@pytest.mark.parametrize("name", ["response[{}][{}]", "{}[{}]", "data[rows][{}][{}]"])
async def test_a_form_of_nested_fields_holds_as_many_reports_as_json(
    redis: Redis, http: httpx.AsyncClient, name: str
) -> None:
    reports = [REPORT, SECOND] + [
        {"event": "delivered", "ts": NOW_S, "meta": f"another system's {n}"} for n in range(998)
    ]
    fields = {name.format(n, key): value for n, one in enumerate(reports) for key, value in one.items()}
    response = await http.post(PATH, content=urlencode(fields), headers={"content-type": FORM})
    assert response.json()["data"]["processed_events"] == 1000


@pytest.mark.parametrize("name", FIELDS)
async def test_fields_are_known_by_the_names_of_other_gateways(
    redis: Redis, http: httpx.AsyncClient, name: str
) -> None:
    assert await reports_in(redis, http, *FIELDS[name]) == [DELIVERED]


@pytest.mark.parametrize(
    "fields",
    [
        {"code": 912},
        {"code": 912.0},
        {"code": " 912 "},
        {"code": "00912"},
        {"code": "00000912"},
        {"code": "912.00"},
        {"code": "'912'"},
        {"code": "err:912"},
        {"code": "Error: 0912"},
        {"code": "912.0"},
        {"code": "912 - inbox full"},
        {"code": "912:INBOX_FULL"},
        {"code": "912 (inbox full)"},
        {"errCode": "912"},
        {"err-code": 912},
        {"error_code": "912"},
        {"ERRORCODE": "912"},
        {"Code": "912"},
        {"failure_code": "912", "code": ""},
    ],
    ids=str,
)
async def test_the_code_of_a_failure_is_read(redis: Redis, http: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    body = [{"event": "failed", "data": [row(META, code="910"), row(OTHER, **fields)]}]
    assert await reports_in(redis, http, body) == [("failed", 7, 910), FAILED]


@pytest.mark.parametrize(
    "code", ["000", 0, "0", "0 - no error", "", None, "E912", "0x390", "912-5", "inbox full", [912], {"id": 912}, True]
)
async def test_a_code_that_is_not_certain_is_900(redis: Redis, http: httpx.AsyncClient, code: Any) -> None:
    assert await reports_in(redis, http, posted("failed", row(META, code=code))) == [("failed", 7, 900)]


@pytest.mark.parametrize(
    ("event", "kind", "code"),
    [
        *[(word, "delivered", 0) for word in ("Delivered to handset.", "DELIVERED\n", "delivered.to.phone")],
        *[(word, "failed", 900) for word in ("Not Delivered To Handset", "un-delivered", "Un Delivered")],
        *[(word, "failed", 900) for word in ("UnDelivered", "DISCARDED", "blocked-by-carrier")],
        *[(word, "failed", 900) for word in ("DeliveryFailed", "deliveryFailure", "permanently_failed")],
        *[(word, "failed", 900) for word in ("Rejected by operator", "REJECTED_BY_DLT")],
        *[(word, "failed", 901) for word in ("NDNC REJECTED", "DND_NUMBER", "Dnd-Fail", "blocked by dnd")],
        *[(word, "intermediate", 0) for word in ("Submitted to operator", "SENT_TO_SMSC", "delivered to network")],
    ],
)  # fmt: skip
async def test_more_words_of_events_are_read(
    redis: Redis, http: httpx.AsyncClient, event: str, kind: str, code: int
) -> None:
    assert await reports_in(redis, http, posted(event, row(META))) == [(kind, 7, code)]


@pytest.mark.parametrize(
    "ts",
    [
        "20261122T035640",
        "20261121T222640Z",
        "20261122T035640+0530",
        f"{INDIA} AM",
        "22-Nov-26 03:56:40",
        "22-Nov-2026 3:56:40 AM",
        "22 November 2026, 03:56:40",
        "Nov 22, 2026 3:56:40 AM",
        "Nov 22, 2026, 3:56:40 AM",
        "Sun Nov 22 03:56:40 IST 2026",
        "Sat Nov 21 22:26:40 UTC 2026",
        "Sun Nov 22 03:56:40 2026",
        "Sun Nov 22 2026 03:56:40 GMT+0530 (India Standard Time)",
        "2026-11-22T03:56:40+05:30[Asia/Kolkata]",
        f"/Date({NOW_S}000)/",
        f"/Date({NOW_S}000+0530)/",
        {"$date": f"{UTC}.000Z"},
        {"$date": NOW_S * 1000},
        f'"{NOW_S}"',
        NOW_S + 0.75,
        f"{NOW_S}.75",
        f" {NOW_S} ",
    ],
    ids=str,
)
async def test_more_forms_of_times_are_read(redis: Redis, http: httpx.AsyncClient, ts: Any) -> None:
    assert await reports_in(redis, http, posted("delivered", {"ts": ts, "meta": META})) == [DELIVERED]


@pytest.mark.parametrize(
    "content",
    [
        posted("read", row(META)),
        posted("opened", row(META)),
        posted("delivered?", row(META)),
        posted("absent subscriber", row(META)),
        [{"event": 1, "data": [row(META)]}],
        {"status": 0, "ts": NOW_S, "meta": META},
        posted("delivered", {"ts": "05/11/2026 03:56:40", "meta": META}),
        posted("delivered", {"ts": "05-06-2026 10:30", "meta": META}),
        posted("delivered", {"ts": "22-Nov-2026 13:56:40 PM", "meta": META}),
        posted("delivered", {"ts": "22-Foo-2026 03:56:40", "meta": META}),
        posted("delivered", {"ts": "2026-W47-7T03:56:40", "meta": META}),
        posted("delivered", {"ts": -5, "meta": META}),
        posted("delivered", {"ts": True, "meta": META}),
        posted("delivered", {"ts": {"$date": [1]}, "meta": META}),
        posted("delivered", {"ts": NOW_S, "meta": 123}),
        posted("delivered", {"ts": NOW_S, "meta": [META]}),
        posted("delivered", {"ts": NOW_S, "meta": f"{META}-1"}),
        [{"event": {"name": "delivered", "status": "delvery failed"}, "data": [row(META)]}],
        {"event": {"name": "delivered", "status": "delvery failed"}, "ts": NOW_S, "meta": META},
        posted("delivered", {**row(META), "status": "FAILED"}),
        {"status": "DELIVRD", "state": "FAILED", "ts": NOW_S, "meta": META},
    ],
    ids=str,
)
async def test_a_report_that_is_not_certain_is_kept_and_not_applied(
    redis: Redis, http: httpx.AsyncClient, content: Any
) -> None:
    assert await reports_in(redis, http, content) == []
    assert len((await classified(redis)).dead_letters) == 1


@pytest.mark.parametrize(
    "body",
    [
        f"id:{META} sub:001 dlvrd:001 submit date:2611220350 done date:2611220356 stat:DELIVRD err:000 text:Hi",
        f'<reports><report event="delivered" ts="{NOW_S}" meta="{META}"/></reports>',
        f"event,ts,meta\ndelivered,{NOW_S},{META}\n",
        f"event: delivered\nts: {NOW_S}\nmeta: {META}\n",
        f"/* report */[{GROUP}]",
        f"callback([{GROUP}])",
        f"[{GROUP}",
        f"[{GROUP}] and more",
        f"[{GROUP}]5",
    ],
)
async def test_a_document_that_is_no_json_gets_400_and_is_kept_whole(
    redis: Redis, http: httpx.AsyncClient, body: str
) -> None:
    response = await http.post(PATH, content=body)

    assert (response.status_code, response.json()["details"]["missing_fields"]) == (400, [])
    (kept,) = await DeadLetters(redis).oldest()
    assert kept.body == body.encode()


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        ({"reports": [{"event": "delivered", "ts": NOW_S}]}, ["data", "event"]),
        ([{"senderId": "TIMESM", "report": [{"date": INDIA, "status": "1"}]}], ["data", "event"]),
        ([{"event": "delivered", "data": {"0": {"ts": NOW_S}}}], ["meta", "ts"]),
        (urlencode({"status": "DELIVRD", "clientRef": META}), ["ts"]),
        ({"Event-Type": "replied", "ts": NOW_S, "meta": META, "text": "STOP"}, ["incomingText"]),
    ],
)
async def test_a_400_about_other_bodies_names_what_is_missing_and_keeps_them(
    redis: Redis, http: httpx.AsyncClient, content: Any, missing: list[str]
) -> None:
    response = await http.post(PATH, content=content if isinstance(content, str) else json.dumps(content))

    assert (response.status_code, response.json()["details"]["missing_fields"]) == (400, missing)
    assert len(await DeadLetters(redis).oldest()) == 1
