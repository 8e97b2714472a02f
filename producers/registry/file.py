"""The registry file, written whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

import tomlkit

from producers.atomic_file import whole_file
from times_dispatch.settings.templates import TemplateSettings

_ABOUT = (
    "Written by: dispatch template import. Names, max_value_length, links and callback_numbers may be changed by hand",
    "and are kept by the next import; comments are not.",
)


def write(path: Path, templates: Mapping[str, TemplateSettings]) -> None:
    """Replace the file; raise CommandFailed if that cannot be done, and leave the old one then."""
    text = toml(templates)
    # Settings are read by every process, and workers may run as somebody else; there is no secret in this file.
    with whole_file(path, for_everybody=True) as file:
        file.write(text)


def toml(templates: Mapping[str, TemplateSettings]) -> str:
    """Write templates as TOML, in the order of their names; a text keeps every byte, line breaks as escapes."""
    document = tomlkit.document()
    for line in _ABOUT:
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
    for field in ("category", "max_value_length", "links", "callback_numbers"):
        value = getattr(template, field)
        if value != getattr(defaults, field):
            table.add(field, value)
    return table
