"""Requests out of pushes: a provider's payload and headers, compiled into byte templates."""

from collections.abc import Callable
from typing import Any, Final

import httpx
import msgspec

from times_dispatch.provider.description.json_template import Number, Object, parse, within
from times_dispatch.provider.description.placeholders import VARIABLES
from times_dispatch.provider.description.provider import Encoding, Provider, ProviderInvalid
from times_dispatch.provider.description.validation import problems
from times_dispatch.provider.push import Push
from times_dispatch.provider.request.byte_template import (
    ByteTemplate,
    Escape,
    as_it_is,
    in_form,
    in_header,
    in_json,
    in_json_within,
)

Headers = tuple[tuple[str, str], ...]


class Envelope(msgspec.Struct, frozen=True, eq=False):
    """What many requests of a provider have in common."""

    method: str
    headers: Headers
    extensions: dict[str, Any]

    def __repr__(self) -> str:
        return f"Envelope({self.method})"


def _at_any_time() -> bool:
    return True


class PushRequest(httpx.Request):
    """An httpx.Request that becomes whole when somebody looks at it.

    httpx's own constructor costs more than all the rest of a push. The transport that knows this class takes the
    envelope, the target and the content as they are; any other finds a complete httpx.Request.
    """

    def __init__(self, envelope: Envelope, target: str, content: bytes | None) -> None:
        self.envelope = envelope
        self.target = target
        self.written = content
        self.may_begin: Callable[[], bool] = _at_any_time
        """Asked once more when a connection is there; if it says no, nothing is written."""

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
        self._provider = provider
        self._in_query = provider.encoding == "query"
        self._target = provider.endpoint
        if self._in_query:
            self._target += "&" if "?" in provider.endpoint else "?"
        self._body = _body(provider)
        self._changing: list[tuple[str, ByteTemplate]] = []
        """Headers that differ from push to push."""
        self._same = self._headers()
        self._authorization = provider.auth.authorization()
        self._envelope = self._sealed()

    def encode(self, push: Push) -> bytes:
        """Return the body or the query; raise PushUnsendable or UnicodeEncodeError if there is none."""
        return self._body.fill(push)

    def request(self, push: Push, *, authorization: str = "") -> PushRequest:
        """Return the whole request; raise as ``encode`` does.

        ``authorization`` replaces that header's value, from now on; a change costs less than a push.
        """
        content = self._body.fill(push)
        if authorization and authorization != self._authorization:
            self._authorization = authorization
            self._envelope = self._sealed()
        envelope = self._envelope
        if self._changing:
            own = [(name, pattern.fill(push).decode("ascii")) for name, pattern in self._changing]
            envelope = Envelope(envelope.method, (*envelope.headers, *own), envelope.extensions)
        if not self._in_query:
            return PushRequest(envelope, self._target, content)
        return PushRequest(envelope, self._target + content.decode("ascii"), None)

    def _headers(self) -> Headers:
        """Return the headers that all pushes share, and note the others."""
        provider, same = self._provider, []
        for name, template in provider.headers:
            pattern = _pattern(provider)
            _fill_in(template, pattern, in_header)
            if pattern.is_constant:
                same.append((name, pattern.fill(_NOBODY).decode("ascii")))
            else:
                self._changing.append((name, pattern))
        given = {name.lower() for name, _ in provider.headers}
        if provider.encoding in _CONTENT_TYPES and "content-type" not in given:
            same.append(("Content-Type", _CONTENT_TYPES[provider.encoding]))
        return tuple(same)

    def _sealed(self) -> Envelope:
        headers = self._same
        if self._authorization:
            headers = (*headers, ("Authorization", self._authorization))
        return Envelope(self._provider.method, headers, _extensions(self._provider))


def _pattern(provider: Provider) -> ByteTemplate:
    return ByteTemplate(provider.constants, dict(provider.custom))


def _body(provider: Provider) -> ByteTemplate:
    pattern, payload = _pattern(provider), provider.payload
    if provider.encoding == "json":
        _write(parse(payload) if isinstance(payload, str) else Object(list(payload)), pattern, as_it_is)
        return pattern
    assert not isinstance(payload, str)  # noqa: S101  # inspected before
    between = b""
    for key, template in payload:
        pattern.constant(between + in_form(key) + b"=")
        _fill_in(template, pattern, in_form)
        between = b"&"
    return pattern


def _fill_in(template: str, pattern: ByteTemplate, escape: Escape) -> None:
    """Write a template where *escape* is for; if it is the text of a JSON document, its values are escaped for both."""
    document = within(template)
    if document is None:
        pattern.template(template, escape)
    else:
        _write(document, pattern, escape)


def _write(node: Any, pattern: ByteTemplate, outer: Escape) -> None:
    """Write a JSON document without blanks, escaped for where it stands itself."""
    match node:
        case Object(pairs):
            for place, (key, value) in enumerate(pairs):
                name = in_json(key).decode()
                pattern.constant(outer(f'{"{" if place == 0 else ","}"{name}":'))
                _write(value, pattern, outer)
            pattern.constant(outer("}" if pairs else "{}"))
        case list():
            pattern.constant(outer("["))
            for place, value in enumerate(node):
                pattern.constant(outer("," if place else ""))
                _write(value, pattern, outer)
            pattern.constant(outer("]"))
        case Number():
            pattern.constant(outer(str(node)))
        case str() if node == f"$${VARIABLES}":
            pattern.variables(outer)
        case str():
            pattern.constant(outer('"'))
            _fill_in(node, pattern, in_json if outer is as_it_is else in_json_within(outer))
            pattern.constant(outer('"'))
        case _:
            pattern.constant(outer(msgspec.json.encode(node).decode()))


_CONTENT_TYPES: Final[dict[Encoding, str]] = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
}

_NOBODY: Final = Push(to="", text="", sender="", content_id="", correlation_id="", unicode=False)


def _extensions(provider: Provider) -> dict[str, Any]:
    """Tell any httpx transport the time-outs; the total one is the client's to keep."""
    total_s, connect_s = provider.total_timeout_s, provider.connect_timeout_s
    return {"timeout": {"connect": connect_s, "pool": connect_s, "read": total_s, "write": total_s}}
