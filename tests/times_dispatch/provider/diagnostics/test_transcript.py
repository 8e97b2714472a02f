import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

import httpx
import msgspec
import pytest

from times_dispatch.provider.description.provider import Encoding, Provider, timesmobile_get, timesmobile_post
from times_dispatch.provider.diagnostics.transcript import (
    MAX_SHOWN,
    RecordedResponse,
    RecordingTransport,
    request_lines,
    response_lines,
)
from times_dispatch.provider.oauth.credentials import BasicAuthentication, ClientCredentials
from times_dispatch.provider.push import Push
from times_dispatch.settings.masking import mask

SECRETS = ("hush-hush", "shopkeeper", "k3y&+", "c-id", "c-secret", "9876543210")


def push(text: str = "Hi & 1+1") -> Push:
    return Push(
        to="919876543210", text=text, sender="TIMESM", content_id="7", correlation_id="sendtestx", unicode=False
    )


def other(encoding: Encoding) -> Provider:
    return Provider(
        nickname="other",
        method="POST",
        endpoint="https://sms.example/send?key=hush-hush",
        encoding=encoding,
        payload=(("to", "+$$To"), ("login", "$$Username:$$Password"), ("k", "$$key"), ("text", "$$Body")),
        username="shopkeeper",
        password="hush-hush",
        secrets=(("key", "k3y&+"),),
        headers=(("X-Key", "$$key"), ("X-Api-Key", "hush-hush"), ("X-Unit", "a")),
        auth=ClientCredentials(token_url="https://sms.example/token", client_id="c-id", client_secret="c-secret"),
    )


PROVIDERS = [
    timesmobile_post(nickname="tm", username="shopkeeper", password="hush-hush"),
    timesmobile_get(nickname="tm", username="shopkeeper", password="hush-hush"),
    other("json"),
    other("form"),
    other("query"),
]


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: f"{provider.nickname}-{provider.encoding}")
def test_a_request_is_shown_without_anything_secret_in_any_escaping(provider: Provider) -> None:
    shown = "\n".join(request_lines(provider, push(), mask))
    assert "TIMESM" in shown or provider.nickname == "other"
    assert "Hi & 1+1" in shown
    assert "9198*****210" in shown
    login = base64.b64encode(b"shopkeeper:hush-hush").decode()
    assert not [secret for secret in (*SECRETS, "k3y%26", login) if secret in shown]


def test_a_request_is_shown_line_by_line() -> None:
    assert request_lines(other("form"), push(), mask) == [
        "POST https://sms.example/send",
        "X-Key: ***",
        "X-Api-Key: ***",
        "X-Unit: a",
        "Content-Type: application/x-www-form-urlencoded",
        "Authorization: ***",
        "",
        "to = +9198*****210",
        "login = ***:***",
        "k = ***",
        "text = Hi & 1+1",
    ]


def test_an_answer_is_shown_without_what_it_repeats() -> None:
    body = b"shopkeeper:hush-hush k3y&+ c-secret +919876543210 09876543210\nAuthorization: Bearer abc.def\x1b[31m"
    shown = response_lines(RecordedResponse(401, body), other("form"), push(), mask)
    assert shown[0] == "HTTP 401"
    assert shown[1] == "***:*** *** *** +9198*****210 09876***210"
    assert shown[2] == "Authorization: Bearer *** [31m"


