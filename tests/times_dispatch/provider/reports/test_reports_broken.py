"""Malformed reports, and bodies that are no reports: the parser raises no unexpected error, and loses no row."""

import json
from time import process_time
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.kit.posted_reports import META, TS, body, only_event, row
from times_dispatch.provider.reports.reports import ReportsUnreadable, parse


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
    assert len(parsed.unusable) == len(bad) + 3
    assert all(parse(unusable.raw).unusable == [unusable] for unusable in parsed.unusable)


def test_an_events_long_name_is_kept_once_and_not_with_each_of_its_rows() -> None:
    group = {"event": "x" * 100_000, "data": [row(meta=f"m{number}") for number in range(100)]}
    parsed = parse(json.dumps([group, {"event": "delivered", "data": [row(meta="good")]}]).encode())
    assert [event.meta for event in parsed.events] == ["good"]
    assert [unusable.reason for unusable in parsed.unusable] == ["the event's name is too long"]
    assert len(parsed.unusable[0].raw) < 200_000


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
        rb'{"ts":1,"meta":"m","description":"it\'s in C:\\x"}',
    ],
)
def test_a_row_that_is_almost_json_does_not_cost_the_good_ones(spoilt: bytes) -> None:
    parsed = parse(b'[{"event":"delivered","data":[{"ts":1,"meta":"first"},' + spoilt + b',{"ts":1,"meta":"last"}]}]')
    metas = [event.meta for event in parsed.events]
    assert (metas[0], metas[-1]) == ("first", "last")
    assert len(parsed.events) + len(parsed.unusable) == 3


def test_a_repaired_report_is_kept_as_clean_json() -> None:
    for event in parse(b'[{"event":"replied","data":[{"ts":1,"meta":"m","incomingText":"\\ud83d \xff\n"}]}]').events:
        assert orjson.loads(event.raw)[0]["data"][0]["incomingText"] == event.incoming_text == "? \ufffd\n"


def test_a_byte_order_mark_does_no_harm() -> None:
    assert only_event(b"\xef\xbb\xbf" + body("delivered", row())).meta == META


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


def test_brackets_in_a_reply_are_no_nesting() -> None:
    text = "[" * 1_000
    posted = orjson.dumps([{"event": "replied", "data": [{"ts": 1, "meta": META, "incomingText": f'"{text}'}]}])
    assert only_event(posted).incoming_text == f'"{text}'[:512]
    with pytest.raises(ReportsUnreadable, match="nested too deeply"):
        parse(posted.replace(b'"meta"', b'"x":' + b"[" * 1_000 + b"]" * 1_000 + b',"meta"'))


def test_a_text_without_an_end_is_not_searched_again_and_again() -> None:
    begin = process_time()
    with pytest.raises(ReportsUnreadable):
        parse(b"[" * 1_000 + b'"' + b'\\"' * 20_000)
    assert process_time() - begin < 1  # a search to the end from each quote would take five seconds


@pytest.mark.slow  # 272 bodies for each field, some of which a slower parser reads: ten seconds together
@pytest.mark.parametrize("field", ["event", "data", "ts", "meta", "code", "extra"])
def test_nesting_near_the_recursion_limit_never_breaks_out(field: str) -> None:
    for depth in range(150, 1100, 7):
        deep = b"[" * depth + b"]" * depth
        fields = {"ts": b"1", "meta": b'"m"', "code": b'"901"', field: deep}
        inner = b"{" + b",".join(b'"%b":%b' % (name.encode(), value) for name, value in fields.items()) + b"}"
        event, data = (deep if field == "event" else b'"failed"'), (deep if field == "data" else inner)
        group = b'{"event":' + event + b',"data":' + data + b"}"
        # A stored row stands alone in an array, so the row may be one level deeper than in the posted body.
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
    for unusable in parsed.unusable:
        assert unusable.reason
        try:
            assert parse(unusable.raw).unusable == [unusable]
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
@example(b'[{"event":"delivered","data":[{"ts":1,"meta":"m","code":1e999}]}]')
@example(b'[{"event":"delivered","data":[{"ts":1,"meta":"m"},{"ts":"1","meta":"m","code":1e999}]}]')
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
        return  # NaN is no JSON; other tests cover bodies with NaN
    expected = 0
    for group in posted:
        data = group.get("data") if isinstance(group, dict) else None
        event = group.get("event") if isinstance(group, dict) else 0
        named = isinstance(event, str | None) and len(json.dumps(event)) <= 200
        expected += len(data) if named and isinstance(data, list) else 1
    assert len(parsed.events) + len(parsed.unusable) == expected
