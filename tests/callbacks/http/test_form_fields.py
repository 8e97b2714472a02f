import json
from urllib.parse import quote, urlencode

import pytest

from callbacks.http.form_fields import MAX_FIELDS, is_document, json_in_fields, json_in_query, multipart_fields

DOCUMENT = b'[{"event":"delivered","data":[{"ts":1,"meta":"a&b=c d+e"}]}]'


def test_two_documents_are_not_certain() -> None:
    assert json_in_query(urlencode({"a": DOCUMENT, "b": DOCUMENT}).encode()) == b""


@pytest.mark.parametrize("query", [b"event=delivered&ts=1&meta=m", b"event=delivered;ts=1;meta=m"])
def test_fields_of_one_report_become_one_report(query: bytes) -> None:
    assert json.loads(json_in_query(query)) == [{"event": "delivered", "ts": "1", "meta": "m"}]


def test_a_semicolon_in_a_document_separates_nothing() -> None:
    document = b'[{"event":"delivered;x"}]'
    assert json_in_query(quote(document).encode()) == document
    assert json_in_query(b"response=" + quote(document, safe=";").encode()) == document


def test_a_form_with_too_many_fields_is_not_read() -> None:
    assert json_in_query(b"ts=1&" + b"a=b&" * 300) == b""
    assert json_in_query(b"ts=1&" + b"a=b&" * 300, 302)
    assert json_in_query(b"ts=1&" + b"a=b&" * MAX_FIELDS, MAX_FIELDS) == b""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"event=d&data[0][ts]=1&data[0][meta]=m", {"event": "d", "data": {"0": {"ts": "1", "meta": "m"}}}),
        (b"a[]=1&a[]=2", {"a": {"0": "1", "1": "2"}}),
        (b"a[b]=1&a=2", {"a": "2"}),
        (b"a=2&a[b]=1", {"a": "2"}),
        (b"a[b]=1&x=y", {"a": {"b": "1"}, "x": "y"}),
    ],
)
def test_names_with_brackets_are_paths(query: bytes, expected: object) -> None:
    assert json.loads(json_in_query(query)) == [expected]


def test_paths_are_not_followed_for_ever() -> None:
    assert len(json_in_query(b"a" + b"[b]" * 5_000 + b"=1")) < 200


def test_the_parts_of_an_event_are_put_together() -> None:
    fields = [("event", "delivered"), ("data", '[{"ts":1,"meta":"m"}]')]
    assert json.loads(json_in_fields(fields)) == [{"event": "delivered", "data": [{"ts": 1, "meta": "m"}]}]


def test_the_parts_of_a_multipart_body_are_fields() -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
    assert multipart_fields(body, "multipart/form-data; boundary=x") == [("a", "1")]
    assert multipart_fields(b"\n--" * 500, "multipart/form-data; boundary=x") == []


@pytest.mark.parametrize(("text", "expected"), [("[]", True), (" {}", True), ("[", False), ("5", False), ("", False)])
def test_an_object_or_array_is_a_document(text: str, expected: bool) -> None:
    assert is_document(text) is expected
