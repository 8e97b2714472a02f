import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.scripted_server import ScriptedConnection, serving
from times_dispatch.provider.description.provider import Provider, timesmobile_post
from times_dispatch.provider.diagnostics.probe import probe_provider
from times_dispatch.provider.oauth.credentials import ClientCredentials

Script = Callable[[ScriptedConnection], Any]


def provider(endpoint: str, **changes: Any) -> Provider:
    return timesmobile_post(nickname="tm", username="user", password="hush", endpoint=endpoint, **changes)


def saying(status: str, body: bytes = b"") -> Script:
    async def say(connection: ScriptedConnection) -> None:
        while True:
            await connection.request()
            await connection.answer(body, status=status)

    return say


@pytest.mark.parametrize(
    ("status", "ok", "says"),
    [
        ("204 No Content", True, "answers OPTIONS with HTTP 204"),
        ("405 Method Not Allowed", True, "answers OPTIONS with HTTP 405"),
        ("401 Unauthorized", True, "answers OPTIONS with HTTP 401"),
        ("404 Not Found", True, "look at the path again, its case counts"),
        ("502 Bad Gateway", False, "answers OPTIONS with HTTP 502"),
    ],
)
async def test_the_probe_asks_without_sending_a_message(status: str, ok: bool, says: str) -> None:
    async with serving(saying(status)) as server:
        (result,) = await probe_provider(provider(f"{server.url}?key=hush"))
    assert result.ok is ok
    assert says in result.message
    (received,) = server.received
    assert received.line == "OPTIONS /ct/api/v1/message HTTP/1.1"
    assert received.body == b""
    assert not [name for name in received.headers if name.lower() == "authorization"]
    assert "hush" not in result.message + repr(received)


async def test_the_probe_says_why_the_provider_cannot_be_reached() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # the socket does not listen
        (result,) = await probe_provider(provider(f"http://127.0.0.1:{bound.getsockname()[1]}/x"))
    assert not result.ok
    assert result.message.endswith("/x: connection refused")


async def test_a_plain_server_behind_https_is_found_out() -> None:
    async def speak_plainly(connection: ScriptedConnection) -> None:
        await connection.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(speak_plainly) as server:
        (result,) = await probe_provider(provider(server.url.replace("http:", "https:")))
    assert not result.ok
    assert result.message.endswith("the TLS or proxy handshake failed")


@pytest.mark.parametrize(
    ("status", "body", "ok", "says"),
    [
        ("200 OK", b'{"access_token":"t0ken","expires_in":60}', True, "/ct/api/v1/message grants a token"),
        ("401 No", b'{"error":"invalid_client"}', False, ": token refused: HTTP 401: invalid_client"),
        ("503 No", b"", False, ": no token: HTTP 503"),
    ],
)
async def test_a_token_is_asked_for_where_one_is_needed(status: str, body: bytes, ok: bool, says: str) -> None:
    async with serving(saying(status, body)) as server:
        described = Provider(
            nickname="other",
            method="POST",
            endpoint=server.url,
            encoding="form",
            payload=(("to", "$$To"), ("text", "$$Body")),
            auth=ClientCredentials(token_url=f"{server.url}?tenant=hush", client_id="c", client_secret="hush"),
        )
        token, endpoint = await probe_provider(described)
    assert token.ok is ok
    assert token.message.endswith(says)
    assert "hush" not in token.message + endpoint.message
    assert "t0ken" not in token.message
