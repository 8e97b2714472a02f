"""Makes requests from pushes: a provider's payload and headers are compiled into byte templates once."""

from collections.abc import Callable
from typing import Any, Final

import httpx
import msgspec

from times_dispatch.provider.description.json_template import Number, Object, nested_document, parse
from times_dispatch.provider.description.placeholders import VARIABLES
from times_dispatch.provider.description.provider import Encoding, Provider, ProviderInvalid
from times_dispatch.provider.description.validation import problems
from times_dispatch.provider.push import Push
from times_dispatch.provider.request.byte_template import (
    ByteTemplate,
    Escape,
    check_header,
    escape_form,
    escape_json,
    escape_nested_json,
    no_escape,
)

Headers = tuple[tuple[str, str], ...]


class Envelope(msgspec.Struct, frozen=True, eq=False):
    """The shared part of all requests of a provider: everything except the target and the body."""

    method: str
    headers: Headers
    extensions: dict[str, Any]

    def __repr__(self) -> str:
        return f"Envelope({self.method})"


def _always() -> bool:
    return True


class PushRequest(httpx.Request):
    """An httpx.Request that is constructed only when one of its attributes is read.

    httpx's constructor costs more than the rest of a push. ``ProviderTransport`` knows this class, and reads envelope,
    target and body instead. For every other transport this is a complete httpx.Request.
    """

    def __init__(self, envelope: Envelope, target: str, body: bytes | None) -> None:
        self.envelope = envelope
        self.target = target
        self.body = body
        self.may_begin: Callable[[], bool] = _always
        """Called when the request has a connection; if the function returns False, nothing is written."""

    def __getattr__(self, name: str) -> Any:
        if name not in {"method", "url", "headers", "extensions", "stream", "_content"} or "url" in self.__dict__:
            raise AttributeError(name)
        envelope = self.envelope
        super().__init__(
            envelope.method,
            self.target,
            headers=envelope.headers,
            content=self.body,
            extensions=envelope.extensions,
        )
        return getattr(self, name)

    def __repr__(self) -> str:
        # The text leaves out the query, which may contain a password.
        return f"<PushRequest({self.envelope.method} {self.target.partition('?')[0]})>"


class Payload:
    """A provider's compiled payload; the constructor raises ProviderInvalid for a description that cannot work."""

    def __init__(self, provider: Provider) -> None:
        if found_problems := problems(provider):
            raise ProviderInvalid(provider.nickname, found_problems)
        self._provider = provider
        self._in_query = provider.encoding == "query"
        self._target = provider.endpoint
        if self._in_query:
            self._target += "&" if "?" in provider.endpoint else "?"
        self._body = _compile_body(provider)
        self._varying_headers: list[tuple[str, ByteTemplate]] = []
        self._constant_headers = self._compile_headers()
        self._authorization = provider.auth.authorization()
        self._envelope = self._new_envelope()

    def encode(self, push: Push) -> bytes:
        """Return the body, or the query; raise PushUnsendable or UnicodeEncodeError if a value is missing or unfit."""
        return self._body.fill(push)

    def request(self, push: Push, *, authorization: str = "") -> PushRequest:
        """Return the whole request; raises the errors of ``encode``.

        ``authorization`` becomes the Authorization header of this request and the following ones.
        """
        content = self._body.fill(push)
        if authorization and authorization != self._authorization:
            self._authorization = authorization
            self._envelope = self._new_envelope()
        envelope = self._envelope
        if self._varying_headers:
            varying = [(name, template.fill(push).decode("ascii")) for name, template in self._varying_headers]
            envelope = Envelope(envelope.method, (*envelope.headers, *varying), envelope.extensions)
        if not self._in_query:
            return PushRequest(envelope, self._target, content)
        return PushRequest(envelope, self._target + content.decode("ascii"), None)

    def _compile_headers(self) -> Headers:
        """Return the headers that all pushes share; add the others to ``_varying_headers``."""
        provider, constant = self._provider, []
        for name, value in provider.headers:
            template = _empty_template(provider)
            _add_value(template, value, check_header)
            if template.is_constant:
                constant.append((name, template.fill(_EMPTY_PUSH).decode("ascii")))
            else:
                self._varying_headers.append((name, template))
        names = {name.lower() for name, _ in provider.headers}
        if provider.encoding in _CONTENT_TYPES and "content-type" not in names:
            constant.append(("Content-Type", _CONTENT_TYPES[provider.encoding]))
        return tuple(constant)

    def _new_envelope(self) -> Envelope:
        headers = self._constant_headers
        if self._authorization:
            headers = (*headers, ("Authorization", self._authorization))
        return Envelope(self._provider.method, headers, _extensions(self._provider))


def _empty_template(provider: Provider) -> ByteTemplate:
    return ByteTemplate(provider.constants, dict(provider.custom))


def _compile_body(provider: Provider) -> ByteTemplate:
    template, payload = _empty_template(provider), provider.payload
    if provider.encoding == "json":
        _add_json(template, parse(payload) if isinstance(payload, str) else Object(list(payload)), no_escape)
        return template
    assert not isinstance(payload, str)  # noqa: S101  # ``problems`` has checked it
    separator = b""
    for key, value in payload:
        template.add_bytes(separator + escape_form(key) + b"=")
        _add_value(template, value, escape_form)
        separator = b"&"
    return template


def _add_value(template: ByteTemplate, value: str, escape: Escape) -> None:
    """Add a value with placeholders; in the text of a JSON document, the values are also escaped for that document."""
    document = nested_document(value)
    if document is None:
        template.add_text(value, escape)
    else:
        _add_json(template, document, escape)


def _add_json(template: ByteTemplate, node: Any, outer: Escape) -> None:
    """Add a JSON document without blanks, escaped by *outer* for the context in which the document stands."""
    match node:
        case Object(pairs):
            for index, (key, value) in enumerate(pairs):
                name = escape_json(key).decode()
                template.add_bytes(outer(f'{"{" if index == 0 else ","}"{name}":'))
                _add_json(template, value, outer)
            template.add_bytes(outer("}" if pairs else "{}"))
        case list():
            template.add_bytes(outer("["))
            for index, value in enumerate(node):
                template.add_bytes(outer("," if index else ""))
                _add_json(template, value, outer)
            template.add_bytes(outer("]"))
        case Number():
            template.add_bytes(outer(str(node)))
        case str() if node == f"$${VARIABLES}":
            template.add_variables(outer)
        case str():
            template.add_bytes(outer('"'))
            _add_value(template, node, escape_json if outer is no_escape else escape_nested_json(outer))
            template.add_bytes(outer('"'))
        case _:
            template.add_bytes(outer(msgspec.json.encode(node).decode()))


_CONTENT_TYPES: Final[dict[Encoding, str]] = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
}

_EMPTY_PUSH: Final = Push(to="", text="", sender="", content_id="", correlation_id="", unicode=False)


def _extensions(provider: Provider) -> dict[str, Any]:
    """Return the time-outs in the form that every httpx transport reads; the client enforces the total time-out."""
    total_s, connect_s = provider.total_timeout_s, provider.connect_timeout_s
    return {"timeout": {"connect": connect_s, "pool": connect_s, "read": total_s, "write": total_s}}
