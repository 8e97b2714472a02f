"""Settings read once, at the edge: the file and the environment in, a valid whole or every mistake out."""

import os
import re
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from settings.document import Document
from settings.environment import (
    read_address,
    read_broker_url,
    read_callback_secret,
    read_flower_basic_auth,
    read_id_key,
    read_redis_url,
)
from settings.mistakes import SettingsInvalid
from settings.model import Callbacks, ProviderSettings, Sender, Settings, SettingsFile, http_url, listen_address
from settings.references import broken_references, default_provider
from settings.secrets import Environment
from timesmobile.provider import Provider, problems, timesmobile_get, timesmobile_post

_PRESETS: dict[str, Callable[..., Provider]] = {
    "timesmobile-post": timesmobile_post,
    "timesmobile-get": timesmobile_get,
}


class Need(Enum):
    """What a process cannot do without; what it does not name may be absent, and is checked only if it is there."""

    LEDGER = "the ledger's address"
    IDS = "the key of the correlation ids"
    CALLBACKS = "the secret part of the receiver's path"
    PROVIDERS = "credentials for every provider"
    FLOWER = "the user and password of Flower"


ALL_BUT_FLOWER = frozenset(Need) - {Need.FLOWER}


def load_from_environment(need: frozenset[Need] = ALL_BUT_FLOWER) -> Settings:
    """Load the file that ``DISPATCH_SETTINGS`` names (default: dispatch.toml here) with this process's environment."""
    return load(Path(os.environ.get("DISPATCH_SETTINGS") or "dispatch.toml"), os.environ, need=need)


def load(path: Path, variables: Mapping[str, str], *, need: frozenset[Need] = ALL_BUT_FLOWER) -> Settings:
    """Read and validate everything; raise SettingsInvalid with all mistakes, in the file's order, then the rest."""
    environment = Environment(variables)
    document, file, mistakes = _read(path)

    redis_url = read_redis_url(environment, needed=Need.LEDGER in need)
    broker_url = read_broker_url(environment) or redis_url
    id_key = read_id_key(environment, needed=Need.IDS in need)
    callback_secret = read_callback_secret(environment, needed=Need.CALLBACKS in need)
    flower_basic_auth = read_flower_basic_auth(environment, needed=Need.FLOWER in need)
    given = _given_to_providers(environment, document, needed=Need.PROVIDERS in need)
    callbacks = _callbacks(environment, file.callbacks if file else Callbacks())

    providers: dict[str, Provider] = {}
    if document and file:
        providers = {nick: _provider(nick, table, given.get(nick, {})) for nick, table in file.providers.items()}
        mistakes += _provider_mistakes(document, providers)
    mistakes += environment.mistakes
    if document is None or file is None or mistakes:
        raise SettingsInvalid(mistakes)

    default = default_provider(document.data["providers"])
    return Settings(
        redis_url=redis_url,
        broker_url=broker_url,
        id_key=id_key,
        callback_secret=callback_secret,
        flower_basic_auth=flower_basic_auth,
        providers=providers,
        default_provider=default,
        senders={header: _with_provider(sender, default) for header, sender in file.senders.items()},
        templates=file.templates,
        callbacks=callbacks,
        logs=file.logs,
        brake=file.brake,
        worker=file.worker,
        warnings=tuple(_warnings(document, file)),
    )


def _read(path: Path) -> tuple[Document | None, SettingsFile | None, list[str]]:
    try:
        document = Document.read(path)
    except SettingsInvalid as invalid:
        hint = "" if path.exists() else "; DISPATCH_SETTINGS says where the settings are"
        return None, None, [mistake + hint for mistake in invalid.mistakes]
    file, mistakes = document.check(SettingsFile)
    mistakes += broken_references(document)
    return document, file, sorted(mistakes, key=_line_of)


def _line_of(mistake: str) -> int:
    line = re.match(r"[^ ]*?:(\d+): ", mistake)
    return int(line[1]) if line else 0


def _callbacks(environment: Environment, table: Callbacks) -> Callbacks:
    """Let the environment's addresses go before the file's."""
    given = {
        "listen": read_address(environment, "DISPATCH_CALLBACKS_LISTEN", listen_address),
        "public_url": read_address(environment, "DISPATCH_CALLBACKS_PUBLIC_URL", http_url),
        "relay_url": read_address(environment, "DISPATCH_CALLBACKS_RELAY_URL", http_url),
    }
    return table.model_copy(update={name: address for name, address in given.items() if address})


def _given_to_providers(
    environment: Environment, document: Document | None, *, needed: bool
) -> dict[str, dict[str, str]]:
    """Read what the environment says of each provider in the file, also of those that the file gets wrong."""
    tables: Any = document.data.get("providers") if document else None
    given: dict[str, dict[str, str]] = {}
    taken: dict[str, str] = {}
    for nickname in tables if isinstance(tables, dict) else ():
        prefix = f"DISPATCH_PROVIDER_{re.sub(r'[^A-Z0-9]', '_', nickname.upper())}"
        if prefix in taken:
            environment.refuse(f"{prefix}_…", f"stands for both {taken[prefix]} and {nickname}; rename one of them")
            continue
        taken[prefix] = nickname
        purpose = f"credentials of provider {nickname}" if needed else ""
        given[nickname] = {
            "username": environment.get(f"{prefix}_USERNAME", needed=purpose),
            "password": environment.get(f"{prefix}_PASSWORD", needed=purpose),
            "endpoint": read_address(environment, f"{prefix}_ENDPOINT", http_url),
            "proxy": environment.get(f"{prefix}_PROXY"),
        }
    return given


def _provider(nickname: str, table: ProviderSettings, given: Mapping[str, str]) -> Provider:
    endpoint = given.get("endpoint") or table.endpoint
    return _PRESETS[table.preset](
        nickname=nickname,
        # Plain: the encoders of payloads take no subclasses of str.
        username=str(given.get("username", "")),
        password=str(given.get("password", "")),
        connect_timeout_s=table.connect_timeout_s,
        total_timeout_s=table.total_timeout_s,
        max_connections=table.max_connections,
        proxy=str(given.get("proxy") or table.proxy),
        ca_file=table.ca_file,
        **({"endpoint": endpoint} if endpoint else {}),
    )


def _provider_mistakes(document: Document, providers: Mapping[str, Provider]) -> list[str]:
    return [
        document.mistake(("providers", nickname), problem)
        for nickname, provider in providers.items()
        for problem in problems(provider)
    ]


def _with_provider(sender: Sender, default: str) -> Sender:
    return sender if sender.provider else sender.model_copy(update={"provider": default})


def _warnings(document: Document, file: SettingsFile) -> list[str]:
    """Name what is allowed but was never seen in the wild (DOMAIN.md section 5)."""
    entity_ids = {("senders", header, "entity_id"): sender.entity_id for header, sender in file.senders.items()}
    content_ids = {("templates", name, "content_id"): item.content_id for name, item in file.templates.items()}
    return [
        document.mistake(place, f"has {len(digits)} digits, every known one has 19")
        for place, digits in (entity_ids | content_ids).items()
        if digits and len(digits) < 19
    ]
