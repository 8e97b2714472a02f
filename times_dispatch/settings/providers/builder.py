"""Makes providers from their tables and their environment variables."""

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
from times_dispatch.settings.environment import Environment, read_address
from times_dispatch.settings.providers.tables import ProviderSettings
from times_dispatch.settings.toml.document import Document
from times_dispatch.settings.values.addresses import check_http_url
from times_dispatch.tls_options import check_ca_file

_PRESETS: dict[str, Callable[..., Provider]] = {
    "timesmobile-post": timesmobile_post,
    "timesmobile-get": timesmobile_get,
}

ProviderEnvironment = Mapping[str, str]
"""The values of one provider's environment variables: ``username``, ``password``, ``endpoint``, ``proxy``,
``client_id``, ``client_secret``, and further secrets by their names.
"""


def variable_prefix(nickname: str) -> str:
    """Return the first part of the names of a provider's environment variables."""
    return f"DISPATCH_PROVIDER_{re.sub(r'[^A-Z0-9]', '_', nickname.upper())}_"


def read_provider_environments(
    environment: Environment, document: Document | None, *, are_needed: bool
) -> dict[str, ProviderEnvironment]:
    """Read the environment variables of all providers in a file, including providers whose tables have mistakes.

    Args:
        environment: the variables; it collects the mistakes.
        document: the settings file; None if it cannot be read.
        are_needed: whether a variable that is not set is a mistake, if the provider's table needs the value.

    Returns:
        The values of each provider by its nickname.
    """
    provider_environments: dict[str, ProviderEnvironment] = {}
    nicknames: dict[str, str] = {}
    for nickname, table in provider_tables(document):
        prefix = variable_prefix(nickname)
        if prefix in nicknames:
            reason = f"belongs to both {nicknames[prefix]} and {nickname}; rename one of them"
            environment.add_mistake(f"{prefix}…", reason)
            continue
        nicknames[prefix] = nickname
        provider_environments[nickname] = read_provider_environment(environment, nickname, table, is_needed=are_needed)
    return provider_environments


def read_provider_environment(
    environment: Environment, nickname: str, table: dict[str, Any], *, is_needed: bool
) -> ProviderEnvironment:
    """Read the environment variables of one provider.

    Args:
        environment: the variables; it collects the mistakes.
        nickname: the nickname of the provider.
        table: the provider's table as parsed, which may have mistakes.
        is_needed: whether a variable that is not set is a mistake, if the table needs the value.
    """
    prefix, needed_names = variable_prefix(nickname), set(_needed_names(table))
    purpose = f"credentials of provider {nickname}" if is_needed else ""
    names = ("username", "password", "client_id", "client_secret", "proxy", *_secret_names(table))
    values = {
        # The type is str instead of Secret, because the encoders of payloads do not accept subclasses of str.
        name: str(environment.get(f"{prefix}{name.upper()}", purpose=purpose if name in needed_names else ""))
        for name in names
    }
    return values | {"endpoint": read_address(environment, f"{prefix}ENDPOINT", check_http_url)}


def build_provider(nickname: str, table: ProviderSettings, values: ProviderEnvironment) -> Provider:
    """Return the provider of a table and its environment values; ``provider_mistakes`` checks the provider."""
    username, password = values.get("username", ""), values.get("password", "")
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
    secrets = tuple((name, values.get(name, "")) for name in table.secrets)
    changes: dict[str, Any] = {
        "method": table.method,
        "endpoint": values.get("endpoint") or table.endpoint,
        "encoding": table.encoding,
        "payload": table.payload_template,
        "auth": _authentication(table, values, dict(secrets)),
        "headers": _merged_headers(provider.headers, table.headers),
    }
    return msgspec.structs.replace(
        provider,
        **{name: value for name, value in changes.items() if value},
        custom=tuple(table.custom.items()),
        secrets=secrets,
        response_rules=table.answers.rules(preset.response_rules if preset else None),
        connect_timeout_s=table.connect_timeout_s,
        total_timeout_s=table.total_timeout_s,
        max_connections=table.max_connections,
        proxy=values.get("proxy") or table.proxy,
        ca_file=table.ca_file,
    )


def provider_mistakes(document: Document, providers: Mapping[str, Provider]) -> list[str]:
    """Return the mistakes with which providers cannot work, each with the line and path of the provider."""
    return [
        document.mistake(("providers", nickname), problem)
        for nickname, provider in providers.items()
        for problem in problems(provider)
    ]


def ca_file_mistakes(document: Document, providers: Mapping[str, Provider]) -> list[str]:
    """Return a mistake for each provider whose file of certificates cannot be used by this process."""
    mistakes = []
    for nickname, provider in providers.items():
        try:
            if provider.ca_file:
                check_ca_file(provider.ca_file)
        except ValueError as error:
            mistakes.append(document.mistake(("providers", nickname, "ca_file"), f"{provider.ca_file} {error}"))
    return mistakes


def provider_warnings(document: Document, providers: Mapping[str, Provider]) -> list[str]:
    """Return warnings about allowed but probably wrong descriptions, each with the line and path of the provider."""
    return [
        document.mistake(("providers", nickname), warning)
        for nickname, provider in providers.items()
        for warning in warnings(provider)
    ]


def _merged_headers(headers: Iterable[tuple[str, str]], own: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the headers of a preset and of a table; the table's headers override the preset's. Case is ignored."""
    replaced = {name.lower() for name in own}
    return (*((name, value) for name, value in headers if name.lower() not in replaced), *own.items())


def _authentication(
    table: ProviderSettings, values: ProviderEnvironment, secrets: Mapping[str, str]
) -> Authentication | None:
    match table.auth:
        case "none":
            return NoAuthentication()
        case "basic":
            return BasicAuthentication(values.get("username", ""), values.get("password", ""))
        case "oauth2":
            extra = {
                name: PLACEHOLDER.sub(lambda match: secrets.get(match[1], match[0]), value)
                for name, value in table.oauth2.extra.items()
            }
            return ClientCredentials(
                token_url=table.oauth2.token_url,
                client_id=values.get("client_id", ""),
                client_secret=values.get("client_secret", ""),
                extra=tuple(extra.items()),
                in_body=table.oauth2.credentials_in == "body",
            )
    return None


def provider_tables(document: Document | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the nickname and the table of each provider in a file, as parsed."""
    providers = document.data.get("providers") if document else None
    for nickname, table in (providers if isinstance(providers, dict) else {}).items():
        yield nickname, table if isinstance(table, dict) else {}


def _needed_names(table: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the values that a table, as parsed, needs from the environment."""
    auth, text = table.get("auth"), json.dumps(table, default=str)
    for name in ("username", "password"):
        if "preset" in table or auth == "basic" or f"$${name.capitalize()}" in text:
            yield name
    if auth == "oauth2":
        yield from ("client_id", "client_secret")
    yield from _secret_names(table)


def _secret_names(table: dict[str, Any]) -> list[str]:
    names = table.get("secrets")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
