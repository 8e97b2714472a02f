"""Reads a provider's table that has mistakes: returns all mistakes, and the settings without the mistakes.

A wrong value is removed, or replaced by a valid value, so that the wrong value causes no further mistake.
"""

from copy import deepcopy
from typing import Any, NamedTuple

from pydantic import ValidationError

from times_dispatch.settings.providers.tables import ProviderSettings
from times_dispatch.settings.toml.document import Document
from times_dispatch.settings.toml.strict_table import TomlPath
from times_dispatch.settings.toml.value_errors import describe_error

_ADDRESS = "https://provider.invalid/"
_PAYLOAD = {"to": "$$To", "text": "$$Body", "ref": "$$MessageID"}
_ANSWERS = {"code": "code", "accepted": [0]}
_PRESET_SETTINGS = ("method", "endpoint", "payload", "encoding", "answers")


class LenientTable(NamedTuple):
    """The settings of a table that may have mistakes."""

    settings: ProviderSettings | None
    """The settings without the wrong values; None if the settings are still not valid."""
    mistakes: list[str]
    """All mistakes, each with line and path."""
    wrong_settings: frozenset[str]
    """The names of the settings with a mistake."""


def read_leniently(document: Document, nickname: str, table: dict[str, Any]) -> LenientTable:
    """Read a parsed table of a provider, with all mistakes."""
    mistakes = document.replace_old_names(ProviderSettings, ("providers", nickname))
    values, wrong_settings = deepcopy(table), set[str]()
    while True:
        before = deepcopy(values)
        try:
            settings = ProviderSettings.model_validate(values)
        except ValidationError as invalid:
            for error in invalid.errors(include_url=False):
                path = error["loc"]
                reason = describe_error(error, ProviderSettings)
                mistakes.append(document.mistake(("providers", nickname, *path), reason))
                wrong_settings.update(str(key) for key in path[:1])
                _repair(values, path)
        else:
            if wrong_settings & {"answers", "preset"}:  # a removed setting may be missing in the answers
                settings = ProviderSettings.model_validate({**values, "answers": _ANSWERS})
            return LenientTable(settings, mistakes, frozenset(wrong_settings))
        if values == before:
            return LenientTable(None, mistakes, frozenset(wrong_settings))


def _repair(values: dict[str, Any], path: TomlPath) -> None:
    """Remove or replace the wrong value at a path; an empty path is a mistake in the combination of settings."""
    if not path:
        _repair_combination(values)
        return
    _remove(values, path)
    match path[0]:
        case "preset":
            for name in _PRESET_SETTINGS:
                values.setdefault(name, _replacement(name, values))
        case "method" | "endpoint" | "payload" | "encoding" | "answers" as name:
            values.setdefault(name, _replacement(name, values))
        case "auth" if "oauth2" in values:
            values["auth"] = "oauth2"
        case "oauth2" if values.get("auth") == "oauth2":
            values.setdefault("oauth2", {}).setdefault("token_url", _ADDRESS)


def _repair_combination(values: dict[str, Any]) -> None:
    """Add missing settings. If no setting is missing, remove the authentication, which contradicts itself."""
    required = () if "preset" in values else (name for name in _PRESET_SETTINGS if name != "endpoint")
    missing = [name for name in required if name not in values]
    for name in missing:
        values[name] = _replacement(name, values)
    if not missing:
        values.pop("auth", None)
        values.pop("oauth2", None)


def _remove(values: dict[str, Any], path: TomlPath) -> None:
    """Remove the value at a path. If the path leads into an array, remove the whole array."""
    table = values
    for key in path[:-1]:
        inner = table.get(str(key))
        if not isinstance(inner, dict):
            table.pop(str(key), None)
            return
        table = inner
    table.pop(str(path[-1]), None)


def _replacement(name: str, values: dict[str, Any]) -> Any:
    """Return a valid value for a setting that is missing or wrong."""
    payload = values.get("payload")
    match name:
        case "method":
            return "POST"
        case "endpoint":
            return _ADDRESS
        case "payload":
            return dict(_PAYLOAD)
        case "answers":
            return dict(_ANSWERS)
    pairs = payload.values() if isinstance(payload, dict) else ()
    if isinstance(payload, str) or any(not isinstance(value, str) for value in pairs):
        return "json"
    return "query" if values.get("method") == "GET" else "form"
