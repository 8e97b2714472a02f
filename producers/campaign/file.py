"""The campaign file, a small TOML file with the sender, the template, the recipients and the times of a campaign.

    name = "diwali-sale"
    sender = "TIMESM"
    template = "diwali"
    variables = ["{name}", "Rs {amount}"]
    start_at = 2026-11-08T10:00:00

All other fields have defaults; ``CampaignTable`` lists them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from producers.campaign.budget import Budget
from producers.campaign.custom_values import CustomValues
from producers.campaign.schedule import Schedule
from producers.campaign.second_tries import SecondTries
from producers.campaign.slot_binding import bind_slots
from producers.campaign.table import ALTERNATIVES, CampaignTable
from producers.campaign.tracked_links import CampaignLinks
from producers.errors import InputInvalid
from producers.recipients import Heading
from producers.rows.damage import damage_of_template
from producers.rows.slots import SlotSource
from producers.rows.whitelists import Whitelists
from times_dispatch.ledger.lanes.shares import forbidden_with_lanes
from times_dispatch.ledger.model import Plan, SenderId
from times_dispatch.settings.errors import SettingsInvalid, closest
from times_dispatch.settings.model import Settings
from times_dispatch.settings.prices import max_parts_per_day, price
from times_dispatch.settings.sender_window import send_window
from times_dispatch.settings.toml.document import Document
from times_dispatch.sms.placeholders import unfilled
from times_dispatch.sms.rules.categories import effective_category
from times_dispatch.sms.rules.links import LinkWhitelist
from times_dispatch.sms.rules.number_whitelist import NumberWhitelist
from times_dispatch.sms.templates import Template

_MAX_FILE_BYTES = 65_536


class Campaign:
    """A campaign file that fits the settings."""

    def __init__(self, path: Path, settings: Settings, *, at_once: bool = False) -> None:
        """Read and check the file; raise InputInvalid with every mistake, as ``campaign.toml:LINE: field: reason``.

        With *at_once*, a start that is past is allowed, and the campaign is sent at once.
        """
        self.path = path
        _check_size(path)
        try:
            self._document = Document.read(path)
        except SettingsInvalid as invalid:
            raise InputInvalid(*invalid.mistakes) from None
        table, mistakes = self._document.check(CampaignTable)
        mistakes += _broken_references(self._document, settings)
        if table is None or mistakes:
            raise InputInvalid(*mistakes)
        self.links = CampaignLinks(table, settings, self._document)
        self.table = table = self.links.put_into(table)
        self.template_settings = settings.templates[table.template]
        self.sender = settings.senders[table.sender]
        self.no_value = settings.recipients.no_value
        self.template = Template(self.template_settings.text, self.template_settings.operator)
        self.category = effective_category(self.sender.category, self.template_settings.category)
        allowed = send_window(self.sender, self.category, settings.categories)
        if allowed.is_never_open:
            reason = (
                f"the window {self.sender.window} of the sender lies outside the hours of {self.category} messages: "
                "change one of them in the settings"
            )
            raise InputInvalid(self._document.mistake(("sender",), reason))
        self.schedule = Schedule(table, allowed, self._document, at_once=at_once)
        self.budget = Budget(
            table,
            self._document,
            price=price(self.sender, self.category, settings.categories),
            max_parts_per_day=max_parts_per_day(table.sender, settings),
        )
        self.second_tries = SecondTries(table, settings, self._document)
        bad_text = [
            self._document.mistake(("template",), self._not_whitelisted(problem))
            for problem in self.whitelists().problems_in_text()
        ]
        bad_text += [
            self._document.mistake(
                ("template",),
                f"the text of {table.template} contains {placeholder}, which looks like a placeholder that nothing "
                "fills; a slot is written {#var#}",
            )
            for placeholder in unfilled("\0".join(self.template.literals))
        ]
        bad_text += self.links.whitelist_mistakes(self._link_whitelist().missing(" ".join(self.links.written)))
        if damage := damage_of_template(self.template_settings.text):
            bad_text.append(self._document.mistake(("template",), f"the text of {table.template} {damage}"))
        if mistakes := [*self.budget.mistakes, *self.second_tries.mistakes, *bad_text]:
            raise InputInvalid(*mistakes)
        self.custom = CustomValues(
            table.custom, [settings.providers[nickname] for nickname in self.sender.chain], self._document
        )
        plan = self.plan(datetime.now(UTC))
        if what := forbidden_with_lanes(plan, self.sender.lanes, max_parts_per_day=self.budget.max_parts_per_day):
            reason = f"{table.sender} has {self.sender.lanes} lanes, and a campaign with lanes cannot have {what}"
            raise InputInvalid(self._document.mistake(("sender",), reason))

    def check(self, now: datetime) -> None:
        """Raise InputInvalid if the campaign cannot be sent when it is submitted now."""
        if mistakes := list(self.schedule.mistakes(now)):
            raise InputInvalid(*mistakes)

    def plan(self, now: datetime) -> Plan:
        """Return the plan that workers follow if the campaign is submitted now."""
        table, sender = self.table, self.sender
        times, window = self.schedule.at(now), self.schedule.window
        return Plan(
            name=table.name,
            sender=SenderId(table.sender),
            provider=sender.provider,
            fallbacks=list(sender.fallbacks),
            custom=self.custom.constants,
            template=table.template,
            content_id=self.template_settings.content_id,
            text=self.template_settings.text,
            category=self.category,
            entity_id=sender.entity_id,
            rate_per_s=table.rate_per_s or 0.0,
            cost_unit=sender.cost,
            in_doubt=table.in_doubt,
            # The start is moved into the send window, so that missed_start compares with the first possible moment.
            start_at_ms=_epoch_ms(max(times.start, times.opens)) if times.start else 0,
            valid_until_ms=_epoch_ms(times.ends),
            urgent=sender.urgent and self.category != "promotional",
            missed_start=table.missed_start,
            send_from_min=0 if window.is_always_open else window.from_min,
            send_until_min=0 if window.is_always_open else window.until_min,
            zone=window.zone,
            max_parts=self.budget.max_parts,
            tracked_links=self.links.plan(),
            retry=self.second_tries.rule,
        )

    def slot_source(self, heading: Heading) -> SlotSource:
        """Bind variables, or the text, to the columns of a recipients file; raise InputInvalid with every mistake."""
        max_length = self.template_settings.max_value_length
        return bind_slots(self.table, self.template, heading, max_length=max_length, document=self._document)

    def whitelists(self) -> Whitelists:
        """Return the links and callback numbers that the messages may contain."""
        return Whitelists(
            self.template,
            links=self._link_whitelist(),
            numbers=NumberWhitelist([*self.template_settings.callback_numbers, *self.sender.callback_numbers]),
        )

    def warnings(self, now: datetime) -> Iterator[str]:
        """Return warnings about mistakes with which the campaign can still be sent."""
        yield from self._document.warnings
        table = self.table
        if not self.sender.entity_id:
            yield f"sender {table.sender} has no entity_id in the settings: the DLT knows its messages by this id"
        registered = self.template_settings.category
        if registered and registered != self.sender.category:
            yield (
                f"template {table.template} is registered as {registered} and sender {table.sender} is "
                f"{self.sender.category}: the campaign is sent as {self.category}, in the hours {self.schedule.window}"
            )
        for number in self.whitelists().unlisted_numbers_in_text():
            yield f"the text contains {number}, and the settings have no callback_numbers to compare the number with"
        yield from self.second_tries.warnings(self.schedule.at(now))
        if waiting := self.schedule.waiting_warning(now):
            yield waiting

    def _link_whitelist(self) -> LinkWhitelist:
        return LinkWhitelist([*self.template_settings.links, *self.sender.links])

    def _not_whitelisted(self, problem: str) -> str:
        return f"the text of {self.table.template} {problem}; add it to its whitelist or to that of {self.table.sender}"


def _check_size(path: Path) -> None:
    """Raise InputInvalid before parsing a file that is too large to be written by a person."""
    try:
        size = path.stat().st_size
    except OSError:
        return  # the read that follows reports the reason
    if size > _MAX_FILE_BYTES:
        raise InputInvalid(f"{path}: has {size:,} bytes; a campaign file has at most {_MAX_FILE_BYTES:,}")


def same_but_for_times(plan: Plan, stored: Plan) -> bool:
    """Return whether two plans of one campaign, made at different moments, are equal except for their times."""
    return stored == msgspec.structs.replace(plan, start_at_ms=stored.start_at_ms, valid_until_ms=stored.valid_until_ms)


def _broken_references(document: Document, settings: Settings) -> Iterator[str]:
    """Check names in the parsed file, not in the table, so that these mistakes are listed together with wrong types."""
    for field, alternative in ALTERNATIVES:
        if field in document.data and alternative in document.data:
            yield document.mistake((alternative,), f"cannot be combined with {field}; leave one of them out")
    sender, template = document.data.get("sender"), document.data.get("template")
    if isinstance(sender, str) and sender not in settings.senders:
        yield document.mistake(("sender",), f"there is no sender {sender}{closest(sender, settings.senders)}")
    if isinstance(template, str) and template not in settings.templates:
        reason = f"there is no template {template}{closest(template, settings.templates)}"
        yield document.mistake(("template",), reason)
    elif isinstance(sender, str) and isinstance(template, str) and sender in settings.senders:
        headers, allowed = settings.templates[template].headers, settings.senders[sender].templates
        if sender not in headers:
            reason = f"{template} is not registered for {sender}, only for {', '.join(headers)}"
            yield document.mistake(("template",), reason)
        elif allowed and template not in allowed:
            reason = f"{sender} may not send {template}, only {', '.join(allowed)}"
            yield document.mistake(("template",), reason)


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
