"""One push as it went over the wire, to be shown: with nothing secret in it, and the number masked."""

import re
from collections.abc import Callable
from urllib.parse import parse_qsl

import httpx
import msgspec

from timesmobile.authentication import ClientCredentials, NoAuthentication
from timesmobile.inspection import SECRET_WORDS
from timesmobile.messages import Push
from timesmobile.payload import Payload
from timesmobile.provider import Provider

HIDDEN = "***"
LONGEST_SHOWN = 2_000
"""Characters of an answer."""

_BEARER = re.compile(r"bearer [\w.~+/=-]+", re.IGNORECASE)


class Answered(msgspec.Struct, frozen=True):
    """An answer."""

    status: int
    body: bytes
    """As it came; may repeat what is secret."""


class Listener(httpx.AsyncBaseTransport):
    """Passes requests on to another transport, and remembers the last answer of the endpoint."""

    def __init__(self, transport: httpx.AsyncBaseTransport, endpoint: str) -> None:
        self.heard: Answered | None = None
        self._transport = transport
        self._endpoint = endpoint.partition("?")[0]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        response = await self._transport.handle_async_request(request)
        if str(request.url).partition("?")[0] == self._endpoint:
            self.heard = Answered(response.status_code, await response.aread())
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
        username=provider.username and HIDDEN,
        password=provider.password and HIDDEN,
        secrets=tuple((name, HIDDEN) for name, _ in provider.secrets),
        headers=tuple((name, HIDDEN if SECRET_WORDS.search(name) else value) for name, value in provider.headers),
        auth=NoAuthentication(),
        endpoint=provider.address,
    )
    request = Payload(masked).request(msgspec.structs.replace(push, to=mask(push.to)))
    lines = [f"{provider.method} {provider.address}"]
    lines += [f"{name}: {value}" for name, value in request.envelope.headers]
    if provider.auth.authorization() or isinstance(provider.auth, ClientCredentials):
        lines.append(f"Authorization: {HIDDEN}")
    return [*lines, "", *_payload_lines(provider, request.written or request.target.partition("?")[2].encode())]


def shown_answer(answered: Answered, provider: Provider, push: Push, mask: Callable[[str], str]) -> list[str]:
    """Return the lines of an answer, as far as they are worth showing, without what it repeats of our secrets."""
    text = answered.body.decode(errors="replace")[:LONGEST_SHOWN]
    for secret in sorted(_secrets(provider), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = text.replace(push.to, mask(push.to)).replace(push.to[2:], mask(push.to[2:]))
    text = _BEARER.sub(f"Bearer {HIDDEN}", text)
    printable = "".join(character if character.isprintable() or character == "\n" else " " for character in text)
    return [f"HTTP {answered.status}", *printable.splitlines()]


def _payload_lines(provider: Provider, content: bytes) -> list[str]:
    if provider.encoding == "json":
        return msgspec.json.format(content, indent=2).decode().splitlines()
    return [f"{key} = {value}" for key, value in parse_qsl(content.decode("ascii"), keep_blank_values=True)]


def _secrets(provider: Provider) -> set[str]:
    values = {*provider.constants.values()}
    if isinstance(provider.auth, ClientCredentials):
        values |= {provider.auth.client_id, provider.auth.client_secret}
    return {value for value in values if value}
