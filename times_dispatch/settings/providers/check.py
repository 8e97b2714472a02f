"""Checks each provider in a settings file, even if other parts of the file have mistakes."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.description.validation import notes
from times_dispatch.settings.cross_checks import duplicate_defaults
from times_dispatch.settings.environment import Environment
from times_dispatch.settings.model import check_nickname
from times_dispatch.settings.providers.builder import (
    build_provider,
    provider_mistakes,
    provider_tables,
    provider_warnings,
    read_provider_environment,
)
from times_dispatch.settings.providers.lenient import read_leniently
from times_dispatch.settings.toml.document import Document


class CheckedProvider(msgspec.Struct, frozen=True):
    """A provider, and the results of the check."""

    nickname: str
    provider: Provider | None
    """The provider; None if the table has mistakes."""
    problems: list[str]
    """The mistakes with which the provider cannot work, each with line and path, or with the environment variable."""
    warnings: list[str]
    """Warnings about settings that are allowed but probably wrong."""
    notes: list[str]
    """Facts to know before the first push."""


def check_providers(path: Path, variables: Mapping[str, str]) -> list[CheckedProvider]:
    """Check each provider of a file separately, in order; raise ``SettingsInvalid`` if the file cannot be read."""
    document = Document.read(path)
    return [_check(document, nickname, table, variables) for nickname, table in provider_tables(document)]


def _check(
    document: Document, nickname: str, table: dict[str, object], variables: Mapping[str, str]
) -> CheckedProvider:
    environment = Environment(variables)
    values = read_provider_environment(environment, nickname, table, is_needed=True)
    mistakes = [*_nickname_mistakes(document, nickname), *duplicate_defaults(document, nickname)]
    lenient = read_leniently(document, nickname, table)
    mistakes += lenient.mistakes
    if lenient.settings is None:
        return CheckedProvider(nickname, None, [*mistakes, *environment.mistakes], [], [])
    provider = build_provider(nickname, lenient.settings, values)
    providers = {nickname: provider}
    return CheckedProvider(
        nickname,
        None if lenient.mistakes else provider,
        [*mistakes, *provider_mistakes(document, providers), *environment.mistakes],
        # A warning about a placeholder could be wrong if a setting that uses the placeholder could not be read.
        provider_warnings(document, providers)
        if not lenient.wrong_settings & {"preset", "payload", "headers", "custom"}
        else [],
        notes(provider) if not lenient.mistakes else [],
    )


def _nickname_mistakes(document: Document, nickname: str) -> Iterator[str]:
    try:
        check_nickname(nickname)
    except ValueError as invalid:
        yield document.mistake(("providers", nickname), str(invalid))
