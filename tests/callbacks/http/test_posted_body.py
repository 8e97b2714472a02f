import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks.http.posted_body import join_lines, json_in, json_in_query, unwrap

DOCUMENT = b'[{"event":"delivered","data":[{"ts":1,"meta":"a&b=c d+e"}]}]'


@pytest.mark.parametrize("body", [DOCUMENT, b" " + DOCUMENT + b"\n", b'{"event" : "x"}', b"[broken", b"not json", b""])
def test_json_and_what_holds_no_json_are_not_touched(body: bytes) -> None:
    assert json_in(body, "application/x-www-form-urlencoded") == body


@pytest.mark.parametrize("name", ["response", "data", "x"])
def test_the_document_of_a_form_is_taken_out_of_the_form(name: str) -> None:
    assert json_in(urlencode({"id": "1", name: DOCUMENT}).encode(), "") == DOCUMENT


def test_two_documents_are_not_certain() -> None:
    assert json_in_query(urlencode({"a": DOCUMENT, "b": DOCUMENT}).encode()) == b""


def test_fields_of_one_report_become_one_report() -> None:
    assert json.loads(json_in_query(b"event=delivered&ts=1&meta=m")) == [{"event": "delivered", "ts": "1", "meta": "m"}]


def test_a_form_with_too_many_fields_is_not_read() -> None:
    assert json_in_query(b"ts=1&" + b"a=b&" * 300) == b""


def test_the_only_document_in_an_object_is_taken_out() -> None:
    assert unwrap(b'{"id": 5, "reports": ' + DOCUMENT + b"}") == DOCUMENT
    assert unwrap(json.dumps({"response": DOCUMENT.decode()}).encode()) == DOCUMENT
    assert unwrap(b'{"a": [1], "b": {}}') == unwrap(b'{"a": 1}') == unwrap(b"[]") == unwrap(b"{") == b""


@pytest.mark.parametrize("body", [b'{"\xff": 1}', b'{"a": [{"\xff": 1}]}', b'{"a": ' + b"[" * 100_000])
def test_a_body_that_is_no_utf_8_or_too_deep_holds_no_document(body: bytes) -> None:
    assert unwrap(body)[:1] in (b"", b"[")


def test_lines_become_an_array_only_if_each_is_an_object() -> None:
    assert join_lines(b'{"a":1}\r\n\n{"b":2}\n') == b'[{"a":1},{"b":2}]'
    assert join_lines(b'{"a":1}\n5') == join_lines(b'{"a":1}') == join_lines(b"") == b""


@given(st.binary(max_size=60), st.sampled_from(["", "multipart/form-data; boundary=x", "multipart/x", "text/plain"]))
def test_any_body_is_read_or_left(body: bytes, content_type: str) -> None:
    assert isinstance(json_in(body, content_type), bytes)
