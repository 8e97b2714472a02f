import json

import pytest

from callbacks.http.wrapped_reports import unwrap

GROUP = b'{"event":"delivered","data":[{"ts":1,"meta":"m"}]}'
ROW = b'{"event":"failed","code": "912","ts":1,"meta":"n"}'


@pytest.mark.parametrize(
    "document",
    [
        b'{"id": 5, "reports": [' + GROUP + b", " + ROW + b"]}",
        b'{"a": {"b": ' + GROUP + b'}, "c": [[' + ROW + b"]]}",
        b"[[" + GROUP + b"],[" + ROW + b"]]",
        json.dumps([GROUP.decode(), ROW.decode()]).encode(),
        json.dumps({"response": f"[{GROUP.decode()},{ROW.decode()}]"}).encode(),
        b'{"page": {"ts": 1}, "links": ["x"], "0": ' + GROUP + b', "1": ' + ROW + b"}",
    ],
)
def test_reports_are_found_wherever_they_stand_with_their_bytes_unchanged(document: bytes) -> None:
    assert unwrap(document) == b"[" + GROUP + b"," + ROW + b"]"


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
