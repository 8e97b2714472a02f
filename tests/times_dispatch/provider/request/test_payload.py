import json
from collections.abc import Sequence
from urllib.parse import parse_qsl, unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.provider.description.placeholders import PushUnsendable
from times_dispatch.provider.description.provider import Encoding, Provider, timesmobile_get, timesmobile_post
from times_dispatch.provider.push import Push
from times_dispatch.provider.request.payload import Payload

KEYS = ["username", "password", "unicode", "from", "to", "text", "dltContentId", "corelationid"]

POST = Payload(timesmobile_post(nickname="tm", username="user", password="pass"))
GET = Payload(timesmobile_get(nickname="tm", username="user", password="pass"))

unpaired = "\ud83d"
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def push(
    text: str = "Hi",
    *,
    to: str = "919876543210",
    unicode: bool = False,
    custom: dict[str, str] | None = None,
    variables: Sequence[str] = (),
) -> Push:
    return Push(
        to=to,
        text=text,
        sender="TIMESM",
        content_id="1207161234567890123",
        correlation_id="abcdefgh000001a1",
        unicode=unicode,
        campaign="abcdefgh",
        entity_id="1201159134572839402",
        variables=variables,
        custom=custom,
    )


def described(payload: tuple[tuple[str, str], ...], encoding: Encoding = "json", **more: object) -> Payload:
    needed = (("to", "$$To"), ("text", "$$Body"))
    return Payload(
        Provider(
            nickname="other",
            method="POST",
            endpoint="https://sms.example/send",
            encoding=encoding,
            payload=payload + needed,
            **more,  # type: ignore[arg-type]
        )
    )


def test_a_post_carries_the_eight_keys_in_order_as_strings() -> None:
    assert POST.encode(push("Dear Asha")) == (
        b'{"username":"user","password":"pass","unicode":"false","from":"TIMESM","to":"919876543210",'
        b'"text":"Dear Asha","dltContentId":"1207161234567890123","corelationid":"abcdefgh000001a1"}'
    )


def test_a_get_carries_the_eight_keys_in_order_as_its_query() -> None:
    assert GET.request(push("Dear Asha", to="+919876543210")).target == (
        "https://bsms.timesapi.in/ct/api/v1/send?username=user&password=pass&unicode=false&from=TIMESM"
        "&to=%2B919876543210&text=Dear%20Asha&dltContentId=1207161234567890123&corelationid=abcdefgh000001a1"
    )


def test_unicode_is_the_string_true() -> None:
    assert json.loads(POST.encode(push("नमस्ते", unicode=True)))["unicode"] == "true"
    assert b"&unicode=true&" in GET.encode(push("नमस्ते", unicode=True))


HOSTILE = pytest.mark.parametrize(
    ("text", "in_json", "in_query"),
    [
        ('say "hi"', rb"say \"hi\"", b"say%20%22hi%22"),
        ("back\\slash", rb"back\\slash", b"back%5Cslash"),
        ("Mr $$To, $$Password", b"Mr $$To, $$Password", b"Mr%20%24%24To%2C%20%24%24Password"),
        ("R&D=1", b"R&D=1", b"R%26D%3D1"),
        ("1+1", b"1+1", b"1%2B1"),
        ("100% %b %s", b"100% %b %s", b"100%25%20%25b%20%25s"),
        ("a\r\nb\tc", rb"a\r\nb\tc", b"a%0D%0Ab%09c"),
        ("😀", "😀".encode(), b"%F0%9F%98%80"),
        ("नमस्ते", "नमस्ते".encode(), b"%E0%A4%A8%E0%A4%AE%E0%A4%B8%E0%A5%8D%E0%A4%A4%E0%A5%87"),
        ("\x00", rb"\u0000", b"%00"),
        ("\u2028", "\u2028".encode(), b"%E2%80%A8"),
        ('","to":"910000000000', rb"\",\"to\":\"910000000000", b"%22%2C%22to%22%3A%22910000000000"),
        ("x#y?z/é;~", "x#y?z/é;~".encode(), b"x%23y%3Fz%2F%C3%A9%3B~"),
        ("x" * 2000, b"x" * 2000, b"x" * 2000),
        ("é" * 2000, "é".encode() * 2000, b"%C3%A9" * 2000),
    ],
)


@HOSTILE
def test_a_hostile_text_stays_a_text(text: str, in_json: bytes, in_query: bytes) -> None:
    assert POST.encode(push(text)) == POST.encode(push("~~")).replace(b"~~", in_json)
    assert GET.encode(push(text)) == GET.encode(push("~~")).replace(b"~~", in_query)


DOCUMENT = """
{
  "messages": [
    {"to": ["+$$To"], "body": {"text": "$$Body", "n": 1.50, "big": 12345678901234567890, "flash": false, "x": null}},
    [],
    {}
  ],
  "%s": "100% of $$name"
}
"""
NESTED = Payload(
    Provider(nickname="nested", method="POST", endpoint="https://sms.example/", encoding="json", payload=DOCUMENT)
)


