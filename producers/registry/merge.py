"""Merges the rows of a portal's download into the templates of the registry file."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from pydantic import ValidationError

from producers.registry.portal import PortalRow
from producers.rows.damage import damage_of_template
from times_dispatch.settings.errors import closest
from times_dispatch.settings.tables.senders import SenderSettings
from times_dispatch.settings.tables.templates import TemplateSettings
from times_dispatch.settings.toml.value_errors import describe_error
from times_dispatch.sms.placeholders import unfilled
from times_dispatch.sms.rules import headers as header_rules
from times_dispatch.sms.templates import Template

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_NAME_LENGTH = 64
_FIELDS_IN_WORDS = {"content_id": "template id ", "text": "text: "}


class MergedRow(NamedTuple):
    """A row of the download after the merge."""

    line: int
    name: str
    """The template's name in the registry; for a refused row, the portal's name or the content id."""
    reason: str = ""
    """Why the row was refused or the template was removed, or the fields that changed."""


class Merge:
    """Merges downloads into the templates of the registry; ``templates`` holds the result.

    A content id identifies a template. A template of the registry keeps its name, which campaign files use, and the
    fields that portals do not have: max_value_length, links and callback_numbers. A template is removed only if its
    status in the download is not approved.
    """

    def __init__(
        self,
        registry: Mapping[str, TemplateSettings],
        *,
        elsewhere: Mapping[str, TemplateSettings],
        senders: Mapping[str, SenderSettings],
        default_sender: str = "",
    ) -> None:
        """Start with the current templates.

        Args:
            registry: templates in the registry file, by name.
            elsewhere: templates in ``dispatch.toml``, by name.
            senders: the senders in the settings, by header.
            default_sender: the sender of rows that name no header; empty if such rows are refused.
        """
        self.templates = dict(registry)
        self.added: list[MergedRow] = []
        self.changed: list[MergedRow] = []
        self.unchanged: list[MergedRow] = []
        self.removed: list[MergedRow] = []
        self.refused: list[MergedRow] = []
        self._registry = registry
        self._names = {item.content_id: name for name, item in registry.items()}
        self._elsewhere = {item.content_id: (name, item) for name, item in elsewhere.items()}
        self._taken_names = {*registry, *elsewhere}
        self._senders = senders
        self._default_sender = default_sender

    def add(self, rows: Iterable[PortalRow]) -> None:
        """Merge the rows of a download; rows that differ only in the header become one template."""
        joined: dict[str, PortalRow] = {}
        for row in rows:
            if row.damage:
                self._refuse(row, row.damage)
                continue
            before = joined.get(row.content_id)
            if before is None or not row.content_id:
                joined[row.content_id or f"line {row.line}"] = row
            elif (before.text, before.approved) != (row.text, row.approved):
                self._refuse(row, f"has the template id of line {before.line}, and another text or status")
            else:
                headers = tuple(dict.fromkeys((*before.headers, *row.headers)))
                joined[row.content_id] = msgspec.structs.replace(before, headers=headers)
        for row in joined.values():
            self._merge_row(row)
        self.refused.sort()

    def _merge_row(self, row: PortalRow) -> None:
        if not row.approved:
            if name := self._names.get(row.content_id):
                del self.templates[name]
                self.removed.append(MergedRow(row.line, name, f"its status is {row.status}"))
            else:
                self._refuse(row, f"its status is {row.status or 'empty'}: only approved templates can be used")
            return
        senders, reason = self._senders_of(row)
        if not reason:
            reason = self._validation_error(row, senders)
        if not reason:
            reason = self._store(row, senders)
        if reason:
            self._refuse(row, reason)

    def _senders_of(self, row: PortalRow) -> tuple[list[str], str]:
        """Return the senders that the settings know, or none and why the row is refused."""
        headers = row.headers or ((self._default_sender,) if self._default_sender else ())
        if not headers:
            return [], "names no header; name its sender with --sender HEADER"
        known = [header for header in headers if header in self._senders]
        if not known:
            problems = filter(None, map(header_rules.problem, headers))
            unknown = f"there is no such sender in the settings{closest(headers[0], self._senders)}"
            return [], f"header {', '.join(headers)}: {next(problems, None) or unknown}"
        for header in known:
            if row.category and (problem := header_rules.category_problem(header, row.category)):
                return [], f"header {header}: {problem}"
            entity = self._senders[header].entity_id
            if row.entity_id and entity and row.entity_id != entity:
                return [], f"belongs to the entity {row.entity_id}, and sender {header} to {entity}"
        return known, ""

    def _validation_error(self, row: PortalRow, senders: list[str]) -> str:
        if row.unknown_category:
            return (
                f"its category {row.unknown_category!r} is unknown: write promotional, service, transactional or "
                "government, or name another column with --column category=NAME"
            )
        try:
            TemplateSettings(content_id=row.content_id, text=row.text, senders=senders, category=row.category)
        except ValidationError as invalid:
            error = invalid.errors(include_url=False)[0]
            field = str(error["loc"][0]) if error["loc"] else ""
            return _FIELDS_IN_WORDS.get(field, "") + describe_error(error, TemplateSettings)
        if damage := damage_of_template(row.text):
            return f"text: {damage}"
        if placeholders := unfilled("\0".join(Template(row.text).literals)):
            return f"text: {placeholders[0]} looks like a placeholder that nothing fills; a slot is written {{#var#}}"
        return ""

    def _store(self, row: PortalRow, senders: list[str]) -> str:
        """Put a valid row into the registry; return why the row is refused, or an empty text."""
        if row.content_id in self._elsewhere:
            name, item = self._elsewhere[row.content_id]
            if item.text != row.text:
                return f"is {name} in dispatch.toml, with another text: correct or remove it there"
            self.unchanged.append(MergedRow(row.line, name))
            return ""
        name = self._names.get(row.content_id) or self._new_name(row)
        before = self._registry.get(name)
        from_portal = {
            "content_id": row.content_id,
            "text": row.text,
            "sender": "",
            "senders": senders,
            "category": row.category,
            **({"operator": row.operator} if row.operator else {}),
        }
        kept = before.model_dump() if before else {}
        self.templates[name] = after = TemplateSettings.model_validate(kept | from_portal)
        if before is None:
            self.added.append(MergedRow(row.line, name))
        elif _from_portal(before) == _from_portal(after):
            self.unchanged.append(MergedRow(row.line, name))
        else:
            self.changed.append(MergedRow(row.line, name, _differences(before, after)))
        return ""

    def _new_name(self, row: PortalRow) -> str:
        base = _NOT_IN_NAMES.sub("-", row.name).strip("-._")[: _MAX_NAME_LENGTH - 20] or "template"
        name = next(
            name
            for name in (base, f"{base}-{row.content_id[-4:]}", f"{base}-{row.content_id}")
            if name not in self._taken_names
        )
        self._taken_names.add(name)
        return name

    def _refuse(self, row: PortalRow, reason: str) -> None:
        self.refused.append(MergedRow(row.line, row.name or row.content_id, reason))


def _from_portal(item: TemplateSettings) -> tuple[object, ...]:
    return item.text, item.headers, item.category, item.operator


def _differences(before: TemplateSettings, after: TemplateSettings) -> str:
    changed = [
        name
        for name, old, new in (
            ("text", before.text, after.text),
            ("senders", before.headers, after.headers),
            ("category", before.category, after.category),
            ("operator", before.operator, after.operator),
        )
        if old != new
    ]
    return f"another {' and '.join(changed)}"
