"""The registry file: templates that were imported, beside those that stand in ``dispatch.toml`` itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from times_dispatch.settings.cross_checks import broken_template_references
from times_dispatch.settings.document import Document
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.templates import RegistryFile, TemplateSettings
from times_dispatch.sms.rules import ids


class Registered(NamedTuple):
    """What the registry file holds."""

    templates: dict[str, TemplateSettings]
    mistakes: list[str]
    warnings: list[str]


def registry_path(document: Document) -> Path | None:
    """Return where the registry file is that ``dispatch.toml`` names; None if it names none."""
    table = document.data.get("registry")
    named = table.get("templates") if isinstance(table, dict) else None
    return Path(document.name).parent / named if isinstance(named, str) and named else None


def read_registry(document: Document) -> Registered:
    """Read the registry file that a ``dispatch.toml`` names, and say all that is wrong with it."""
    path = registry_path(document)
    if path is None:
        return Registered({}, [], [])
    if not path.exists():
        reason = f"there is no file {path}; dispatch template import makes it"
        return Registered({}, [document.mistake(("registry", "templates"), reason)], [])
    try:
        registry = Document.read(path)
    except SettingsInvalid as invalid:
        return Registered({}, list(invalid.mistakes), [])
    file, mistakes = registry.check(RegistryFile)
    mistakes += broken_template_references(registry, _tables(document.data.get("senders")))
    for name in _tables(registry.data.get("templates")):
        if name in _tables(document.data.get("templates")):
            mistakes.append(registry.mistake(("templates", name), f"is in {document.name} as well; rename one of them"))
    templates = file.templates if file else {}
    return Registered(templates, mistakes, [*registry.warnings, *odd_content_ids(registry, templates)])


def odd_content_ids(document: Document, templates: Mapping[str, TemplateSettings]) -> list[str]:
    """Name the templates of a file whose content id is allowed but was never seen in the wild."""
    return [
        document.mistake(("templates", name, "content_id"), doubt)
        for name, item in templates.items()
        if (doubt := ids.doubt(item.content_id))
    ]


def _tables(section: Any) -> dict[str, dict[str, Any]]:
    return (
        {name: table for name, table in section.items() if isinstance(table, dict)} if isinstance(section, dict) else {}
    )