@HOSTILE
def test_a_hostile_text_stays_a_text_deep_in_a_document_and_in_a_form(
    text: str, in_json: bytes, in_query: bytes
) -> None:
    message = push(text, custom={"name": text})
    assert NESTED.encode(message) == (
        b'{"messages":[{"to":["+919876543210"],"body":{"text":"' + in_json + b'","n":1.50,"big":12345678901234567890,'
        b'"flash":false,"x":null}},[],{}],"%s":"100% of ' + in_json + b'"}'
    )
    form = described((("name", "100% of $$name"),), "form")
    assert form.encode(message) == (b"name=100%25%20of%20" + in_query + b"&to=919876543210&text=" + in_query)


@HOSTILE
def test_a_hostile_value_of_a_slot_moves_no_other(text: str, in_json: bytes, in_query: bytes) -> None:
    message = push(variables=["a", text, "b"])
    array = b'["a","' + in_json + b'","b"]'
    template = (("all", "$$TemplateVariables"), ("in_text", "v: $$TemplateVariables"))
    body = described(template).encode(message)
    assert body.startswith(b'{"all":' + array + b',"in_text":')
    assert json.loads(json.loads(body)["in_text"].removeprefix("v: ")) == ["a", text, "b"]
    form = dict(parse_qsl(described(template, "form").encode(message).decode("ascii"), strict_parsing=True))
    assert form["all"].encode() == array


@given(st.lists(anything, max_size=4))
def test_any_values_of_slots_come_out_as_they_are(variables: list[str]) -> None:
    body = described((("all", "$$TemplateVariables"),)).encode(push(variables=variables))
    assert json.loads(body)["all"] == variables


@given(anything, anything)
def test_a_document_gives_back_exactly_the_values(text: str, name: str) -> None:
    body = json.loads(NESTED.encode(push(text, custom={"name": name})))
    assert body["messages"][0]["body"]["text"] == text
    assert body["%s"] == f"100% of {name}"


