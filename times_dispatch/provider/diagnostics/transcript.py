"""The request and the response of one push as text for people, without secrets and with a masked number."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec

from times_dispatch.provider.description.json_template import Number, Object, parse
from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.description.validation import SECRET_WORDS
from times_dispatch.provider.diagnostics.redaction import REDACTED, redact, secrets_of
from times_dispatch.provider.oauth.credentials import ClientCredentials, NoAuthentication
from times_dispatch.provider.push import Push
from times_dispatch.provider.request.payload import Payload

MAX_SHOWN = 2_000
"""The maximum number of characters of a response body that are shown."""

_BEARER = re.compile(r"bearer [\w.~+/=-]+", re.IGNORECASE)


class RecordedResponse(msgspec.Struct, frozen=True):
    """A response of the endpoint, without any redaction."""

    status: int
    body: bytes
    """The body, which may repeat secrets of the request."""
    authorization: str = ""
    """The Authorization header of the request, which the body may repeat."""

    def __repr__(self) -> str:
        return f"RecordedResponse(status={self.status})"


class RecordingTransport(httpx.AsyncBaseTransport):
    """Passes requests on to another transport, and records the last response of the endpoint."""

    def __init__(self, transport: httpx.AsyncBaseTransport, endpoint: str) -> None:
        self.last_response: RecordedResponse | None = None
        self._transport = transport
        self._endpoint = endpoint.partition("?")[0]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on, and record the response if the request went to the endpoint."""
        response = await self._transport.handle_async_request(request)
        if str(request.url).partition("?")[0] == self._endpoint:
            authorization = request.headers.get("Authorization", "")
            self.last_response = RecordedResponse(response.status_code, await response.aread(), authorization)
        return response

    async def aclose(self) -> None:
        """Close the other transport."""
        await self._transport.aclose()


def request_lines(provider: Provider, push: Push, mask: Callable[[str], str]) -> list[str]:
    """Return the lines of a request with an unescaped payload; ``mask`` masks the phone number.

    The request is built again from a description and a message whose secrets are replaced. A search for secrets in the
    real request could miss a secret that is escaped in an unforeseen way.
    """
    masked = msgspec.structs.replace(
        provider,
        username=provider.username and REDACTED,
        password=provider.password and REDACTED,
        secrets=tuple((name, REDACTED) for name, _ in provider.secrets),
        headers=_redact_by_name(provider.headers),
        custom=_redact_by_name(provider.custom),
        auth=NoAuthentication(),
        endpoint=provider.address,
    )
    custom = dict(_redact_by_name(tuple((push.custom or {}).items())))
    request = Payload(masked).request(msgspec.structs.replace(push, to=mask(push.to), custom=custom))
    lines = [f"{provider.method} {provider.address}"]
    lines += [f"{name}: {value}" for name, value in request.envelope.headers]
    if provider.auth.authorization() or isinstance(provider.auth, ClientCredentials):
        lines.append(f"Authorization: {REDACTED}")
    return [*lines, "", *_payload_lines(provider, request.body or request.target.partition("?")[2].encode())]


def response_lines(response: RecordedResponse, provider: Provider, push: Push, mask: Callable[[str], str]) -> list[str]:
    """Return status and body of a response, cut to MAX_SHOWN characters, with secrets and number replaced."""
    text = redact(response.body.decode(errors="replace"), secrets_of(provider, push, response.authorization))
    text = text.replace(push.to, mask(push.to)).replace(push.to[2:], mask(push.to[2:]))
    text = _BEARER.sub(f"Bearer {REDACTED}", text)[:MAX_SHOWN]
    printable = "".join(character if character.isprintable() or character == "\n" else " " for character in text)
    return [f"HTTP {response.status}", *printable.splitlines()]


def _redact_by_name(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Replace the values whose names are typical names of secrets."""
    return tuple((name, REDACTED if value and SECRET_WORDS.search(name) else value) for name, value in pairs)


def _payload_lines(provider: Provider, content: bytes) -> list[str]:
    if provider.encoding == "json":
        return (
            msgspec.json.format(msgspec.json.encode(_redacted(parse(content.decode()))), indent=2).decode().splitlines()
        )
    pairs = _redact_by_name(tuple(parse_qsl(content.decode("ascii"), keep_blank_values=True)))
    return [f"{key} = {value}" for key, value in pairs]


def _redacted(node: Any, *, secret: bool = False) -> Any:
    """Return a JSON document in which all strings below a key that names a secret are replaced, at any depth."""
    match node:
        case Object(pairs):
            return {key: _redacted(value, secret=secret or bool(SECRET_WORDS.search(key))) for key, value in pairs}
        case list():
            return [_redacted(value, secret=secret) for value in node]
        case str() if secret and node:
            return REDACTED
        case Number():
            return msgspec.Raw(node.encode())
        case _:
            return node
