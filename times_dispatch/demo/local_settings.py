"""A person's settings for a trial on one machine: ``make up SETTINGS=dispatch.toml``.

A trial reaches nothing outside of the machine: the sandbox stands in for every provider, and settings that name an
archive, other systems or people are left out.
"""

from pathlib import Path
from typing import Final, NamedTuple

import tomlkit

from times_dispatch.sandbox.gateway import GET_PATH, POST_PATH
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.load import load
from times_dispatch.settings.registry import registry_path
from times_dispatch.settings.toml.document import Document

DEMO_SETTINGS: Final = Path(__file__).parent / "dispatch.toml"
REGISTRY_NAME: Final = "templates.toml"
"""The name of the registry file, which is written beside the settings of the trial."""
_PATHS: Final = {"timesmobile-post": POST_PATH, "timesmobile-get": GET_PATH}
"""The path of the sandbox's API for each preset."""
_LEFT_OUT: Final = (
    ("retention", "path"),
    ("callbacks", "forward_url"),
    ("callbacks", "relay_url"),
    ("alerts", "targets"),
)
"""The settings that reach an archive, other systems or people."""


class LocalSettings(NamedTuple):
    """The settings of a trial."""

    text: str
    """The content of ``dispatch.toml``."""
    registry: str
    """The content of the registry file; empty if the settings name no registry file."""
    provider_paths: dict[str, str]
    """The path of the sandbox's API for each provider, by the provider's nickname."""
    left_out: list[str]
    """The settings of the file that the trial does not use, such as ``callbacks.forward_url``."""


def read_local_settings(path: Path) -> LocalSettings:
    """Read and check a settings file.

    Raises:
        SettingsInvalid: the file has mistakes, or the sandbox cannot stand in for a provider.
    """
    document = Document.read(path)
    load(path, {}, need=frozenset())
    settings, mistakes, provider_paths = document.data, list[str](), dict[str, str]()
    for nickname, table in settings["providers"].items():
        if sandbox_path := _PATHS.get(table.get("preset", "")):
            provider_paths[nickname] = sandbox_path
        else:
            reason = f"make up sends through the sandbox, which stands in for the presets {' and '.join(_PATHS)} only"
            mistakes.append(document.mistake(("providers", nickname), reason))
    if mistakes:
        raise SettingsInvalid(mistakes)

    registry = registry_path(document)
    if registry:
        settings["registry"]["templates"] = REGISTRY_NAME
    left_out = [
        f"{table}.{key}" for table, key in _LEFT_OUT if settings.get(table, {}).pop(key, None) not in (None, "", {})
    ]
    return LocalSettings(
        text=tomlkit.dumps(settings),
        registry=registry.read_text("utf-8-sig") if registry else "",
        provider_paths=provider_paths,
        left_out=left_out,
    )