def test_a_header_may_differ_from_push_to_push() -> None:
    headers = (("X-Ref", "r-$$MessageID"), ("X-Key", "k $$Password"), ("X-Same", "1%"))
    payload = described((), "form", headers=headers, username="u", password="p%s")
    request = payload.request(push())
    assert list(request.headers.items())[1:] == [
        ("x-key", "k p%s"),
        ("x-same", "1%"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-ref", "r-abcdefgh000001a1"),
        ("content-length", str(len(request.content))),
    ]
    same = described((), "form", headers=headers[1:])
    assert same.request(push()).envelope is same.request(push("x")).envelope


@pytest.mark.parametrize("value", ["a\r\nEvil: 1", "a\nb", "a\rb", "\x00", "\x7f", "é", "₹", "😀"])
def test_a_header_takes_no_value_that_nothing_can_escape(value: str) -> None:
    payload = described((), "form", headers=(("X-Name", "n $$name"),))
    with pytest.raises(PushUnsendable) as refused:
        payload.request(push(custom={"name": value}))
    assert value not in str(refused.value)
    assert payload.request(push(custom={"name": 'Asha "A" & Co'})).headers["x-name"] == 'n Asha "A" & Co'


def test_a_push_cannot_take_the_place_of_a_secret_or_of_a_placeholder_with_a_meaning() -> None:
    payload = described((("all", "$$To $$Password $$api_key"),), password="p", secrets=(("api_key", "s3cret"),))
    message = push(custom={"To": "910000000000", "Password": "x", "api_key": "y"})
    assert json.loads(payload.encode(message))["all"] == "919876543210 p s3cret"


def test_an_authorization_holds_for_the_pushes_from_then_on() -> None:
    payload = described(())
    assert "authorization" not in payload.request(push()).headers
    first = payload.request(push(), authorization="Bearer one")
    assert first.headers["authorization"] == "Bearer one"
    assert payload.request(push(), authorization="Bearer one").envelope is first.envelope
    assert payload.request(push(), authorization="Bearer two").headers["authorization"] == "Bearer two"
    assert first.headers["authorization"] == "Bearer one"


@given(anything, anything, anything, anything, st.booleans())
def test_json_gives_back_exactly_the_values(to: str, text: str, username: str, password: str, unicode: bool) -> None:
    payload = Payload(timesmobile_post(nickname="tm", username=username, password=password))
    body = json.loads(payload.encode(push(text, to=to, unicode=unicode)))
    assert list(body) == KEYS
    assert [body[key] for key in ("username", "password", "to", "text")] == [username, password, to, text]


@given(anything, anything, anything, anything, st.booleans())
def test_a_query_gives_back_exactly_the_values(to: str, text: str, username: str, password: str, unicode: bool) -> None:
    payload = Payload(timesmobile_get(nickname="tm", username=username, password=password))
    query = payload.encode(push(text, to=to, unicode=unicode)).decode("ascii")
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")
    assert [key for key, _ in pairs] == KEYS
    values = dict(pairs)
    assert [values[key] for key in ("username", "password", "to", "text")] == [username, password, to, text]


names = st.sampled_from(["To", "Body", "From", "pin"])
literals = anything.filter(lambda text: "$" not in text)


@given(st.lists(st.tuples(literals, names)), anything, anything)
def test_a_template_is_filled_in_once_whatever_surrounds_its_placeholders(
    pieces: list[tuple[str, str]], text: str, pin: str
) -> None:
    # Without the blank after each name, the next literal could make the name longer.
    template = "".join(f"{literal}$${name} " for literal, name in pieces)
    message = push(text, custom={"pin": pin})
    filled = {"To": message.to, "Body": text, "From": message.sender, "pin": pin}
    expected = "".join(f"{literal}{filled[name]} " for literal, name in pieces)
    assert json.loads(described((("x", template),)).encode(message))["x"] == expected
    form = described((("x", template),), "form").encode(message).decode("ascii")
    assert dict(parse_qsl(form, keep_blank_values=True, strict_parsing=True))["x"] == expected


def test_all_placeholders_are_known() -> None:
    template = "$$To $$Body $$TemplateID $$MessageID $$CampaignID $$From $$EntityID $$Unicode $$Username $$Password"
    payload = described((("all", template),), username="u", password="p")
    assert json.loads(payload.encode(push()))["all"] == (
        "919876543210 Hi 1207161234567890123 abcdefgh000001a1 abcdefgh TIMESM 1201159134572839402 false u p"
    )


def test_a_custom_value_comes_from_the_push_before_the_provider() -> None:
    payload = described((("route", "r-$$route"),), custom=(("route", "1"),))
    assert json.loads(payload.encode(push()))["route"] == "r-1"
    assert json.loads(payload.encode(push(custom={"other": "3"})))["route"] == "r-1"
    assert json.loads(payload.encode(push(custom={"route": "2"})))["route"] == "r-2"


def test_a_custom_value_that_nobody_gives_makes_the_push_unsendable() -> None:
    with pytest.raises(PushUnsendable, match=r"\$\$route"):
        described((("route", "$$route"),)).encode(push())


@pytest.mark.parametrize("payload", [POST, GET])
def test_an_unpaired_surrogate_cannot_be_encoded(payload: Payload) -> None:
    with pytest.raises(UnicodeEncodeError):
        payload.encode(push(unpaired))


def test_a_key_is_escaped_too() -> None:
    assert json.loads(described((('a"b%', "1"),)).encode(push()))['a"b%'] == "1"
    assert described((("a&b", "1"),), "form").encode(push()).startswith(b"a%26b=1&")


def test_a_form_goes_into_the_body_with_its_content_type() -> None:
    request = described((("key", "a b"),), "form").request(push("1+1"))
    assert request.content == b"key=a%20b&to=919876543210&text=1%2B1"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert str(request.url) == "https://sms.example/send"


def test_a_content_type_that_is_given_stays() -> None:
    request = described((), "json", headers=(("content-type", "text/plain"),)).request(push())
    assert request.headers.get_list("content-type") == ["text/plain"]


def test_a_query_is_added_to_one_that_the_endpoint_has() -> None:
    preset = timesmobile_get(nickname="tm", username="u", password="p", endpoint="https://sms.example/send?channel=1")
    assert Payload(preset).request(push()).target.startswith("https://sms.example/send?channel=1&username=u&")


def test_any_transport_finds_a_whole_post_request() -> None:
    request = POST.request(push())
    assert isinstance(request, httpx.Request)
    assert request.method == "POST"
    assert request.url == "https://bsms.timesapi.in/ct/api/v1/message"
    assert dict(request.headers) == {
        "host": "bsms.timesapi.in",
        "content-type": "application/JSON",
        "accept": "application/JSON",
        "authorization": "Basic dXNlcjpwYXNz",
        "content-length": str(len(request.content)),
    }
    assert request.content == POST.encode(push())
    assert request.extensions["timeout"] == {"connect": 5.0, "pool": 5.0, "read": 15.0, "write": 15.0}
    with pytest.raises(AttributeError):
        request.no_such_thing  # noqa: B018


def test_any_transport_finds_a_whole_get_request() -> None:
    request = GET.request(push("Ärger & Co"))
    assert request.url.raw_path.partition(b"?")[2] == GET.encode(push("Ärger & Co"))
    assert unquote(request.url.query.decode()).endswith("corelationid=abcdefgh000001a1")
    assert request.content == b""
    assert "authorization" not in request.headers


def test_no_representation_of_a_request_shows_its_query_or_its_headers() -> None:
    for request in (GET.request(push()), POST.request(push())):
        shown = repr(request) + str(request) + repr(request.envelope)
        assert "bsms.timesapi.in" in shown
        assert "pass" not in shown
        assert "dXNlcjpwYXNz" not in shown
