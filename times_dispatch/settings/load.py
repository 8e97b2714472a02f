"""Settings read once, at the edge: the file and the environment in, a valid whole or every mistake out."""

import os
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from times_dispatch.provider.description.provider import Provider
from times_dispatch.settings.addresses import http_url, listen_address
from times_dispatch.settings.cross_checks import (
    broken_allowances,
    broken_references,
    default_provider,
    shut_windows,
    unpriced_caps,
)
from times_dispatch.settings.document import Document
from times_dispatch.settings.environment import (
    read_address,
    read_broker_url,
    read_callback_secret,
    read_flower_basic_auth,
    read_id_key,
    read_redis_url,
)
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.model import Callbacks, Settings, SettingsFile
from times_dispatch.settings.providers import builder as accounts
from times_dispatch.settings.registry import Registered, odd_content_ids, read_registry, registry_path
from times_dispatch.settings.secrets import Environment
from times_dispatch.settings.senders import Sender
from times_dispatch.settings.templates import TemplateSettings
from times_dispatch.sms.rules import ids


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
    given = accounts.read_given(environment, document, needed=Need.PROVIDERS in need)
    callbacks = _callbacks(environment, file.callbacks if file else Callbacks())

    registered = read_registry(document) if document else Registered({}, [], [])
    mistakes += registered.mistakes

    templates: dict[str, TemplateSettings] = {}
    providers: dict[str, Provider] = {}
    if document and file:
        templates |= file.templates | registered.templates
        if not registered.mistakes:
            mistakes += broken_allowances(document, file.senders, templates)
            mistakes += unpriced_caps(document, file.senders, templates, file.categories)
        mistakes += shut_windows(document, file.senders, file.categories)
        providers = {nick: accounts.build(nick, table, given.get(nick, {})) for nick, table in file.providers.items()}
        mistakes += accounts.mistakes(document, providers)
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
        categories=file.categories,
        templates=templates,
        registry_path=registry_path(document),
        optouts=file.optouts,
        callbacks=callbacks,
        logs=file.logs,
        brake=file.brake,
        worker=file.worker,
        warnings=(
            *document.warnings,
            *_warnings(document, file),
            *registered.warnings,
            *accounts.provider_warnings(document, providers),
        ),
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


def _with_provider(sender: Sender, default: str) -> Sender:
    return sender if sender.provider else sender.model_copy(update={"chain": (default,) if default else ()})


def _warnings(document: Document, file: SettingsFile) -> list[str]:
    """Name what is allowed but was never seen in the wild (docs/domain.md section 5)."""
    entity_ids = [
        document.mistake(("senders", header, "entity_id"), doubt)
        for header, sender in file.senders.items()
        if (doubt := ids.doubt(sender.entity_id))
    ]
    return [*entity_ids, *odd_content_ids(document, file.templates)]
