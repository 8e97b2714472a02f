import json

import pytest

from callbacks.http.wrapped_reports import unwrap
from times_dispatch.provider.reports.reports import parse

GROUP = b'{"event":"delivered","data":[{"ts":1,"meta":"m"}]}'
ROW = b'{"event":"failed","code": "912","ts":1,"meta":"n"}'


@pytest.mark.parametrize(
    "document",
    [
        b'{"id": 5, "reports": [' + GROUP + b", " + ROW + b"]}",
        b'{"status":"delivered","timestamp":1,"reference":"b7","reports":[' + GROUP + b"," + ROW + b"]}",
        b'{"a": {"b": ' + GROUP + b'}, "c": [[' + ROW + b"]]}",
        b"[[" + GROUP + b"],[" + ROW + b"]]",
        json.dumps([GROUP.decode(), ROW.decode()]).encode(),
        json.dumps({"response": f"[{GROUP.decode()},{ROW.decode()}]"}).encode(),
        b'{"page": {"ts": 1}, "links": ["x"], "0": ' + GROUP + b', "1": ' + ROW + b"}",
    ],
)
def test_reports_are_found_wherever_they_stand_with_their_bytes_unchanged(document: bytes) -> None:
    assert unwrap(document) == b"[" + GROUP + b"," + ROW + b"]"


def test_a_damaged_document_is_repaired() -> None:
    damaged = b'\xef\xbb\xbf{"id": "\xff", "reports": [' + GROUP + b', {"event":"replied","incomingText":"a\nb\xff"}]}'
    assert [event.meta for event in parse(unwrap(damaged)).events] == ["m"]


def test_a_damaged_text_is_repaired_and_costs_no_other_reports() -> None:
    reply = '{"event":"replied","ts":1,"meta":"n","incomingText":"a\nb"}'
    document = json.dumps({"note": "[NaN]", "response": f"[{GROUP.decode()},{reply}]"}).encode()
    assert [event.meta for event in parse(unwrap(document)).events] == ["m", "n"]


def test_rows_that_are_counted_are_an_array() -> None:
    document = b'[{"event":"delivered","data":{"0":{"ts":1,"meta":"m"},"1":{"ts":2,"meta":"n"}}}]'
    assert unwrap(document) == b'[{"event":"delivered","data":[{"ts":1,"meta":"m"},{"ts":2,"meta":"n"}]}]'


@pytest.mark.parametrize("document", [b'{"a": [1], "b": {}}', b'{"a": 1}', b"[]", b"{", b"", b'"x"', b"[" * 50_000])
def test_a_document_without_reports_is_none(document: bytes) -> None:
    assert unwrap(document) == b""


def test_a_report_is_not_searched_for_reports() -> None:
    outer = b'{"event":"delivered","ts":1,"meta":"m","copy":' + GROUP + b"}"
    assert unwrap(b'{"x":' + outer + b"}") == b"[" + outer + b"]"


def test_reports_below_six_levels_are_not_found() -> None:
    assert unwrap(b'{"a":' * 6 + GROUP + b"}" * 6) == b""


@pytest.mark.parametrize("form", [b'{"results": [%b]}', b"[[%b]]", b'{"results": {"0": %b}}', b'[{"page": 1}, %b]'])
def test_unusable_rows_beside_reports_are_kept(form: bytes) -> None:
    unusable = b'{"event":"weird","ts":1,"meta":"n"}'
    between = b', "1": ' if b'"0"' in form else b", "
    inner = unwrap(form % between.join([GROUP, unusable]))
    assert inner.endswith(GROUP + b"," + unusable + b"]")
    assert parse(inner).unusable[-1].reason == "the event is unknown"
