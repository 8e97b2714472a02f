import json

import pytest

from tests.kit.posted_reports import META, TS, body, only_event, only_unusable, row
from times_dispatch.provider.reports.event_kinds import EventKind
from times_dispatch.provider.reports.reports import ParsedReports, parse


def test_the_documented_example_is_read() -> None:
    posted = b"""[
     {"event": "delivered", "data": [{"ts": 1435322805, "meta": "one", "description": "Delivered to handset"}]},
     {"event": "failed",    "data": [{"ts": 1435322806, "meta": "two", "code": "901", "description": "DND"}]},
     {"event": "clicked",   "data": [{"ts": 1435322807, "meta": "three", "url": "https://ex.in/a", "shorturl": "s"}]},
     {"event": "replied",   "data": [{"ts": 1435322808, "meta": "four", "toPhone": "5555", "incomingText": "STOP"}]}]"""
    parsed = parse(posted)
    assert parsed.unusable == []
    assert [
        (event.kind, event.ts, event.meta, event.code, event.code_text, event.url, event.incoming_text)
        for event in parsed.events
    ] == [
        (EventKind.DELIVERED, 1435322805, "one", 0, "", "", ""),
        (EventKind.FAILED, 1435322806, "two", 901, "901", "", ""),
        (EventKind.CLICKED, 1435322807, "three", 0, "", "https://ex.in/a", ""),
        (EventKind.REPLIED, 1435322808, "four", 0, "", "", "STOP"),
    ]


def test_several_rows_of_an_event_are_read_in_order() -> None:
    parsed = parse(body("delivered", *(row(meta=f"m{number}") for number in range(100))))
    assert [event.meta for event in parsed.events] == [f"m{number}" for number in range(100)]


def test_a_rows_own_bytes_are_kept_as_a_body_of_their_own() -> None:
    kept = b'{"ts" : 1435322805,"meta":"m\\u0031", "extra":[1.50, {"a":"\\/"}]}'
    event = only_event(b'[{"event": "delivered", "data": [ ' + kept + b" ]}]")
    assert event.raw == b'[{"event":"delivered","data":[' + kept + b"]}]"
    assert event.meta == "m1"
    assert parse(event.raw).events == [event]


def test_a_bare_object_stands_for_an_array_of_one() -> None:
    assert only_event(b' {"event":"delivered","data":[{"ts":1,"meta":"m"}]}\n').meta == "m"


def test_bare_data_stands_for_an_array_of_one() -> None:
    assert only_event(b'[{"event":"delivered","data":{"ts":1,"meta":"m"}}]').meta == "m"
    assert only_event(b'{"data": {"ts":1,"meta":"m"} ,"event":"delivered"}').meta == "m"


def test_an_event_without_rows_is_nothing_and_no_mistake() -> None:
    assert parse(b'[{"event":"delivered","data":[]}]') == ParsedReports([], [])


@pytest.mark.parametrize(
    ("ts", "seconds"),
    [
        (0, 0),
        (2**32 - 1, 2**32 - 1),
        (TS, TS),
        (str(TS), TS),
        (f" {TS} ", TS),
        (TS * 1000, TS),
        (TS * 1000 + 999, TS),
        (str(TS * 1000 + 999), TS),
        (TS + 0.9, TS),
        (f"{TS}.9", TS),
        (10**11 + 1, 10**8),
        ((2**32 - 1) * 1000, 2**32 - 1),
    ],
)
def test_a_time_is_read_as_seconds_also_from_a_string_or_from_milliseconds(ts: object, seconds: int) -> None:
    assert only_event(body("delivered", row(ts=ts))).ts == seconds


@pytest.mark.parametrize(
    "ts", [-1, 2**32, 10**11, 2**32 * 1000, 2**63, 10**30, "soon", "1e9", "-1", "٣", "9" * 5000, True, [], {}, 1e300]
)
def test_a_row_whose_time_makes_no_sense_is_unusable_row(ts: object) -> None:
    unusable = only_unusable(body("delivered", row(ts=ts)))
    assert unusable.reason in {
        "ts is not a time in epoch seconds",
        "the row is not an object, or holds a number out of bounds",
    }
    assert unusable.missing_fields == ()


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("delivered", EventKind.DELIVERED),
        ("Delivered", EventKind.DELIVERED),
        ("DELIVRD", EventKind.DELIVERED),
        ("failed", EventKind.FAILED),
        ("failed_dnd", EventKind.FAILED),
        ("EXPIRED", EventKind.FAILED),
        ("DELETED", EventKind.FAILED),
        ("UNDELIV", EventKind.FAILED),
        ("REJECTD", EventKind.FAILED),
        ("UNKNOWN", EventKind.FAILED),
        ("sent", EventKind.INTERMEDIATE),
        ("accepted", EventKind.INTERMEDIATE),
        ("enroute", EventKind.INTERMEDIATE),
        ("ENROUTE", EventKind.INTERMEDIATE),
        ("ACCEPTD", EventKind.INTERMEDIATE),
    ],
)
def test_an_events_name_says_its_kind(event: str, kind: EventKind) -> None:
    assert only_event(body(event, row())).kind is kind


@pytest.mark.parametrize("event", ["unknown", "exploded", " ", "delivered!", "None", "null"])
def test_a_row_of_an_unknown_event_is_kept_as_unusable_row(event: str) -> None:
    unusable = only_unusable(body(event, row(extra="kept")))
    assert unusable.reason == "the event is unknown"
    assert json.loads(unusable.raw) == [{"event": event, "data": [row(extra="kept")]}]


