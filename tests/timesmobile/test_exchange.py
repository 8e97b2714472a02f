import base64

import httpx
import pytest

from settings.logs import mask
from timesmobile.authentication import ClientCredentials
from timesmobile.exchange import LONGEST_SHOWN, Answered, Listener, shown_answer, shown_request
from timesmobile.messages import Push
from timesmobile.provider import Encoding, Provider, timesmobile_get, timesmobile_post

SECRETS = ("hush-hush", "shopkeeper", "k3y&+", "c-id", "c-secret", "9876543210")


def push(text: str = "Hi & 1+1") -> Push:
    return Push(
        to="919876543210", text=text, sender="TIMESM", content_id="7", correlation_id="trial000x", unicode=False
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
    shown = "\n".join(shown_request(provider, push(), mask))
    assert "TIMESM" in shown or provider.nickname == "other"
    assert "Hi & 1+1" in shown
    assert "9198*****210" in shown
    login = base64.b64encode(b"shopkeeper:hush-hush").decode()
    assert not [secret for secret in (*SECRETS, "k3y%26", login) if secret in shown]


def test_a_request_is_shown_line_by_line() -> None:
    assert shown_request(other("form"), push(), mask) == [
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
    shown = shown_answer(Answered(401, body), other("form"), push(), mask)
    assert shown[0] == "HTTP 401"
    assert shown[1] == "***:*** *** *** +9198*****210 09876***210"
    assert shown[2] == "Authorization: Bearer *** [31m"


def test_a_long_answer_is_cut_and_one_that_is_no_text_is_shown_all_the_same() -> None:
    shown = shown_answer(Answered(200, b"\xff" * 10_000), other("form"), push(), mask)
    assert len(shown[1]) == LONGEST_SHOWN


async def test_only_the_answer_of_the_endpoint_is_remembered() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(202, text="pushed" if request.url.path == "/send" else "token")

    listener = Listener(httpx.MockTransport(handler), "https://sms.example/send?channel=1")
    await listener.handle_async_request(httpx.Request("POST", "https://sms.example/send?channel=1&x=2"))
    await listener.handle_async_request(httpx.Request("POST", "https://sms.example/token"))
    assert listener.heard == Answered(202, b"pushed")
    await listener.aclose()
