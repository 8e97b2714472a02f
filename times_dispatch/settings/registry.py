"""The registry file: templates imported from a DLT portal, in addition to the templates in ``dispatch.toml``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from times_dispatch.settings.cross_checks import broken_template_references
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.tables.templates import RegistryFile, TemplateSettings
from times_dispatch.settings.toml.document import Document
from times_dispatch.sms.rules import dlt_ids


class RegistryContent(NamedTuple):
    """The templates of a registry file, and the mistakes and warnings, each with file, line and path."""

    templates: dict[str, TemplateSettings]
    mistakes: list[str]
    warnings: list[str]


def registry_path(document: Document) -> Path | None:
    """Return the path of the registry file that ``dispatch.toml`` names; None if no file is named."""
    table = document.data.get("registry")
    name = table.get("templates") if isinstance(table, dict) else None
    return Path(document.name).parent / name if isinstance(name, str) and name else None


def read_registry(document: Document) -> RegistryContent:
    """Read the registry file that ``dispatch.toml`` names, with all mistakes; without a name, the result is empty."""
    path = registry_path(document)
    if path is None:
        return RegistryContent({}, [], [])
    if not path.exists():
        reason = f"there is no file {path}; dispatch template import makes it"
        return RegistryContent({}, [document.mistake(("registry", "templates"), reason)], [])
    try:
        registry = Document.read(path)
    except SettingsInvalid as invalid:
        return RegistryContent({}, list(invalid.mistakes), [])
    file, mistakes = registry.check(RegistryFile)
    mistakes += broken_template_references(registry, _tables(document.data.get("senders")))
    for name in _tables(registry.data.get("templates")):
        if name in _tables(document.data.get("templates")):
            mistakes.append(registry.mistake(("templates", name), f"is in {document.name} as well; rename one of them"))
    templates = file.templates if file else {}
    return RegistryContent(templates, mistakes, [*registry.warnings, *content_id_warnings(registry, templates)])


def content_id_warnings(document: Document, templates: Mapping[str, TemplateSettings]) -> list[str]:
    """Return a warning for each template of a file whose content id is allowed but unusual."""
    return [
        document.mistake(("templates", name, "content_id"), warning)
        for name, template in templates.items()
        if (warning := dlt_ids.warning(template.content_id))
    ]


def _tables(section: Any) -> dict[str, dict[str, Any]]:
    return (
        {name: table for name, table in section.items() if isinstance(table, dict)} if isinstance(section, dict) else {}
    )