PASSWORD = "p@ss w&\"rd/'é"
LOGIN = base64.b64encode(f"acct:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    "repeated",
    [
        PASSWORD,
        quote(PASSWORD, safe=""),
        quote(PASSWORD),
        quote(PASSWORD, safe="'").lower(),
        quote_plus(PASSWORD),
        json.dumps(PASSWORD),
        json.dumps(PASSWORD, ensure_ascii=False),
        json.dumps(PASSWORD).replace("/", r"\/"),
        json.dumps(json.dumps(PASSWORD)),
        html.escape(PASSWORD),
        html.escape(PASSWORD).replace("&quot;", "&#34;").replace("&#x27;", "&#039;"),
        f"Basic {LOGIN}",
        LOGIN.rstrip("="),
        base64.b64encode(PASSWORD.encode()).decode(),
        "LITERALSECRET",
        "HEADERSECRET",
        "DEEPSECRET",
        "CUSTOMSECRET",
        "QUERYSECRET",
        "a-granted-token",
    ],
)
def test_an_answer_that_repeats_a_secret_in_another_form_is_shown_without_it(repeated: str) -> None:
    provider = Provider(
        nickname="echo",
        method="POST",
        endpoint="https://sms.example/send?token=QUERYSECRET&unit=a",
        encoding="json",
        payload='{"to": "$$To", "authkey": "LITERALSECRET", "credentials": {"of": ["DEEPSECRET"]}, "text": "$$Body"}',
        username="acct",
        password=PASSWORD,
        headers=(("Authorization", "ApiKey HEADERSECRET"),),
        auth=BasicAuthentication("acct", PASSWORD),
    )
    sent = msgspec.structs.replace(push(), custom={"token": "CUSTOMSECRET"})
    answered = RecordedResponse(401, f"begin {repeated} end".encode(), "Bearer a-granted-token")

    [_, shown] = response_lines(answered, provider, sent, mask)

    assert re.fullmatch(r'begin ["\\]*\*\*\*["\\=]* end', shown)


def test_a_secret_at_the_place_where_a_long_answer_is_cut_is_hidden_whole() -> None:
    body = b"." * (MAX_SHOWN - 4) + b"hush-hush"

    assert response_lines(RecordedResponse(200, body), other("form"), push(), mask)[1] == "." * (MAX_SHOWN - 4) + "***"


@pytest.mark.parametrize("encoding", ["json", "form", "query"])
def test_a_request_hides_written_out_values_under_the_name_of_a_secret(encoding: Encoding) -> None:
    provider = msgspec.structs.replace(
        other(encoding),
        payload=(("to", "$$To"), ("authkey", "LITERALSECRET"), ("v", "$$api_key$$token"), ("text", "$$Body")),
        custom=(("api_key", "CUSTOMSECRET"),),
    )
    shown = "\n".join(request_lines(provider, msgspec.structs.replace(push(), custom={"token": "OWNSECRET"}), mask))

    assert "authkey" in shown
    assert "SECRET" not in shown


def test_a_document_hides_all_that_stands_under_the_name_of_a_secret_and_shows_the_rest_as_it_is_written() -> None:
    payload = '{"to": "$$To", "n": 1.50, "auth": {"a": "DEEPSECRET", "b": [777], "c": ""}, "text": "$$Body"}'
    shown = "\n".join(request_lines(msgspec.structs.replace(other("json"), payload=payload), push(), mask))

    assert '"n": 1.50' in shown
    assert '"c": ""' in shown
    assert "DEEPSECRET" not in shown
    assert "777" not in shown


def test_an_answer_does_not_show_itself() -> None:
    assert repr(RecordedResponse(200, b"hush-hush", "Bearer t")) == "RecordedResponse(status=200)"


def test_a_long_answer_is_cut_and_one_that_is_no_text_is_shown_all_the_same() -> None:
    shown = response_lines(RecordedResponse(200, b"\xff" * 10_000), other("form"), push(), mask)
    assert len(shown[1]) == MAX_SHOWN


async def test_only_the_answer_of_the_endpoint_is_remembered() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(202, text="pushed" if request.url.path == "/send" else "token")

    transport = RecordingTransport(httpx.MockTransport(handler), "https://sms.example/send?channel=1")
    proof = {"Authorization": "Bearer t"}
    await transport.handle_async_request(httpx.Request("POST", "https://sms.example/send?channel=1&x=2", headers=proof))
    await transport.handle_async_request(httpx.Request("POST", "https://sms.example/token"))
    assert transport.last_response == RecordedResponse(202, b"pushed", "Bearer t")
    await transport.handle_async_request(httpx.Request("POST", "https://sms.example/send"))
    assert transport.last_response == RecordedResponse(202, b"pushed")
    await transport.aclose()
