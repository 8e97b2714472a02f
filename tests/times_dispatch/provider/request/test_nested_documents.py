"""JSON documents inside form values, query parameters, headers and JSON strings."""

import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given

from tests.times_dispatch.provider.request.test_payload import HOSTILE, anything, described, push
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.request.payload import Payload

INNER = '{"type": "text", "text": "$$Body", "to": "$$To", "ref": "$$MessageID"}'
BREAKS_OUT = 'Hi Asha","to":"910000000000","z":"'


def form_of(value: str) -> Payload:
    return Payload(
        Provider(
            nickname="other",
            method="POST",
            endpoint="https://sms.example/send",
            encoding="form",
            payload=(("message", value),),
        )
    )


def document_of(document: str) -> Payload:
    return Payload(
        Provider(nickname="other", method="POST", endpoint="https://sms.example/", encoding="json", payload=document)
    )


def test_no_name_breaks_out_of_a_document_in_a_form_field() -> None:
    assert form_of(INNER).encode(push(BREAKS_OUT)) == (
        b"message=%7B%22type%22%3A%22text%22%2C%22text%22%3A%22Hi%20Asha%5C%22%2C%5C%22to%5C%22%3A%5C%22910000000000"
        b"%5C%22%2C%5C%22z%5C%22%3A%5C%22%22%2C%22to%22%3A%22919876543210%22%2C%22ref%22%3A%22abcdefgh000001a1%22%7D"
    )


def test_no_name_breaks_out_of_a_document_in_a_json_string() -> None:
    payload = document_of(json.dumps({"body": '{"to":"$$To","m":"$$Body"}'}))
    assert payload.encode(push(BREAKS_OUT)) == (
        rb'{"body":"{\"to\":\"919876543210\",\"m\":\"Hi Asha\\\",\\\"to\\\":\\\"910000000000\\\",\\\"z\\\":\\\"\"}"}'
    )


@HOSTILE
def test_a_hostile_text_stays_a_text_in_a_document_in_a_form_field(text: str, in_json: bytes, in_query: bytes) -> None:
    [(_, value)] = parse_qsl(form_of(INNER).encode(push(text)).decode("ascii"), strict_parsing=True)
    assert value.encode() == (b'{"type":"text","text":"' + in_json + b'","to":"919876543210","ref":"abcdefgh000001a1"}')


@HOSTILE
def test_a_hostile_text_stays_a_text_in_a_document_in_a_document_in_a_document(
    text: str, in_json: bytes, in_query: bytes
) -> None:
    innermost = json.dumps([{"m": "$$Body", "all": "$$TemplateVariables"}])
    payload = document_of(json.dumps({"to": "$$To", "a": json.dumps({"b": innermost, "n": 1.5, "x": None})}))

    outer = json.loads(payload.encode(push(text, variables=[text, "$$To"])))
    middle = json.loads(outer["a"])

    assert (outer["to"], middle["n"], middle["x"]) == ("919876543210", 1.5, None)
    assert middle["b"].encode() == b'[{"m":"' + in_json + b'","all":["' + in_json + b'","$$To"]}]'


def test_a_document_in_a_query_and_in_a_header_is_escaped_for_both() -> None:
    payload = Payload(
        Provider(
            nickname="other",
            method="GET",
            endpoint="https://sms.example/",
            encoding="query",
            payload=(("q", '["$$To","$$Body"]'),),
            headers=(("X-Data", '{"n":"$$Body","key":"$$key"}'),),
            secrets=(("key", 'a"b'),),
        )
    )
    request = payload.request(push('a"\n&b'))
    assert request.target == "https://sms.example/?q=%5B%22919876543210%22%2C%22a%5C%22%5Cn%26b%22%5D"
    assert dict(request.envelope.headers)["X-Data"] == r'{"n":"a\"\n&b","key":"a\"b"}'


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("[Times] $$Body", "[Times] Hi"),
        ("{$$Body}", "{Hi}"),
        ('{ "fixed": "kept as it is" }', '{ "fixed": "kept as it is" }'),
    ],
)
def test_a_value_that_is_no_document_or_has_no_placeholder_is_unchanged(value: str, written: str) -> None:
    form = dict(parse_qsl(described((("v", value),), "form").encode(push()).decode("ascii")))
    assert form["v"] == written


@given(anything)
def test_any_text_comes_out_of_a_document_in_a_document_as_it_is(text: str) -> None:
    [(_, value)] = parse_qsl(form_of(INNER).encode(push(text)).decode("ascii"), strict_parsing=True)
    assert json.loads(value)["text"] == text
