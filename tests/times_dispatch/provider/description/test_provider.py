from collections.abc import Callable
from typing import Any

import pytest

from times_dispatch.provider.description.provider import Provider, timesmobile_get, timesmobile_post
from times_dispatch.provider.description.validation import problems, warnings
from times_dispatch.provider.oauth.credentials import BasicAuthentication

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
        secrets=(("pin", "c-secret"),),
        proxy="http://x-secret:x-secret@localhost:1",
    )


def test_the_post_preset_needs_only_credentials() -> None:
    preset = timesmobile_post(nickname="tm", username="u", password="p")
    assert problems(preset) == warnings(preset) == []
    assert (preset.method, preset.endpoint) == ("POST", "https://bsms.timesapi.in/ct/api/v1/message")
    assert preset.auth.authorization() == "Basic dTpw"
    assert (preset.connect_timeout_s, preset.total_timeout_s) == (5.0, 15.0)


def test_the_get_preset_needs_only_credentials() -> None:
    preset = timesmobile_get(nickname="tm", username="u", password="p")
    assert problems(preset) == warnings(preset) == []
    assert (preset.method, preset.endpoint) == ("GET", "https://bsms.timesapi.in/ct/api/v1/send")
    assert preset.auth.authorization() == ""


@pytest.mark.parametrize("preset", [timesmobile_get, timesmobile_post])
def test_a_preset_takes_another_endpoint(preset: Callable[..., Provider]) -> None:
    assert preset(nickname="tm", username="u", password="p", endpoint="http://localhost:1/x").endpoint.endswith("/x")


@pytest.mark.parametrize("show", [repr, str, lambda shown: repr(shown.__rich_repr__())])
def test_no_representation_shows_a_secret(show: Callable[[Any], str]) -> None:
    shown = show(secretive()) + show(secretive().auth)
    assert "other" in shown
    assert not [secret for secret in SECRETS if secret in shown]


def test_an_address_that_is_shown_holds_neither_query_nor_credentials() -> None:
    assert provider(endpoint="https://p-secret:x@sms.example/send?key=q-secret").address == "https://sms.example/send"
