"""What becomes of the registry when a portal's download is imported, row by row."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
from pydantic import ValidationError

from producers.registry.portal import PortalRow
from times_dispatch.settings.errors import closest, describe_error
from times_dispatch.settings.senders import SenderSettings
from times_dispatch.settings.templates import TemplateSettings
from times_dispatch.sms.rules import headers as header_rules

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_NAME = 64


class Line(NamedTuple):
    """One row, and what was made of it."""

    line: int
    name: str
    """The template's name here, or the portal's if it was refused."""
    reason: str = ""


class Merge:
    """Takes a download into the templates of the registry; ``templates`` is what they are then.

    A template is known again by its content id and keeps its name, since campaign files use it, and what the portals do
    not know: longest value, links, callback numbers. Nothing is taken out but what the portal says is approved no more.
    """

    def __init__(
        self,
        registry: Mapping[str, TemplateSettings],
        *,
        elsewhere: Mapping[str, TemplateSettings],
        senders: Mapping[str, SenderSettings],
        default_sender: str = "",
    ) -> None:
        """Take the registry's templates, those of dispatch.toml, the senders, and the sender of rows without any."""
        self.templates = dict(registry)
        self.added: list[Line] = []
        self.changed: list[Line] = []
        self.unchanged: list[Line] = []
        self.removed: list[Line] = []
        self.refused: list[Line] = []
        self._registry = registry
        self._names = {item.content_id: name for name, item in registry.items()}
        self._elsewhere = {item.content_id: (name, item) for name, item in elsewhere.items()}
        self._taken_names = {*registry, *elsewhere}
        self._senders = senders
        self._default_sender = default_sender

    def take(self, rows: Iterable[PortalRow]) -> None:
        """Take the rows of a download; those of one template, one for each header, are put together."""
        together: dict[str, PortalRow] = {}
        for row in rows:
            before = together.get(row.content_id)
            if before is None or not row.content_id:
                together[row.content_id or f"line {row.line}"] = row
            elif (before.text, before.approved) != (row.text, row.approved):
                self._refuse(row, f"has the template id of line {before.line}, and another text or status")
            else:
                headers = tuple(dict.fromkeys((*before.headers, *row.headers)))
                together[row.content_id] = msgspec.structs.replace(before, headers=headers)
        for row in together.values():
            self._take(row)
        self.refused.sort()

    def _take(self, row: PortalRow) -> None:
        if not row.approved:
            if name := self._names.get(row.content_id):
                del self.templates[name]
                self.removed.append(Line(row.line, name, f"its status is {row.status}"))
            else:
                self._refuse(row, f"its status is {row.status or 'empty'}: only approved ones can be used")
            return
        senders, reason = self._senders_of(row)
        if not reason:
            reason = self._mistake(row, senders)
        if not reason:
            reason = self._keep(row, senders)
        if reason:
            self._refuse(row, reason)

    def _senders_of(self, row: PortalRow) -> tuple[list[str], str]:
        headers = row.headers or ((self._default_sender,) if self._default_sender else ())
        if not headers:
            return [], "names no header; say whose it is with --sender HEADER"
        known = [header for header in headers if header in self._senders]
        if not known:
            problems = filter(None, map(header_rules.problem, headers))
            what = (
                next(problems, None) or f"there is no such sender in the settings{closest(headers[0], self._senders)}"
            )
            return [], f"header {', '.join(headers)}: {what}"
        for header in known:
            if row.category and (wrong := header_rules.category_problem(header, row.category)):
                return [], f"header {header}: {wrong}"
            entity = self._senders[header].entity_id
            if row.entity_id and entity and row.entity_id != entity:
                return [], f"belongs to the entity {row.entity_id}, and sender {header} to {entity}"
        return known, ""

    def _mistake(self, row: PortalRow, senders: list[str]) -> str:
        try:
            TemplateSettings(content_id=row.content_id, text=row.text, senders=senders, category=row.category)
        except ValidationError as invalid:
            error = invalid.errors(include_url=False)[0]
            field = (
                {"content_id": "template id ", "text": "text: "}.get(str(error["loc"][0]), "") if error["loc"] else ""
            )
            return field + describe_error(error, TemplateSettings)
        return ""

    def _keep(self, row: PortalRow, senders: list[str]) -> str:
        """Put a good row into the registry; return why that cannot be."""
        if row.content_id in self._elsewhere:
            name, item = self._elsewhere[row.content_id]
            if item.text != row.text:
                return f"is {name} in dispatch.toml, with another text: mend or remove it there"
            self.unchanged.append(Line(row.line, name))
            return ""
        name = self._names.get(row.content_id) or self._new_name(row)
        before = self._registry.get(name)
        fresh = {
            "content_id": row.content_id,
            "text": row.text,
            "sender": "",
            "senders": senders,
            "category": row.category,
        }
        kept = before.model_dump() if before else {}
        self.templates[name] = after = TemplateSettings.model_validate(kept | fresh)
        if before is None:
            self.added.append(Line(row.line, name))
        elif (before.text, before.headers, before.category) == (after.text, after.headers, after.category):
            self.unchanged.append(Line(row.line, name))
        else:
            self.changed.append(Line(row.line, name, _differences(before, after)))
        return ""

    def _new_name(self, row: PortalRow) -> str:
        plain = _NOT_IN_NAMES.sub("-", row.name).strip("-._")[: _LONGEST_NAME - 20] or "template"
        name = next(
            name
            for name in (plain, f"{plain}-{row.content_id[-4:]}", f"{plain}-{row.content_id}")
            if name not in self._taken_names
        )
        self._taken_names.add(name)
        return name

    def _refuse(self, row: PortalRow, reason: str) -> None:
        self.refused.append(Line(row.line, row.name or row.content_id, reason))


def _differences(before: TemplateSettings, after: TemplateSettings) -> str:
    changed = [
        name
        for name, old, new in (
            ("text", before.text, after.text),
            ("senders", before.headers, after.headers),
            ("category", before.category, after.category),
        )
        if old != new
    ]
    return f"another {' and '.join(changed)}"
