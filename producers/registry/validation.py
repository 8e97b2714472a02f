"""Checks registered templates for mistakes that make operators drop their messages, and for avoidable costs."""

import re
from collections.abc import Iterator

from producers.rows.ucs2_characters import describe_character
from producers.rows.whitelists import Whitelists
from times_dispatch.settings.model import Settings
from times_dispatch.settings.tables.templates import TemplateSettings
from times_dispatch.sms.encoding import measure, non_gsm_characters
from times_dispatch.sms.rules import dlt_ids
from times_dispatch.sms.rules.links import LinkWhitelist
from times_dispatch.sms.rules.links import find as find_links
from times_dispatch.sms.rules.number_whitelist import NumberWhitelist
from times_dispatch.sms.rules.words import words_with_slots
from times_dispatch.sms.templates import Template

_HOST_AND_SLASH = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?[^/?]+[/?]")
_MAX_ACCIDENTAL_CHARACTERS = 5
"""A text with more characters that force UCS-2 is in UCS-2 on purpose, as a text in Hindi."""


_WHITELISTS = "(TRAI direction of 2024-08-20)"
"""The source. By a press release of 2024-08-30, the rule holds for links since 2024-10-01, for numbers since later."""


def template_problems(name: str, settings: Settings) -> list[str]:
    """List the mistakes of a template, and the reasons why its messages cost more than necessary."""
    item = settings.templates[name]
    template = Template(item.text, item.operator)
    return [
        *_id_problems(item, settings),
        *_whitelist_problems(item, template, settings),
        *_text_problems(item, template),
    ]


def _id_problems(item: TemplateSettings, settings: Settings) -> Iterator[str]:
    if warning := dlt_ids.warning(item.content_id):
        yield f"its content id {warning}"
    for header in item.headers:
        if not settings.senders[header].entity_id:
            yield f"sender {header} has no entity_id"


def _whitelist_problems(item: TemplateSettings, template: Template, settings: Settings) -> Iterator[str]:
    for header in item.headers:
        sender = settings.senders[header]
        links = LinkWhitelist([*item.links, *sender.links])
        whitelists = Whitelists(
            template,
            links=links,
            numbers=NumberWhitelist([*item.callback_numbers, *sender.callback_numbers]),
        )
        for problem in whitelists.problems_in_text():
            yield f"from {header} it {problem} {_WHITELISTS}"
        for beginning in _beginnings_of_links(template):
            if not links.has_domain_of(beginning):
                begins = f"it links to {beginning}…, whose domain is not whitelisted: no value will fit"
                yield f"from {header} {begins} {_WHITELISTS}"
        for number in whitelists.unlisted_numbers_in_text():
            unlisted = f"it contains {number}, and the settings have no callback_numbers to compare the number with"
            yield f"from {header} {unlisted} {_WHITELISTS}"
        if not item.links and not sender.links and any(slot.kind in ("url", "urlott") for slot in template.slots):
            no_links = "it has a slot for links, and no links are whitelisted: no value will fit"
            yield f"from {header} {no_links} {_WHITELISTS}"
        if not whitelists.has_numbers and any(slot.kind == "cbn" for slot in template.slots):
            no_numbers = "it has a slot for callback numbers, and none are whitelisted: no value will fit"
            yield f"from {header} {no_numbers} {_WHITELISTS}"


def _beginnings_of_links(template: Template) -> Iterator[str]:
    """Yield the beginnings of links that end in a slot, as ``https://times.example/{#var#}``, up to the slot."""
    for word in words_with_slots(template):
        for literal in word.literals[:-1]:
            for link in find_links(f"{literal}x"):
                if literal.endswith(link[:-1]) and _HOST_AND_SLASH.match(link[:-1]):
                    yield link[:-1]


def _text_problems(item: TemplateSettings, template: Template) -> Iterator[str]:
    if item.text != item.text.strip():
        yield "its text begins or ends with a blank or a line break: is that how it is registered?"
    literals = "".join(template.literals)
    if not literals.strip():
        yield "its text is nothing but slots, which is never registered"
    ucs2_characters = non_gsm_characters(literals)
    if 0 < len(ucs2_characters) <= _MAX_ACCIDENTAL_CHARACTERS:
        for described in (describe_character(character, 0) for character in ucs2_characters):
            instead = f"; {described.instead} would not" if described.instead else ""
            shown = described.character if described.character.isprintable() else " "
            yield f"{shown} ({described.name}) makes all its messages UCS-2{instead}"
    parts = measure(literals).parts
    if parts > 1:
        yield f"its text takes {parts} parts before any slot is filled"
