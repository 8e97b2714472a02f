import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from timesmobile.reports import EventKind, ParsedReports, RejectedRow, ReportEvent, ReportsUnreadable, parse

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


def test_the_documented_example_is_read() -> None:
    posted = b"""[
     {"event": "delivered", "data": [{"ts": 1435322805, "meta": "one", "description": "Delivered to handset"}]},
     {"event": "failed",    "data": [{"ts": 1435322806, "meta": "two", "code": "901", "description": "DND"}]},
     {"event": "clicked",   "data": [{"ts": 1435322807, "meta": "three", "url": "https://ex.in/a", "shorturl": "s"}]},
     {"event": "replied",   "data": [{"ts": 1435322808, "meta": "four", "toPhone": "5555", "incomingText": "STOP"}]}]"""
    parsed = parse(posted)
    assert parsed.rejected == []
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
def test_a_row_whose_time_makes_no_sense_is_rejected(ts: object) -> None:
    rejected = only_rejected(body("delivered", row(ts=ts)))
    assert rejected.reason in {
        "ts is not a time in epoch seconds",
        "the row is not an object, or holds a number out of bounds",
    }
    assert rejected.missing_fields == ()


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
def test_a_row_of_an_unknown_event_is_kept_as_rejected(event: str) -> None:
    rejected = only_rejected(body(event, row(extra="kept")))
    assert rejected.reason == "the event is unknown"
    assert json.loads(rejected.raw) == [{"event": event, "data": [row(extra="kept")]}]


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
def test_what_is_missing_is_named(event: object, fields: dict[str, object], missing: tuple[str, ...]) -> None:
    rejected = only_rejected(body(event, fields))
    assert rejected.reason == "fields are missing"
    assert rejected.missing_fields == missing


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
    assert only_rejected(posted).missing_fields == missing


@pytest.mark.parametrize(("length", "fits"), [(1, True), (200, True), (201, False)])
def test_meta_has_at_most_200_characters(length: int, fits: bool) -> None:
    parsed = parse(body("delivered", row(meta="m" * length)))
    assert (len(parsed.events), len(parsed.rejected)) == ((1, 0) if fits else (0, 1))


@pytest.mark.parametrize("fields", [{"meta": 5}, {"meta": ["m"]}, {"meta": True}, {"meta": {"a": 1}}])
def test_a_meta_that_is_no_text_is_rejected(fields: dict[str, object]) -> None:
    assert only_rejected(body("delivered", row(**fields))).reason == "meta is not a text"


def test_a_link_or_a_reply_that_is_no_text_is_rejected() -> None:
    assert only_rejected(body("clicked", row(url=5))).reason == "url is not a text"
    assert only_rejected(body("replied", row(incomingText=[]))).reason == "incomingText is not a text"


def test_bad_rows_do_not_cost_the_good_ones() -> None:
    good, bad = row(meta="good"), [{"ts": 1}, 5, None, "x", [], row(ts="x"), row(ts=10**400), {"meta": 1}]
    posted = [
        {"event": "delivered", "data": [*bad, good]},
        7,
        {"event": 5, "data": [good]},
        {"event": "failed", "data": "x"},
    ]
    parsed = parse(json.dumps([*posted, {"event": "delivered", "data": [good]}]).encode())
    assert [event.meta for event in parsed.events] == ["good", "good"]
    assert len(parsed.rejected) == len(bad) + 3
    assert all(parse(rejected.raw).rejected == [rejected] for rejected in parsed.rejected)


@pytest.mark.parametrize(
    "spoilt",
    [
        b'{"ts":1,"meta":"m","description":"\xff\xfe"}',
        b'{"ts":1,"meta":"m","description":"half an emoji \\ud83d"}',
        b'{"ts":1,"meta":"m","description":"a bare\nline break, and \x00"}',
        b'{"ts":NaN,"meta":"m"}',
        b'{"ts":1,"meta":"\xff"}',
        b'{"ts":1,"meta":"m","description":' + b"9" * 5000 + b"}",
        b'{"ts":1,"meta":"m","description":1e999}',
    ],
)
def test_a_row_that_is_almost_json_does_not_cost_the_good_ones(spoilt: bytes) -> None:
    parsed = parse(b'[{"event":"delivered","data":[{"ts":1,"meta":"first"},' + spoilt + b',{"ts":1,"meta":"last"}]}]')
    metas = [event.meta for event in parsed.events]
    assert (metas[0], metas[-1]) == ("first", "last")
    assert len(parsed.events) + len(parsed.rejected) == 3


def test_what_was_mended_is_kept_as_clean_json() -> None:
    for event in parse(b'[{"event":"replied","data":[{"ts":1,"meta":"m","incomingText":"\\ud83d \xff\n"}]}]').events:
        assert orjson.loads(event.raw)[0]["data"][0]["incomingText"] == event.incoming_text == "? \ufffd\n"


def test_a_byte_order_mark_does_no_harm() -> None:
    assert only_event(b"\xef\xbb\xbf" + body("delivered", row())).meta == META


