"""Loads the settings from the file and the environment: the result is a valid ``Settings``, or all mistakes."""

import os
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from times_dispatch.provider.description.provider import Provider
from times_dispatch.settings.cross_checks import (
    broken_references,
    caps_without_price,
    default_provider,
    impossible_lanes,
    invalid_allowed_templates,
    relay_to_receiver,
    windows_never_open,
)
from times_dispatch.settings.env_file import with_env_file
from times_dispatch.settings.environment import (
    Environment,
    read_address,
    read_archive_keys,
    read_broker_url,
    read_callback_secrets,
    read_console_secret,
    read_flower_basic_auth,
    read_forget_key,
    read_id_keys,
    read_link_keys,
    read_metrics_token,
    read_redis_url,
)
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.model import CallbackSettings, Settings, SettingsFile
from times_dispatch.settings.providers.builder import (
    build_provider,
    ca_file_mistakes,
    provider_mistakes,
    provider_warnings,
    read_provider_environments,
)
from times_dispatch.settings.registry import RegistryContent, content_id_warnings, read_registry, registry_path
from times_dispatch.settings.tables.alerts import read_alert_urls, unknown_alert_senders
from times_dispatch.settings.tables.console import ConsoleSettings
from times_dispatch.settings.tables.links import LinkSettings
from times_dispatch.settings.tables.metrics import MetricsSettings
from times_dispatch.settings.tables.senders import SenderSettings
from times_dispatch.settings.tables.templates import TemplateSettings
from times_dispatch.settings.toml.document import Document
from times_dispatch.settings.values.addresses import check_http_url, check_listen_address, check_networks
from times_dispatch.sms.rules import dlt_ids


class Need(Enum):
    """The secrets and addresses that a process can need.

    A secret or address that the process does not need may be missing; if it is given, it is checked too.
    """

    LEDGER = "the ledger's address"
    IDS = "the key of the correlation ids"
    LINKS = "the key of the tracked links"
    ARCHIVE = "the key of the archive, if [retention] has a path"
    CALLBACKS = "the secret part of the receiver's path"
    PROVIDERS = "credentials for every provider"
    FLOWER = "the user and password of Flower"
    ALERTS = "the addresses of the targets of alerts"
    METRICS = "the token of the metrics, if another host can reach them"
    CONSOLE = "the key of the console's sessions"


ALL_BUT_FLOWER = frozenset(Need) - {Need.FLOWER, Need.LINKS, Need.METRICS, Need.ALERTS, Need.CONSOLE}


def load_from_environment(need: frozenset[Need] = ALL_BUT_FLOWER) -> Settings:
    """Load the settings with the environment of this process, and with the file ``.env`` beside the settings file.

    ``DISPATCH_SETTINGS`` names the file; by default it is dispatch.toml in the working directory.
    """
    path = Path(os.environ.get("DISPATCH_SETTINGS") or "dispatch.toml")
    return load(path, with_env_file(os.environ, path), need=need)


