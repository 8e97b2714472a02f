import json
from codecs import BOM_UTF8
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbacks.http.posted_body import join_documents, json_in

DOCUMENT = b'[{"event":"delivered","data":[{"ts":1,"meta":"a&b=c d+e"}]}]'


@pytest.mark.parametrize("body", [DOCUMENT, b" " + DOCUMENT + b"\n", b'{"event" : "x"}', b"[broken", b"not json", b""])
def test_json_and_what_holds_no_json_are_not_touched(body: bytes) -> None:
    assert json_in(body, "application/x-www-form-urlencoded") == body


@pytest.mark.parametrize("name", ["response", "data", "x"])
def test_the_document_of_a_form_is_taken_out_of_the_form(name: str) -> None:
    assert json_in(urlencode({"id": "1", name: DOCUMENT}).encode(), "") == DOCUMENT


def test_several_documents_become_an_array_of_their_objects() -> None:
    assert join_documents(b'{"a":1}\r\n\n{"b":2}\n') == b'[{"a":1},{"b":2}]'
    assert join_documents(b'[{"a":1},{"b":2}][]{"c":3}') == b'[{"a":1},{"b":2},{"c":3}]'
    assert join_documents(b'{"a":1},{"b":2}') == b'[{"a":1},{"b":2}]'
    assert join_documents(b'{"a":1}\n{"b":"caf\xe9"}') == '[{"a":1},{"b":"caf\ufffd"}]'.encode()


@pytest.mark.parametrize(
    "body", [b'{"a":1}\n5', b'{"a":1}', b"", b"[]", b'{"a":1}{"b":', b"\xff\xfe", b"[" * 100_000, b"{}" * 30_000]
)
def test_one_document_and_what_is_none_are_not_joined(body: bytes) -> None:
    assert join_documents(body) == b""


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_json_in_another_encoding_is_read(encoding: str) -> None:
    assert json.loads(json_in(DOCUMENT.decode().encode(encoding), "").decode("utf-8-sig")) == json.loads(DOCUMENT)


def test_json_behind_a_byte_order_mark_is_no_form() -> None:
    document = b'[{"event":"replied","data":[{"incomingText":"1+1 2%25 %22,%22meta%22:%22m"}]}]'
    assert json_in(BOM_UTF8 + document, "") == document


def test_texts_in_texts_are_read() -> None:
    text = DOCUMENT.decode()
    for _ in range(3):
        text = json.dumps(text)
        assert json_in(text.encode(), "") == DOCUMENT
    assert json_in(json.dumps(text).encode(), "") == json.dumps(text).encode()


@given(st.binary(max_size=60), st.sampled_from(["", "multipart/form-data; boundary=x", "multipart/x", "text/plain"]))
def test_any_body_is_read_or_left(body: bytes, content_type: str) -> None:
    assert isinstance(json_in(body, content_type), bytes)


@pytest.mark.parametrize("value", [b"\x01" * 700_000, b"\xff" * 700_000])
def test_no_multipart_body_becomes_a_document_that_is_longer_than_a_body_may_be(value: bytes) -> None:
    fields = [("event", b"delivered"), ("ts", b"1"), ("meta", b"m"), ("text", value)]
    part = b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    body = b"".join(part % (name.encode(), content) for name, content in fields)
    assert json_in(body, "multipart/form-data; boundary=x") == body
    assert json.loads(json_in(body.replace(value, b"short"), "multipart/form-data; boundary=x"))[0]["text"] == "short"
