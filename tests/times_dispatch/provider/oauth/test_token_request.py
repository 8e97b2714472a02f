import json
from urllib.parse import parse_qsl

import pytest

from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.oauth.token_request import (
    DEFAULT_LIFETIME_S,
    MAX_LIFETIME_S,
    MIN_LIFETIME_S,
    TokenEndpointUnavailable,
    TokenGranted,
    TokenRefused,
    read_response,
    token_request,
)


def credentials(**changes: object) -> ClientCredentials:
    given = {"token_url": "https://sms.example/token?tenant=a", "client_id": "c:d", "client_secret": "p&s +", **changes}
    return ClientCredentials(**given)  # type: ignore[arg-type]


def test_id_and_secret_are_form_encoded_before_they_are_the_login() -> None:
    request = token_request(credentials(), timeout_s=3)
    assert request.headers["authorization"] == "Basic YyUzQWQ6cCUyNnMrJTJC"  # c%3Ad:p%26s+%2B, RFC 6749 section 2.3.1
    assert request.content == b"grant_type=client_credentials"
    assert request.extensions["timeout"]["connect"] == 3


def test_id_and_secret_may_go_in_the_body_with_further_values() -> None:
    request = token_request(credentials(in_body=True, extra=(("scope", "a b"), ("audience", "x&y=z"))), timeout_s=3)
    assert "authorization" not in request.headers
    assert parse_qsl(request.content.decode(), strict_parsing=True) == [
        ("grant_type", "client_credentials"),
        ("client_id", "c:d"),
        ("client_secret", "p&s +"),
        ("scope", "a b"),
        ("audience", "x&y=z"),
    ]


@pytest.mark.parametrize(
    ("said", "lifetime_s"),
    [
        ({"expires_in": 3600}, 3600),
        ({"expires_in": "3600"}, 3600),
        ({"expires_in": 0.25}, MIN_LIFETIME_S),
        ({"expires_in": 10**9}, MAX_LIFETIME_S),
        ({}, DEFAULT_LIFETIME_S),
        ({"expires_in": None}, DEFAULT_LIFETIME_S),
        ({"expires_in": "soon"}, DEFAULT_LIFETIME_S),
        ({"expires_in": 0}, DEFAULT_LIFETIME_S),
        ({"expires_in": -5}, DEFAULT_LIFETIME_S),
        ({"expires_in": "nan"}, DEFAULT_LIFETIME_S),
    ],
)
def test_a_token_is_good_for_as_long_as_the_server_says(said: dict[str, object], lifetime_s: float) -> None:
    body = json.dumps({"access_token": "t", "token_type": "Bearer", **said}).encode()
    assert read_response(200, body) == TokenGranted("Bearer t", lifetime_s)


def test_a_token_without_a_type_is_a_bearer() -> None:
    assert read_response(200, b'{"access_token":"t","expires_in":60}') == TokenGranted("Bearer t", 60)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404])
def test_a_refusal_of_the_token_server_is_a_refusal(status: int) -> None:
    assert read_response(status, b'{"error":"invalid_scope"}') == TokenRefused(f"HTTP {status}: invalid_scope")
    assert read_response(status, b"<html>") == TokenRefused(f"HTTP {status}")


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER", "BearerToken", "bearer_token"])
def test_the_type_bearer_may_have_any_case(kind: str) -> None:
    assert read_response(200, json.dumps({"access_token": "t", "token_type": kind}).encode()) == TokenGranted(
        "Bearer t", DEFAULT_LIFETIME_S
    )


@pytest.mark.parametrize("kind", ["mac", "", "token", "no bearer", None, 5])
def test_a_token_of_another_type_cannot_be_used(kind: object) -> None:
    answer = read_response(200, json.dumps({"access_token": "t", "token_type": kind}).encode())
    assert answer == TokenRefused("the token is of a type that is not Bearer")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_an_error_that_may_pass_by_itself_is_no_refusal(status: int) -> None:
    assert read_response(status, b"") == TokenEndpointUnavailable(f"HTTP {status}")


@pytest.mark.parametrize("error", ["Invalid secret p&s", "x" * 41, 5, None])
def test_the_token_servers_own_words_are_not_repeated(error: object) -> None:
    assert read_response(401, json.dumps({"error": error}).encode()) == TokenRefused("HTTP 401")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b"{", b'{"access_token":5}', b'{"access_token":""}', b"[" * 10_000]
)
def test_an_answer_without_a_token_is_none(body: bytes) -> None:
    assert isinstance(read_response(200, body), TokenEndpointUnavailable)
