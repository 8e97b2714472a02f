"""Providers, from their tables in the file and what the environment says of them."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from times_dispatch.provider.description.placeholders import PLACEHOLDER
from times_dispatch.provider.description.provider import Provider, timesmobile_get, timesmobile_post
from times_dispatch.provider.description.validation import problems, warnings
from times_dispatch.provider.oauth.credentials import (
    Authentication,
    BasicAuthentication,
    ClientCredentials,
    NoAuthentication,
)
from times_dispatch.settings.addresses import check_http_url
from times_dispatch.settings.document import Document
from times_dispatch.settings.environment import read_address
from times_dispatch.settings.providers.tables import ProviderSettings
from times_dispatch.settings.secrets import Environment

_PRESETS: dict[str, Callable[..., Provider]] = {
    "timesmobile-post": timesmobile_post,
    "timesmobile-get": timesmobile_get,
}

ProviderEnvironment = Mapping[str, str]
"""What the environment says of one provider: ``username``, ``password``, ``endpoint``, ``proxy``, ``client_id``,
``client_secret``, and its further secrets by their names."""


def prefix(nickname: str) -> str:
    """Return how the variables of a provider begin."""
    return f"DISPATCH_PROVIDER_{re.sub(r'[^A-Z0-9]', '_', nickname.upper())}_"


def read_given(environment: Environment, document: Document | None, *, needed: bool) -> dict[str, ProviderEnvironment]:
    """Read what the environment says of each provider in the file, also of those that the file gets wrong."""
    given: dict[str, ProviderEnvironment] = {}
    taken: dict[str, str] = {}
    for nickname, table in tables(document):
        start = prefix(nickname)
        if start in taken:
            environment.refuse(f"{start}…", f"stands for both {taken[start]} and {nickname}; rename one of them")
            continue
        taken[start] = nickname
        given[nickname] = read_one(environment, nickname, table, needed=needed)
    return given


def read_one(environment: Environment, nickname: str, table: dict[str, Any], *, needed: bool) -> ProviderEnvironment:
    """Read what the environment says of the provider that a table, as parsed, describes."""
    start, wanted = prefix(nickname), set(_wanted(table))
    purpose = f"credentials of provider {nickname}" if needed else ""
    names = ("username", "password", "client_id", "client_secret", "proxy", *_secrets(table))
    given = {
        # Plain: the encoders of payloads take no subclasses of str.
        name: str(environment.get(f"{start}{name.upper()}", needed=purpose if name in wanted else ""))
        for name in names
    }
    return given | {"endpoint": read_address(environment, f"{start}ENDPOINT", check_http_url)}


def build(nickname: str, table: ProviderSettings, given: ProviderEnvironment) -> Provider:
    """Return the provider that a table describes, unchecked: its validation is a step of its own."""
    username, password = given.get("username", ""), given.get("password", "")
    preset = _PRESETS[table.preset](nickname=nickname, username=username, password=password) if table.preset else None
    provider = preset or Provider(
        nickname=nickname,
        method=table.method or "POST",
        endpoint="",
        encoding=table.encoding or "form",
        payload=(),
        username=username,
        password=password,
    )
    secrets = tuple((name, given.get(name, "")) for name in table.secrets)
    changes: dict[str, Any] = {
        "method": table.method,
        "endpoint": given.get("endpoint") or table.endpoint,
        "encoding": table.encoding,
        "payload": table.written_payload,
        "auth": _authentication(table, given, dict(secrets)),
        "headers": _merged(provider.headers, table.headers),
    }
    return msgspec.structs.replace(
        provider,
        **{name: value for name, value in changes.items() if value},
        custom=tuple(table.custom.items()),
        secrets=secrets,
        answers=table.answers.rules(preset.answers if preset else None),
        connect_timeout_s=table.connect_timeout_s,
        total_timeout_s=table.total_timeout_s,
        max_connections=table.max_connections,
        proxy=given.get("proxy") or table.proxy,
        ca_file=table.ca_file,
    )


def mistakes(document: Document, providers: Mapping[str, Provider]) -> list[str]:
    """Say what keeps providers from working, each at its place in the file."""
    return [
        document.mistake(("providers", nickname), problem)
        for nickname, provider in providers.items()
        for problem in problems(provider)
    ]


def provider_warnings(document: Document, providers: Mapping[str, Provider]) -> list[str]:
    """Say what is allowed and probably not meant so, each at its place in the file."""
    return [
        document.mistake(("providers", nickname), warning)
        for nickname, provider in providers.items()
        for warning in warnings(provider)
    ]


def _merged(headers: Iterable[tuple[str, str]], own: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Lay a table's headers over a preset's; case does not count."""
    replaced = {name.lower() for name in own}
    return (*((name, value) for name, value in headers if name.lower() not in replaced), *own.items())


def _authentication(
    table: ProviderSettings, given: ProviderEnvironment, secrets: Mapping[str, str]
) -> Authentication | None:
    match table.auth:
        case "none":
            return NoAuthentication()
        case "basic":
            return BasicAuthentication(given.get("username", ""), given.get("password", ""))
        case "oauth2":
            extra = {
                name: PLACEHOLDER.sub(lambda found: secrets.get(found[1], found[0]), value)
                for name, value in table.oauth2.extra.items()
            }
            return ClientCredentials(
                token_url=table.oauth2.token_url,
                client_id=given.get("client_id", ""),
                client_secret=given.get("client_secret", ""),
                extra=tuple(extra.items()),
                in_body=table.oauth2.credentials_in == "body",
            )
    return None


def tables(document: Document | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the nickname and the table of each provider in a file, as parsed."""
    found = document.data.get("providers") if document else None
    for nickname, table in (found if isinstance(found, dict) else {}).items():
        yield nickname, table if isinstance(table, dict) else {}


def _wanted(table: dict[str, Any]) -> Iterator[str]:
    """Name what a table, as parsed, cannot do without."""
    auth, written = table.get("auth"), json.dumps(table, default=str)
    for name in ("username", "password"):
        if "preset" in table or auth == "basic" or f"$${name.capitalize()}" in written:
            yield name
    if auth == "oauth2":
        yield from ("client_id", "client_secret")
    yield from _secrets(table)


def _secrets(table: dict[str, Any]) -> list[str]:
    named = table.get("secrets")
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
