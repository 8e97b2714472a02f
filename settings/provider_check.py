"""Everything that can be said of the providers in a settings file, whatever else is wrong with it."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from pydantic import ValidationError

from settings import accounts
from settings.document import Document
from settings.mistakes import in_words
from settings.model import nickname as check_nickname
from settings.providers import ProviderSettings
from settings.secrets import Environment
from timesmobile.inspection import notes
from timesmobile.provider import Provider


class Checked(msgspec.Struct, frozen=True):
    """What was found out about one provider."""

    nickname: str
    provider: Provider | None
    """None if its table cannot be read."""
    problems: list[str]
    """It cannot work; each at its place in the file or the environment."""
    warnings: list[str]
    """It works, and is probably not meant so."""
    notes: list[str]


def check(path: Path, variables: Mapping[str, str]) -> list[Checked]:
    """Look at every provider of a file by itself, in order; raise SettingsInvalid if the file cannot be read."""
    document = Document.read(path)
    return [_checked(document, nickname, table, variables) for nickname, table in accounts.tables(document)]


def _checked(document: Document, nickname: str, table: dict[str, object], variables: Mapping[str, str]) -> Checked:
    place, environment = ("providers", nickname), Environment(variables)
    given = accounts.read_one(environment, nickname, table, needed=True)
    try:
        check_nickname(nickname)
        described = ProviderSettings.model_validate(table)
    except ValidationError as invalid:
        found = [
            document.mistake((*place, *error["loc"]), in_words(error, ProviderSettings))
            for error in invalid.errors(include_url=False)
        ]
        return Checked(nickname, None, [*found, *environment.mistakes], [], [])
    except ValueError as invalid:
        return Checked(nickname, None, [document.mistake(place, str(invalid)), *environment.mistakes], [], [])
    provider = accounts.build(nickname, described, given)
    built = {nickname: provider}
    return Checked(
        nickname,
        provider,
        [*accounts.mistakes(document, built), *environment.mistakes],
        accounts.doubts(document, built),
        notes(provider),
    )
