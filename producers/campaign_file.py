"""The campaign file: what to send, from whom and when, in a TOML file small enough to read at a glance.

    name = "diwali-sale"
    sender = "TIMESM"
    template = "diwali"
    variables = ["{name}", "Rs {amount}"]
    start_at = 2026-11-08T10:00:00

Everything else has a default; ``CampaignTable`` lists it.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat

from campaigns.model import InDoubtPolicy, Plan, SenderId
from producers.errors import InputInvalid
from producers.recipients import Heading
from producers.variables import Variable, VariableInvalid
from settings.document import Document
from settings.mistakes import SettingsInvalid, closest
from settings.model import Settings
from timesmobile.templates import Template, TemplateInvalid

HOME = ZoneInfo("Asia/Kolkata")
"""The zone of times that name none."""

_DURATION = re.compile(r"(?:(\d{1,3})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?")


def _name(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError("must be one line, without spaces around it")
    return name


def _duration(text: str) -> str:
    if not (found := _DURATION.fullmatch(text)) or not any(map(int, filter(None, found.groups()))):
        raise ValueError(f"must be days, hours and minutes as in 24h, 90m or 1d12h, is {text!r}")
    return text


def _moment(value: object) -> object:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if len(value) > len("2026-11-08") else date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"must be a date and time as in 2026-11-08T10:00, is {value!r}") from None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=HOME)
    if isinstance(value, date):
        raise ValueError(f"needs a time as well, as in {value.isoformat()}T10:00")
    return value


class CampaignTable(BaseModel):
    """What stands in the file, types as written; a key that it does not know is a mistake."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_name)]
    sender: str
    template: str
    variables: list[str] | None = None
    """One for each slot, in order, with ``{column}`` placeholders; left out, the columns var1, var2, …"""
    to: Annotated[str, Field(min_length=1)] = "to"
    """The column with the numbers."""
    validity: Annotated[str, AfterValidator(_duration)] = "24h"
    """What is not sent so long after the submit (or after ``start_at``, if that is later) expires."""
    in_doubt: InDoubtPolicy = "give_up"
    rate_per_s: Annotated[FiniteFloat, Field(gt=0)] | None = None
    """Below the sender's own; above it, it has no effect."""
    start_at: Annotated[datetime | None, BeforeValidator(_moment)] = None
    """In Asia/Kolkata if it names no zone; left out, or past, it is at once."""

    @property
    def valid_for(self) -> timedelta:
        """The validity as a length of time."""
        days, hours, minutes = (int(part or 0) for part in _DURATION.fullmatch(self.validity).groups())  # type: ignore[union-attr]
        return timedelta(days=days, hours=hours, minutes=minutes)


class Campaign:
    """A campaign file that fits the settings."""

    def __init__(self, path: Path, settings: Settings) -> None:
        """Read and check it; raise InputInvalid with every mistake, each as ``campaign.toml:LINE: field: reason``."""
        self.path = path
        try:
            self._document = Document.read(path)
        except SettingsInvalid as invalid:
            raise InputInvalid(*invalid.mistakes) from None
        table, mistakes = self._document.check(CampaignTable)
        mistakes += _broken_references(self._document, settings)
        if table is None or mistakes:
            raise InputInvalid(*mistakes)
        self.table = table
        self.template_settings = settings.templates[table.template]
        try:
            self.template = Template(self.template_settings.text)
        except TemplateInvalid as invalid:
            raise InputInvalid(f"settings: templates.{table.template}.text: {invalid}") from None
        self._sender = settings.senders[table.sender]

    def plan(self, now: datetime) -> Plan:
        """Freeze what workers need to know, as of this moment."""
        table, sender = self.table, self._sender
        starts = max(now, table.start_at or now)
        return Plan(
            name=table.name,
            sender=SenderId(table.sender),
            provider=sender.provider,
            template=table.template,
            content_id=self.template_settings.content_id,
            text=self.template_settings.text,
            category=sender.category,
            entity_id=sender.entity_id,
            rate_per_s=table.rate_per_s or 0.0,
            cost_unit=sender.cost,
            in_doubt=table.in_doubt,
            start_at_ms=_epoch_ms(table.start_at) if table.start_at else 0,
            valid_until_ms=_epoch_ms(starts + table.valid_for),
            urgent=sender.urgent,
        )

    def variables(self, heading: Heading) -> list[Variable]:
        """Bind the variables to the columns of a recipients file; raise InputInvalid with every mistake."""
        mistakes: list[str] = []
        bound: list[Variable] = []
        slots = self.template.slots
        texts = self.table.variables
        if texts is not None and len(texts) != len(slots):
            mistakes.append(
                self._mistake(
                    f"has {_counted(len(texts), 'entry', 'entries')}, template {self.table.template} has "
                    f"{_counted(len(slots), 'slot', 'slots')}"
                )
            )
        for place, text in enumerate([f"{{var{n}}}" for n in range(1, len(slots) + 1)] if texts is None else texts):
            try:
                variable = Variable(text, heading)
            except VariableInvalid as invalid:
                if texts is None:
                    mistakes.append(self._mistake(f"is missing, and for its default {invalid}"))
                else:
                    mistakes.append(self._mistake(str(invalid), place))
                continue
            bound.append(variable)
            if not variable.columns and place < len(slots):
                constant = variable.compose({}, 1)[0]
                if reason := slots[place].check(constant, self.template_settings.longest_value):
                    mistakes.append(self._mistake(reason, place))
        if mistakes:
            raise InputInvalid(*mistakes)
        return bound

    def _mistake(self, reason: str, entry: int | None = None) -> str:
        return self._document.mistake(("variables",) if entry is None else ("variables", entry), reason)


def same_but_for_times(plan: Plan, stored: Plan) -> bool:
    """Say whether two submits of one campaign, at different moments, would send the same."""
    return stored == msgspec.structs.replace(plan, start_at_ms=stored.start_at_ms, valid_until_ms=stored.valid_until_ms)


def _broken_references(document: Document, settings: Settings) -> Iterator[str]:
    """Look at the file as parsed, so as to speak up beside mistakes of other kinds."""
    sender, template = document.data.get("sender"), document.data.get("template")
    if isinstance(sender, str) and sender not in settings.senders:
        yield document.mistake(("sender",), f"there is no sender {sender}{closest(sender, settings.senders)}")
    if isinstance(template, str) and template not in settings.templates:
        reason = f"there is no template {template}{closest(template, settings.templates)}"
        yield document.mistake(("template",), reason)
    elif isinstance(sender, str) and isinstance(template, str) and sender in settings.senders:
        headers = settings.templates[template].headers
        if sender not in headers:
            reason = f"{template} is not registered for {sender}, only for {', '.join(headers)}"
            yield document.mistake(("template",), reason)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
