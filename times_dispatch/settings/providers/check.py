"""Everything that can be said of the providers in a settings file, whatever else is wrong with it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from times_dispatch.provider.description.provider import Provider
from times_dispatch.provider.description.validation import notes
from times_dispatch.settings.cross_checks import duplicate_defaults
from times_dispatch.settings.document import Document
from times_dispatch.settings.model import nickname as check_nickname
from times_dispatch.settings.providers import builder as accounts
from times_dispatch.settings.providers.lenient import read_leniently
from times_dispatch.settings.secrets import Environment


class CheckedProvider(msgspec.Struct, frozen=True):
    """What was found out about one provider."""

    nickname: str
    provider: Provider | None
    """None if not all of its table can be read."""
    problems: list[str]
    """It cannot work; each at its place in the file or the environment."""
    warnings: list[str]
    """It works, and is probably not meant so."""
    notes: list[str]


def check(path: Path, variables: Mapping[str, str]) -> list[CheckedProvider]:
    """Look at every provider of a file by itself, in order; raise SettingsInvalid if the file cannot be read."""
    document = Document.read(path)
    return [_checked(document, nickname, table, variables) for nickname, table in accounts.tables(document)]


def _checked(
    document: Document, nickname: str, table: dict[str, object], variables: Mapping[str, str]
) -> CheckedProvider:
    environment = Environment(variables)
    given = accounts.read_one(environment, nickname, table, needed=True)
    found = [*_misnamed(document, nickname), *duplicate_defaults(document, nickname)]
    partly = read_leniently(document, nickname, table)
    found += partly.mistakes
    if partly.described is None:
        return CheckedProvider(nickname, None, [*found, *environment.mistakes], [], [])
    provider = accounts.build(nickname, partly.described, given)
    built = {nickname: provider}
    return CheckedProvider(
        nickname,
        None if partly.mistakes else provider,
        [*found, *accounts.mistakes(document, built), *environment.mistakes],
        # Placeholders and values may belong to what could not be read.
        accounts.provider_warnings(document, built)
        if not partly.settings & {"preset", "payload", "headers", "custom"}
        else [],
        notes(provider) if not partly.mistakes else [],
    )


def _misnamed(document: Document, nickname: str) -> Iterator[str]:
    try:
        check_nickname(nickname)
    except ValueError as invalid:
        yield document.mistake(("providers", nickname), str(invalid))
