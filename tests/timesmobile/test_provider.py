from collections.abc import Callable
from typing import Any

import pytest

from timesmobile.messages import Push
from timesmobile.payload import Payload
from timesmobile.provider import (
    BasicAuthentication,
    NoAuthentication,
    Provider,
    ProviderInvalid,
    problems,
    timesmobile_get,
    timesmobile_post,
)

SECRETS = ("u-secret", "p-secret", "h-secret", "c-secret", "x-secret", "q-secret")


def provider(**changes: object) -> Provider:
    given: dict[str, object] = {
        "nickname": "other",
        "method": "POST",
        "endpoint": "https://sms.example/send",
        "encoding": "form",
        "payload": (("mobile", "$$To"), ("message", "$$Body")),
    }
    return Provider(**(given | changes))  # type: ignore[arg-type]


def secretive() -> Provider:
    return provider(
        endpoint="https://sms.example/send?key=q-secret",
        username="u-secret",
        password="p-secret",
        auth=BasicAuthentication("u-secret", "p-secret"),
        headers=(("X-Key", "h-secret"),),
        custom=(("pin", "c-secret"),),
        proxy="http://x-secret:x-secret@localhost:1",
    )


def test_the_post_preset_needs_only_credentials() -> None:
    preset = timesmobile_post(nickname="tm", username="u", password="p")
    assert problems(preset) == []
    assert (preset.method, preset.endpoint) == ("POST", "https://bsms.timesapi.in/ct/api/v1/message")
    assert preset.auth.authorization() == "Basic dTpw"
    assert (preset.connect_timeout_s, preset.total_timeout_s) == (5.0, 15.0)


def test_the_get_preset_needs_only_credentials() -> None:
    preset = timesmobile_get(nickname="tm", username="u", password="p")
    assert problems(preset) == []
    assert (preset.method, preset.endpoint) == ("GET", "https://bsms.timesapi.in/ct/api/v1/send")
    assert preset.auth.authorization() == ""


@pytest.mark.parametrize("preset", [timesmobile_get, timesmobile_post])
def test_a_preset_takes_another_endpoint(preset: Callable[..., Provider]) -> None:
    assert preset(nickname="tm", username="u", password="p", endpoint="http://localhost:1/x").endpoint.endswith("/x")


def test_basic_credentials_are_utf8() -> None:
    assert BasicAuthentication("शा", "ß").authorization() == "Basic 4KS24KS+OsOf"


@pytest.mark.parametrize("show", [repr, str, lambda shown: repr(shown.__rich_repr__())])
def test_no_representation_shows_a_secret(show: Callable[[Any], str]) -> None:
    shown = show(secretive()) + show(secretive().auth)
    assert "other" in shown
    assert not [secret for secret in SECRETS if secret in shown]


def test_a_push_shows_neither_number_nor_text() -> None:
    push = Push(to="919876543210", text="Hi Asha", sender="TIMESM", content_id="1", correlation_id="c1", unicode=False)
    for shown in (repr(push), str(push), repr(push.__rich_repr__())):
        assert "c1" in shown
        assert "9876543210" not in shown
        assert "Asha" not in shown


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"endpoint": "ftp://sms.example/send"}, "endpoint must be an http"),
        ({"endpoint": "sms.example/send"}, "endpoint must be an http"),
        ({"endpoint": "https:///send"}, "endpoint must be an http"),
        ({"endpoint": "https://sms.example:99999/send"}, "endpoint must be an http"),
        ({"endpoint": "https://p-secret:x@sms.example/send"}, "endpoint must not hold credentials"),
        ({"endpoint": "https://sms.example/send#here"}, "endpoint must hold neither #"),
        ({"endpoint": "https://sms.example/send?to=$$To"}, "endpoint must hold neither #"),
        ({"proxy": "localhost:8080"}, "proxy must be an http"),
        ({"headers": (("X Key", "v"),)}, "header 'X Key'"),
        ({"headers": (("X-Key", "p-secret\r\nEvil: 1"),)}, "header X-Key: the value"),
        ({"headers": (("X-Key", "p-secret ₹"),)}, "header X-Key: the value"),
        ({"method": "GET"}, "a GET carries its payload in the query"),
        ({"payload": (("message", "$$Body"),)}, "the payload needs $$To"),
        ({"payload": (("mobile", "$$Tom"), ("message", "$$Body"))}, "the payload needs $$To"),
        ({"payload": (("mobile", "$$To"),)}, "the payload needs $$Body or $$TemplateID"),
        ({"connect_timeout_s": 0}, "connect_timeout_s"),
        ({"connect_timeout_s": 15.1}, "connect_timeout_s"),
        ({"max_connections": 0}, "max_connections"),
    ],
)
def test_what_cannot_work_is_named_without_its_secrets(changes: dict[str, object], problem: str) -> None:
    found = problems(provider(**changes))
    assert [sentence for sentence in found if sentence.startswith(problem)]
    assert "secret" not in " ".join(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": (("mobile", "$$To"), ("template", "$$TemplateID"))},
        {"encoding": "query", "method": "GET"},
        {"encoding": "query", "method": "POST"},
        {"encoding": "json", "auth": NoAuthentication()},
        {"connect_timeout_s": 15.0},
        {"max_connections": 1},
        {"endpoint": "http://[::1]:8080/send?channel=1"},
    ],
)
def test_what_can_work_is_let_be(changes: dict[str, object]) -> None:
    assert problems(provider(**changes)) == []


def test_all_problems_come_at_once() -> None:
    with pytest.raises(ProviderInvalid, match=r"^provider other: .*\$\$To.*max_connections") as caught:
        Payload(provider(payload=(), max_connections=0))
    assert len(caught.value.problems) == 3
