import json
from urllib.parse import quote, urlencode

import pytest

from callbacks.http.form_fields import (
    MAX_FIELDS,
    is_document,
    json_in_fields,
    json_in_query,
    may_hold_report,
    multipart_fields,
)

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


@pytest.mark.parametrize(
    "query",
    [
        b"event=delivered&ts=1&meta=m&reference=a&reference=b",
        b"event=delivered&ts=1&timestamp=5&timestamp=7&meta=m",
        b"event=failed&code=912&error=a&error=b&ts=1&meta=m",
    ],
)
def test_a_field_with_two_values_that_a_report_is_not_read_from_does_not_matter(query: bytes) -> None:
    (report,) = json.loads(json_in_query(query))

    assert (report["ts"], report["meta"]) == ("1", "m")


@pytest.mark.parametrize(
    "query",
    [
        b"event=dlr&status=DELIVRD&status=UNDELIV&ts=1&meta=m",
        b"event=failed&error=1&error=2&ts=1&meta=m",
        b"event=delivered&reference=a&reference=b&ts=1",
        b"event=delivered&ts=1&meta=m&event=delivered&ts=2&meta=n",
        b"event=delivered&ts=1&meta=m&meta=n",
        b"event=delivered&ts=1&meta=m&Meta=n&meta=o",
        b"event=delivered;ts=1;meta=m;meta=n",
        b"Delivery-Status=delivered&ts=1&client_ref=m&client_ref=n",
        b"event=delivered&data[0][ts]=1&data[0][meta]=m&data[0][meta]=n",
        b'event=delivered&event=failed&data=[{"ts":1,"meta":"m"}]',
    ],
)
def test_a_field_of_a_report_with_two_values_is_not_certain(query: bytes) -> None:
    assert json_in_query(query) == b""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"ts=1&meta=m&event=d&meta=m&ts=1", {"ts": "1", "meta": "m", "event": "d"}),
        (b"ts=1&meta=m&tag=a&tag=b", {"ts": "1", "meta": "m", "tag": "b"}),
        (b"ts=1&meta=m&code=&code=912", {"ts": "1", "meta": "m", "code": "912"}),
        (b"ts=1&meta=m&meta=&code=912&code=", {"ts": "1", "meta": "m", "code": "912"}),
        (b"e[ts]=1&e[meta]=m&e[meta]=", {"e": {"ts": "1", "meta": "m"}}),
        (b"e[0][ts]=1&e[1][ts]=2&x[y]=1&x[y]=2", {"e": {"0": {"ts": "1"}, "1": {"ts": "2"}}, "x": {"y": "2"}}),
        (b"a[][ts]=1&a[][ts]=2", {"a": {"0": {"ts": "1"}, "1": {"ts": "2"}}}),
    ],
)
def test_fields_that_are_repeated_and_mean_one_report_are_read(query: bytes, expected: object) -> None:
    assert json.loads(json_in_query(query)) == [expected]


def test_a_document_is_certain_beside_a_field_with_two_values() -> None:
    assert json_in_query(b"status=ok&status=1&response=" + quote(DOCUMENT).encode()) == DOCUMENT


def test_paths_are_not_followed_for_ever() -> None:
    assert len(json_in_query(b"a" + b"[b]" * 5_000 + b"=1")) < 200


def test_the_parts_of_an_event_are_put_together() -> None:
    fields = [("event", "delivered"), ("data", '[{"ts":1,"meta":"m"}]')]
    assert json.loads(json_in_fields(fields)) == [{"event": "delivered", "data": [{"ts": 1, "meta": "m"}]}]


def test_the_parts_of_a_multipart_body_are_fields() -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
    assert multipart_fields(body, "multipart/form-data; boundary=x") == [("a", "1")]
    assert multipart_fields(b"\n--" * 500, "multipart/form-data; boundary=x") == []


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n", b"\r"])
@pytest.mark.parametrize("end", [b"--x--", b"--x-- \r\nafter", b""])
def test_the_parts_of_a_multipart_body_may_end_their_lines_in_any_way(line_end: bytes, end: bytes) -> None:
    lines = [
        b"before",
        b"--x",
        b"content-disposition: form-data;",
        b' filename=f; name="a"',
        b"content-transfer-encoding: base64",
        b"",
        b"eyJhIjox",
        b"fQ==",
        b"--x ",
        b'Content-Disposition: form-data; name="b"',
        b"",
        b"1",
        b"",
        b"2",
        end,
    ]
    fields = multipart_fields(line_end.join(lines), 'multipart/form-data; boundary="x"')
    assert fields == [("a", '{"a":1}'), ("b", (b"1" + line_end * 2 + b"2").decode())]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 202, "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="a"; ' + b";" * 2_000 + b"\r\n\r\n1", "multipart/x; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1', "multipart/x; boundary=x" + ";" * 1_000),
        (b"--x\r\nContent-Type: multipart/x; boundary=y\r\n\r\n--y\r\n\r\n1", "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="a"', "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1', "multipart/form-data"),
    ],
)
def test_a_multipart_body_beyond_its_bounds_has_no_fields(body: bytes, content_type: str) -> None:
    assert multipart_fields(body, content_type) == []


@pytest.mark.parametrize(("text", "expected"), [("[]", True), (" {}", True), ("[", False), ("5", False), ("", False)])
def test_an_object_or_array_is_a_document(text: str, expected: bool) -> None:
    assert is_document(text) is expected


@pytest.mark.parametrize(
    "value",
    [
        quote(DOCUMENT),
        json.dumps(DOCUMENT.decode()),
        DOCUMENT.decode().replace('"', '\\"'),
        DOCUMENT.decode().replace("&", "&amp;").replace('"', "&quot;"),
    ],
)
def test_a_document_that_was_escaped_twice_is_read(value: str) -> None:
    assert json_in_query(urlencode({"response": value}).encode()) == DOCUMENT


@pytest.mark.parametrize("value", ['[\\"', '"', '"a"', "%5B", "[{&quot;", '"' + "[" * 10_000])
def test_a_value_that_only_begins_like_a_document_is_none(value: str) -> None:
    assert json_in_query(urlencode({"response": value}).encode()) == b""


@pytest.mark.parametrize("query", [b"?event=delivered&ts=1&meta=m", b"event=delivered&amp;ts=1&amp;meta=m"])
def test_a_query_that_was_copied_from_a_page_is_read(query: bytes) -> None:
    assert json.loads(json_in_query(query)) == [{"event": "delivered", "ts": "1", "meta": "m"}]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"dlr=id:5+stat:DELIVRD", True),
        (b"status=DELIVRD&msgid=5", True),
        (b"a=b&" * 300, True),
        (b"", False),
        (b"a=b", False),
        (b"challenge=5", False),
    ],
)
def test_a_query_with_a_field_of_a_report_may_hold_one(query: bytes, expected: bool) -> None:
    assert may_hold_report(query) is expected


@pytest.mark.parametrize("data", ["[{'ts':1}]", '{"ts":1}\n{"ts":2}'])
def test_data_that_only_the_parser_can_read_keeps_its_event(data: str) -> None:
    fields = [("event", "failed"), ("data", data)]
    assert json.loads(json_in_fields(fields)) == [{"event": "failed", "data": data}]
    assert json_in_fields(fields[1:]) == data.encode()


@pytest.mark.parametrize("name", ["event", "id"])
def test_a_field_in_brackets_beside_other_fields_is_no_document(name: str) -> None:
    assert json_in_fields([(name, "5"), ("msg", "[Hello]"), ("stat", "DELIVRD")]) == b""