@pytest.mark.parametrize(
    ("code", "read", "text"),
    [
        ("901", 901, "901"),
        (913, 913, "913"),
        (901.0, 901, "901.0"),
        (" 914 ", 914, "914"),
        ("4321", 4321, "4321"),
        ("65535", 65535, "65535"),
        ("65536", 900, "65536"),
        (None, 900, ""),
        ("", 900, ""),
        ("EXPIRED", 900, "EXPIRED"),
        ("-1", 900, "-1"),
        ("٩٠١", 900, "٩٠١"),
        ("9" * 5000, 900, "9" * 40),
        (10**4299, 900, "1" + "0" * 39),
        (True, 900, "True"),
        (["901"], 900, ""),
    ],
)
def test_a_failures_code_is_a_number_or_900_and_its_text_is_kept(code: object, read: int, text: str) -> None:
    event = only_event(body("failed", row(code=code)))
    assert (event.kind, event.code, event.code_text) == (EventKind.FAILED, read, text)


def test_a_failure_without_any_code_is_still_a_failure() -> None:
    assert only_event(body("failed", row())).code == 900


@pytest.mark.parametrize("code", [None, "901", "905"])
def test_failed_dnd_means_failed_with_901(code: object) -> None:
    event = only_event(body("failed_dnd", row(code=code)))
    assert (event.kind, event.code) == (EventKind.FAILED, 901)


@pytest.mark.parametrize("key", ["incomingText", "incomingMessage"])
def test_a_reply_is_cut_at_512_characters(key: str) -> None:
    assert only_event(body("replied", row(**{key: "न" * 511}))).incoming_text == "न" * 511
    assert only_event(body("replied", row(**{key: "न" * 512}))).incoming_text == "न" * 512
    assert only_event(body("replied", row(**{key: "न" * 513}))).incoming_text == "न" * 512


def test_an_empty_reply_is_a_reply() -> None:
    assert only_event(body("replied", row(incomingText=""))).incoming_text == ""


@pytest.mark.parametrize(
    ("event", "fields", "missing"),
    [
        ("delivered", {"meta": META}, ("ts",)),
        ("delivered", {"ts": TS}, ("meta",)),
        ("delivered", {"ts": "", "meta": None}, ("ts", "meta")),
        ("delivered", {}, ("ts", "meta")),
        ("clicked", {"ts": TS, "meta": META}, ("url",)),
        ("clicked", {"ts": TS, "meta": META, "url": ""}, ("url",)),
        ("replied", {"ts": TS, "meta": META}, ("incomingText",)),
        ("replied", {"incomingMessage": None}, ("ts", "meta", "incomingText")),
        ("", {"ts": TS, "meta": META}, ("event",)),
        (None, {"ts": TS}, ("event", "meta")),
    ],
)
def test_a_missing_field_of_a_report_is_named(
    event: object, fields: dict[str, object], missing: tuple[str, ...]
) -> None:
    unusable = only_unusable(body(event, fields))
    assert unusable.reason == "fields are missing"
    assert unusable.missing_fields == missing


@pytest.mark.parametrize(
    ("posted", "missing"),
    [
        (b"{}", ("event", "data")),
        (b'[{"event":"delivered"}]', ("data",)),
        (b'[{"event":"delivered","data":null}]', ("data",)),
        (b'[{"data":[{"ts":1,"meta":"m"}]}]', ("event",)),
    ],
)
def test_a_missing_event_or_missing_data_is_named(posted: bytes, missing: tuple[str, ...]) -> None:
    assert only_unusable(posted).missing_fields == missing


@pytest.mark.parametrize(("length", "fits"), [(1, True), (200, True), (201, False)])
def test_meta_has_at_most_200_characters(length: int, fits: bool) -> None:
    parsed = parse(body("delivered", row(meta="m" * length)))
    assert (len(parsed.events), len(parsed.unusable)) == ((1, 0) if fits else (0, 1))


@pytest.mark.parametrize("fields", [{"meta": 5}, {"meta": ["m"]}, {"meta": True}, {"meta": {"a": 1}}])
def test_a_meta_that_is_no_text_is_unusable_row(fields: dict[str, object]) -> None:
    assert only_unusable(body("delivered", row(**fields))).reason == "meta is not a text"


def test_a_link_or_a_reply_that_is_no_text_is_unusable_row() -> None:
    assert only_unusable(body("clicked", row(url=5))).reason == "url is not a text"
    assert only_unusable(body("replied", row(incomingText=[]))).reason == "incomingText is not a text"


def test_neither_a_number_nor_a_text_shows_when_a_report_is_printed() -> None:
    reply = row(toPhone="919876543210", incomingText="my secret")
    printed = repr(parse(body("replied", reply, reply | {"ts": None})))
    assert "fields are missing" in printed
    assert META in printed
    assert "919876543210" not in printed
    assert "secret" not in printed


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"status": "5"},
        {"status": "clicked"},
        {"status": "DELIVRD", "state": "failed"},
        {"status": "ok", "state": "sent"},
    ],
)
def test_the_status_of_a_report_is_read_only_if_it_is_certain(more: dict[str, str]) -> None:
    row = {"event": "dlr", "ts": 1, "meta": "m", "url": "https://t.in"}

    parsed = parse(json.dumps([row | more, row | {"status": "DELIVRD", "state": "delivered"}]).encode())

    assert [unusable.reason for unusable in parsed.unusable] == ["the event is unknown"]
    assert [event.kind for event in parsed.events] == [EventKind.DELIVERED]
