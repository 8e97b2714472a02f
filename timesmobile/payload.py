"""Requests out of pushes: a provider's payload compiled into constant bytes around escaped inserts.

A value is escaped for where it stands and never read again, so that no name or text can change the payload.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from timesmobile.messages import Push
from timesmobile.provider import PLACEHOLDER, Encoding, Provider, ProviderInvalid, problems

Insert = Callable[[Push], str]

_OF_PUSH: Final[dict[str, Insert]] = {
    "To": attrgetter("to"),
    "Body": attrgetter("text"),
    "TemplateID": attrgetter("content_id"),
    "MessageID": attrgetter("correlation_id"),
    "CampaignID": attrgetter("campaign"),
    "From": attrgetter("sender"),
    "Unicode": attrgetter("unicode_word"),
}


class PushUnsendable(ValueError):
    """No request can be made of this push."""


class Envelope(msgspec.Struct, frozen=True, eq=False):
    """What all requests of a provider have in common."""

    method: str
    headers: tuple[tuple[str, str], ...]
    extensions: dict[str, Any]

    def __repr__(self) -> str:
        return f"Envelope({self.method})"


class PushRequest(httpx.Request):
    """An httpx.Request that becomes whole when somebody looks at it.

    httpx's own constructor costs more than all the rest of a push. The transport that knows this class takes the
    envelope, the target and the content as they are; any other finds a complete httpx.Request.
    """

    def __init__(self, envelope: Envelope, target: str, content: bytes | None) -> None:
        self.envelope = envelope
        self.target = target
        self.written = content

    def __getattr__(self, name: str) -> Any:
        if name not in {"method", "url", "headers", "extensions", "stream", "_content"} or "url" in self.__dict__:
            raise AttributeError(name)
        envelope = self.envelope
        super().__init__(
            envelope.method,
            self.target,
            headers=envelope.headers,
            content=self.written,
            extensions=envelope.extensions,
        )
        return getattr(self, name)

    def __repr__(self) -> str:
        return f"<PushRequest({self.envelope.method} {self.target.partition('?')[0]})>"  # a query may hold a password


class Payload:
    """A provider's description, compiled. Raises ProviderInvalid for one that cannot work."""

    def __init__(self, provider: Provider) -> None:
        if wrong := problems(provider):
            raise ProviderInvalid(provider.nickname, wrong)
        self._endpoint = provider.endpoint
        self._in_query = provider.encoding == "query"
        self._escape = _json if provider.encoding == "json" else _percent
        self._envelope = Envelope(provider.method, _headers(provider), _extensions(provider))
        self._constants = dict(provider.custom) | {"Username": provider.username, "Password": provider.password}
        opening, between, equals, after, closing = (
            (b"{", b",", b'":"', b'"', b"}") if provider.encoding == "json" else (b"", b"&", b"=", b"", b"")
        )
        before = b'"' if provider.encoding == "json" else b""
        inserts: list[Insert] = []
        pairs = [
            before + self._constant(key) + equals + self._value(template, inserts) + after
            for key, template in provider.payload
        ]
        self._pattern = opening + between.join(pairs) + closing
        self._inserts = tuple(inserts)

    def _constant(self, text: str) -> bytes:
        return self._escape(text).replace(b"%", b"%%")

    def _value(self, template: str, inserts: list[Insert]) -> bytes:
        """Compile one value; ``inserts`` grows by what each push has to bring."""
        pieces = []
        for place, piece in enumerate(PLACEHOLDER.split(template)):
            if place % 2 == 0:
                pieces.append(self._constant(piece))
            elif piece in {"Username", "Password"}:
                pieces.append(self._constant(self._constants[piece]))
            else:
                pieces.append(b"%b")
                inserts.append(_OF_PUSH.get(piece) or self._custom(piece))
        return b"".join(pieces)

    def _custom(self, name: str) -> Insert:
        default = self._constants.get(name)

        def insert(push: Push) -> str:
            value = push.custom.get(name, default) if push.custom else default
            if value is None:
                raise PushUnsendable(f"no value for $${name}")
            return value

        return insert

    def encode(self, push: Push) -> bytes:
        """Return the body or the query; raise PushUnsendable or UnicodeEncodeError if there is none."""
        escape = self._escape
        return self._pattern % tuple([escape(insert(push)) for insert in self._inserts])

    def request(self, push: Push) -> PushRequest:
        """Return the whole request; raise as ``encode`` does."""
        content = self.encode(push)
        if not self._in_query:
            return PushRequest(self._envelope, self._endpoint, content)
        separator = "&" if "?" in self._endpoint else "?"
        return PushRequest(self._envelope, self._endpoint + separator + content.decode("ascii"), None)


def _json(value: str) -> bytes:
    return msgspec.json.encode(value)[1:-1]


def _percent(value: str) -> bytes:
    # A blank becomes %20: everybody reads it, while a plus is a blank only to those who think of forms.
    return quote(value, safe="").encode("ascii")


_CONTENT_TYPES: Final[dict[Encoding, str]] = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
}


def _headers(provider: Provider) -> tuple[tuple[str, str], ...]:
    headers = list(provider.headers)
    given = {name.lower() for name, _ in headers}
    if provider.encoding in _CONTENT_TYPES and "content-type" not in given:
        headers.append(("Content-Type", _CONTENT_TYPES[provider.encoding]))
    if (authorization := provider.auth.authorization()) and "authorization" not in given:
        headers.append(("Authorization", authorization))
    return tuple(headers)


def _extensions(provider: Provider) -> dict[str, Any]:
    """Tell any httpx transport the time-outs; the total one is the client's to keep."""
    total_s, connect_s = provider.total_timeout_s, provider.connect_timeout_s
    return {"timeout": {"connect": connect_s, "pool": connect_s, "read": total_s, "write": total_s}}