def test_neither_a_number_nor_a_text_shows_when_a_report_is_printed() -> None:
    reply = row(toPhone="919876543210", incomingText="my secret")
    printed = repr(parse(body("replied", reply, reply | {"ts": None})))
    assert "fields are missing" in printed
    assert META in printed
    assert "919876543210" not in printed
    assert "secret" not in printed


@pytest.mark.parametrize(
    "posted",
    [
        b"",
        b"  ",
        b"[]",
        b" [ ] ",
        b"null",
        b"5",
        b'"delivered"',
        b"NaN",
        b"delivered",
        b"event=delivered&meta=m",
        b"<html></html>",
        b"[",
        b"[{]",
        b'[{"event":"delivered","data":[{"ts":1,"meta":"m"}]}',
        b'[{"event":"delivered","data":[{"ts":1,"meta":"m"}]}] x',
        b'{"event":"delivered"}{"event":"delivered"}',
        b'{"event":"delivered"},{"event":"delivered"}',
        b"\x00",
        b"\xff\xfe[\x00]\x00",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b'[{"event":"delivered","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
    ],
)
def test_a_body_that_can_never_be_read_is_refused(posted: bytes) -> None:
    with pytest.raises(ReportsUnreadable) as refused:
        parse(posted)
    assert str(refused.value).startswith("the body is ")


@pytest.mark.parametrize("place", ["event", "data", "ts", "meta", "code", "extra"])
def test_nesting_near_the_recursion_limit_never_breaks_out(place: str) -> None:
    for depth in range(150, 1100, 7):
        deep = b"[" * depth + b"]" * depth
        fields = {"ts": b"1", "meta": b'"m"', "code": b'"901"', place: deep}
        inner = b"{" + b",".join(b'"%b":%b' % (name.encode(), value) for name, value in fields.items()) + b"}"
        event, data = (deep if place == "event" else b'"failed"'), (deep if place == "data" else inner)
        group = b'{"event":' + event + b',"data":' + data + b"}"
        # Alone in an array, as it is kept, a row is one level deeper than it may have come.
        assert_read_or_refused(group, kept_may_be_too_deep=True)
        assert_read_or_refused(b"\xef\xbb\xbf" + group, kept_may_be_too_deep=True)


def assert_read_or_refused(posted: bytes, *, kept_may_be_too_deep: bool = False) -> None:
    try:
        parsed = parse(posted)
    except ReportsUnreadable:
        return
    for event in parsed.events:
        assert 0 <= event.ts < 2**32
        assert 1 <= len(event.meta) <= 200
        assert 0 <= event.code <= 65535
        assert len(event.incoming_text) <= 512
        try:
            assert parse(event.raw).events == [event]
        except ReportsUnreadable:
            assert kept_may_be_too_deep
    for rejected in parsed.rejected:
        assert rejected.reason
        try:
            assert parse(rejected.raw).rejected == [rejected]
        except ReportsUnreadable:
            assert kept_may_be_too_deep


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
events = st.sampled_from(["delivered", "failed", "failed_dnd", "clicked", "replied", "sent", "unknown", "", None])
rows = st.fixed_dictionaries(
    {},
    optional={
        "ts": st.integers(-1, 2**33) | st.sampled_from([str(TS), TS * 1000, "x"]) | anything,
        "meta": st.text(max_size=205) | anything,
        "code": st.sampled_from(["901", 901, "x"]) | anything,
        "url": st.text(max_size=5) | anything,
        "incomingText": st.text(max_size=600) | anything,
        "incomingMessage": st.text(max_size=5) | anything,
        "extra": anything,
    },
)
groups = st.fixed_dictionaries(
    {}, optional={"event": events | anything, "data": st.lists(rows, max_size=3) | rows | anything}
)
bodies = (st.lists(groups | anything, max_size=3) | groups | anything).map(lambda posted: json.dumps(posted).encode())


@given(bodies)
def test_any_json_is_read_or_refused(posted: bytes) -> None:
    assert_read_or_refused(posted)


@given(st.binary(max_size=60) | st.builds(lambda start, end: start + end, bodies, st.binary(max_size=3)))
@example(b'[{"event":"failed","data":[{"ts":1e999,"meta":"m"}]}]')
@example(b'[{"event":1e999,"data":[{"ts":1,"meta":"m"}]}]')
def test_any_bytes_are_read_or_refused(posted: bytes) -> None:
    assert_read_or_refused(posted)


@given(bodies, st.data())
def test_a_damaged_body_is_read_or_refused(posted: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(posted) - 1))
    assert_read_or_refused(posted[:at] + data.draw(st.binary(max_size=2)) + posted[at + 1 :])


@given(st.lists(groups | anything, min_size=1, max_size=3))
def test_no_row_is_lost(posted: list[Any]) -> None:
    try:
        parsed = parse(json.dumps(posted, allow_nan=False).encode())
    except ValueError:
        return  # NaN is no JSON; what it costs has tests of its own
    expected = 0
    for group in posted:
        data = group.get("data") if isinstance(group, dict) else None
        named = isinstance(group, dict) and isinstance(group.get("event"), str | None)
        expected += len(data) if named and isinstance(data, list) else 1
    assert len(parsed.events) + len(parsed.rejected) == expected
