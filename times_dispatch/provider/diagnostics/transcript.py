"""One push as it went over the wire, to be shown: with nothing secret in it, and the number masked."""

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

LONGEST_SHOWN = 2_000
"""Characters of an answer."""

_BEARER = re.compile(r"bearer [\w.~+/=-]+", re.IGNORECASE)


class Answered(msgspec.Struct, frozen=True):
    """An answer."""

    status: int
    body: bytes
    """As it came; may repeat what is secret."""
    authorization: str = ""
    """The header of the request that was answered, which the answer may repeat."""

    def __repr__(self) -> str:
        return f"Answered(status={self.status})"


class RecordingTransport(httpx.AsyncBaseTransport):
    """Passes requests on to another transport, and remembers the last answer of the endpoint."""

    def __init__(self, transport: httpx.AsyncBaseTransport, endpoint: str) -> None:
        self.heard: Answered | None = None
        self._transport = transport
        self._endpoint = endpoint.partition("?")[0]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        response = await self._transport.handle_async_request(request)
        if str(request.url).partition("?")[0] == self._endpoint:
            authorization = request.headers.get("Authorization", "")
            self.heard = Answered(response.status_code, await response.aread(), authorization)
        return response

    async def aclose(self) -> None:
        """Close the other transport."""
        await self._transport.aclose()


def shown_request(provider: Provider, push: Push, mask: Callable[[str], str]) -> list[str]:
    """Return the lines of a request, with the payload unescaped: for people, not for a socket.

    It is built anew from a description and a message without secrets, and not by hiding what was found: so no form of
    escaping can let one slip through.
    """
    masked = msgspec.structs.replace(
        provider,
        username=provider.username and REDACTED,
        password=provider.password and REDACTED,
        secrets=tuple((name, REDACTED) for name, _ in provider.secrets),
        headers=_named(provider.headers),
        custom=_named(provider.custom),
        auth=NoAuthentication(),
        endpoint=provider.address,
    )
    custom = dict(_named(tuple((push.custom or {}).items())))
    request = Payload(masked).request(msgspec.structs.replace(push, to=mask(push.to), custom=custom))
    lines = [f"{provider.method} {provider.address}"]
    lines += [f"{name}: {value}" for name, value in request.envelope.headers]
    if provider.auth.authorization() or isinstance(provider.auth, ClientCredentials):
        lines.append(f"Authorization: {REDACTED}")
    return [*lines, "", *_payload_lines(provider, request.written or request.target.partition("?")[2].encode())]


def shown_answer(answered: Answered, provider: Provider, push: Push, mask: Callable[[str], str]) -> list[str]:
    """Return the lines of an answer, as far as they are worth showing, without what it repeats of our secrets."""
    text = redact(answered.body.decode(errors="replace"), secrets_of(provider, push, answered.authorization))
    text = text.replace(push.to, mask(push.to)).replace(push.to[2:], mask(push.to[2:]))
    text = _BEARER.sub(f"Bearer {REDACTED}", text)[:LONGEST_SHOWN]
    printable = "".join(character if character.isprintable() or character == "\n" else " " for character in text)
    return [f"HTTP {answered.status}", *printable.splitlines()]


def _named(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Hide the values whose names are those of secrets."""
    return tuple((name, REDACTED if value and SECRET_WORDS.search(name) else value) for name, value in pairs)


def _payload_lines(provider: Provider, content: bytes) -> list[str]:
    if provider.encoding == "json":
        return msgspec.json.format(msgspec.json.encode(_shown(parse(content.decode()))), indent=2).decode().splitlines()
    pairs = _named(tuple(parse_qsl(content.decode("ascii"), keep_blank_values=True)))
    return [f"{key} = {value}" for key, value in pairs]


def _shown(node: Any, *, secret: bool = False) -> Any:
    """Return a JSON document with all values hidden that stand anywhere under a key that names a secret."""
    match node:
        case Object(pairs):
            return {key: _shown(value, secret=secret or bool(SECRET_WORDS.search(key))) for key, value in pairs}
        case list():
            return [_shown(value, secret=secret) for value in node]
        case str() if secret and node:
            return REDACTED
        case Number():
            return msgspec.Raw(node.encode())
        case _:
            return node
