"""Writes the registry file."""

from collections.abc import Mapping
from pathlib import Path

import tomlkit

from producers.atomic_file import open_atomic
from times_dispatch.settings.tables.templates import TemplateSettings

_HEAD_COMMENT = (
    "Written by: dispatch template import. Names, max_value_length, links and callback_numbers may be changed by hand",
    "and are kept by the next import; comments are not.",
)


def write(path: Path, templates: Mapping[str, TemplateSettings]) -> None:
    """Replace the registry file; if it cannot be written, keep the old file and raise CommandFailed."""
    text = toml(templates)
    # Every process reads the registry file, and workers may run as another user. The file holds no secret.
    with open_atomic(path, world_readable=True) as file:
        file.write(text)


def toml(templates: Mapping[str, TemplateSettings]) -> str:
    """Return templates as TOML, in the order of their names; texts keep every byte, with line breaks as escapes."""
    document = tomlkit.document()
    for line in _HEAD_COMMENT:
        document.add(tomlkit.comment(line))
    tables = tomlkit.table(is_super_table=True)
    for name in sorted(templates):
        tables.add(name, _table(templates[name]))
    document.add("templates", tables)
    return document.as_string()


def _table(template: TemplateSettings) -> tomlkit.items.Table:
    table = tomlkit.table()
    if len(template.headers) == 1:
        table.add("sender", template.headers[0])
    else:
        table.add("senders", list(template.headers))
    table.add("content_id", template.content_id)
    table.add("text", template.text)
    defaults = TemplateSettings(sender="x", content_id="0000", text="x")
    for field in ("category", "operator", "max_value_length", "links", "callback_numbers"):
        value = getattr(template, field)
        if value != getattr(defaults, field):
            table.add(field, value)
    return table