def load(path: Path, variables: Mapping[str, str], *, need: frozenset[Need] = ALL_BUT_FLOWER) -> Settings:
    """Read and validate the file and the environment.

    Args:
        path: the settings file.
        variables: the environment variables.
        need: the secrets and addresses that must be given.

    Raises:
        SettingsInvalid: with all mistakes, first the mistakes in the file in the order of its lines.
    """
    environment = Environment(variables)
    document, file, mistakes = _read(path)

    redis_url = read_redis_url(environment, is_needed=Need.LEDGER in need)
    broker_url = read_broker_url(environment, redis_url)
    id_key, old_id_key = read_id_keys(environment, is_needed=Need.IDS in need)
    link_key, old_link_key = read_link_keys(environment, is_needed=Need.LINKS in need)
    archives = Need.ARCHIVE in need and file is not None and bool(file.retention.path)
    archive_key, old_archive_key = read_archive_keys(environment, is_needed=archives)
    forget_key = read_forget_key(environment)
    callback_secret, old_callback_secret = read_callback_secrets(environment, is_needed=Need.CALLBACKS in need)
    flower_basic_auth = read_flower_basic_auth(environment, is_needed=Need.FLOWER in need)
    provider_environments = read_provider_environments(environment, document, are_needed=Need.PROVIDERS in need)
    callbacks = _callbacks(environment, file.callbacks if file else CallbackSettings())
    links = _links(environment, file.links if file else LinkSettings())
    metrics = _metrics(environment, file.metrics if file else MetricsSettings())
    metrics_token = read_metrics_token(environment, is_needed=Need.METRICS in need and not metrics.is_on_loopback)
    alert_urls = read_alert_urls(environment, document, are_needed=Need.ALERTS in need)
    console = _console(environment, file.console if file else ConsoleSettings(), path.parent)
    console_secret = read_console_secret(environment, is_needed=Need.CONSOLE in need)

    registry = read_registry(document) if document else RegistryContent({}, [], [])
    mistakes += registry.mistakes

    templates: dict[str, TemplateSettings] = {}
    providers: dict[str, Provider] = {}
    if document and file:
        templates |= file.templates | registry.templates
        if not registry.mistakes:
            mistakes += invalid_allowed_templates(document, file.senders, templates)
            mistakes += caps_without_price(document, file.senders, templates, file.categories)
        mistakes += relay_to_receiver(document, callbacks)
        mistakes += impossible_lanes(document, file.senders)
        mistakes += windows_never_open(document, file.senders, file.categories)
        mistakes += unknown_alert_senders(document, file.senders)
        providers = {
            nickname: build_provider(nickname, table, provider_environments.get(nickname, {}))
            for nickname, table in file.providers.items()
        }
        mistakes += provider_mistakes(document, providers)
        if Need.PROVIDERS in need:  # other processes connect to no provider, and need no provider's files
            mistakes += ca_file_mistakes(document, providers)
    mistakes += environment.mistakes
    if document is None or file is None or mistakes:
        raise SettingsInvalid(mistakes)

    default = default_provider(document.data["providers"])
    return Settings(
        redis_url=redis_url,
        broker_url=broker_url,
        id_key=id_key,
        old_id_key=old_id_key,
        link_key=link_key,
        old_link_key=old_link_key,
        archive_key=archive_key,
        old_archive_key=old_archive_key,
        forget_key=forget_key,
        callback_secret=callback_secret,
        old_callback_secret=old_callback_secret,
        flower_basic_auth=flower_basic_auth,
        providers=providers,
        default_provider=default,
        senders={header: _with_provider(sender, default) for header, sender in file.senders.items()},
        categories=file.categories,
        templates=templates,
        registry_path=registry_path(document),
        optouts=file.optouts,
        dead_numbers=file.dead_numbers,
        retry_failed=file.retry_failed,
        recipients=file.recipients,
        callbacks=callbacks,
        links=links,
        metrics=metrics,
        retention=file.retention,
        metrics_token=metrics_token,
        heartbeat_path=variables.get("DISPATCH_HEARTBEAT_PATH", ""),
        alerts=file.alerts,
        alert_urls=alert_urls,
        console=console,
        console_secret=console_secret,
        logs=file.logs,
        brake=file.brake,
        worker=file.worker,
        ledger=file.ledger,
        warnings=(
            *document.warnings,
            *_id_warnings(document, file),
            *registry.warnings,
            *provider_warnings(document, providers),
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


def _callbacks(environment: Environment, table: CallbackSettings) -> CallbackSettings:
    """Return the table with the addresses that the environment overrides."""
    addresses = {
        "listen": read_address(environment, "DISPATCH_CALLBACKS_LISTEN", check_listen_address),
        "public_url": read_address(environment, "DISPATCH_CALLBACKS_PUBLIC_URL", check_http_url),
        "relay_url": read_address(environment, "DISPATCH_CALLBACKS_RELAY_URL", check_http_url),
        "forward_url": read_address(environment, "DISPATCH_CALLBACKS_FORWARD_URL", check_http_url),
    }
    proxies = read_address(environment, "DISPATCH_CALLBACKS_TRUSTED_PROXIES", check_networks).split(",")
    update: dict[str, Any] = {name: address for name, address in addresses.items() if address}
    return table.model_copy(update=update | ({"trusted_proxies": proxies} if any(proxies) else {}))


def _links(environment: Environment, table: LinkSettings) -> LinkSettings:
    """Return the table with the addresses that the environment overrides."""
    listen = read_address(environment, "DISPATCH_LINKS_LISTEN", check_listen_address)
    return table.model_copy(update={"listen": listen}) if listen else table


def _metrics(environment: Environment, table: MetricsSettings) -> MetricsSettings:
    """Return the table with the address that the environment overrides."""
    listen = read_address(environment, "DISPATCH_METRICS_LISTEN", check_listen_address)
    return table.model_copy(update={"listen": listen}) if listen else table


def _console(environment: Environment, table: ConsoleSettings, folder: Path) -> ConsoleSettings:
    """Return the table with the values of the environment; a relative users file is in the folder of the settings."""
    listen = read_address(environment, "DISPATCH_CONSOLE_LISTEN", check_listen_address)
    public_url = read_address(environment, "DISPATCH_CONSOLE_PUBLIC_URL", check_http_url)
    users = environment.get("DISPATCH_CONSOLE_USERS") or str(folder / table.users)
    proxies = read_address(environment, "DISPATCH_CONSOLE_TRUSTED_PROXIES", check_networks)
    update = {
        "listen": listen,
        "public_url": public_url,
        "users": users,
        "trusted_proxies": proxies.split(",") if proxies else [],
    }
    return table.model_copy(update={name: value for name, value in update.items() if value})


def _with_provider(sender: SenderSettings, default: str) -> SenderSettings:
    return sender if sender.provider else sender.model_copy(update={"chain": (default,) if default else ()})


def _id_warnings(document: Document, file: SettingsFile) -> list[str]:
    """Return warnings about ids that are allowed but unusual (docs/domain.md section 5)."""
    entity_ids = [
        document.mistake(("senders", header, "entity_id"), warning)
        for header, sender in file.senders.items()
        if (warning := dlt_ids.warning(sender.entity_id))
    ]
    return [*entity_ids, *content_id_warnings(document, file.templates)]
