"""What is worth a look in a registered template: what operators drop messages for, and what makes them dear."""

from collections.abc import Iterator

from producers.rows.ucs2_characters import described
from producers.rows.whitelists import Whitelists
from times_dispatch.settings.model import Settings
from times_dispatch.settings.templates import TemplateSettings
from times_dispatch.sms.encoding import measure, non_gsm_characters
from times_dispatch.sms.rules import ids
from times_dispatch.sms.rules.callback_numbers import NumberWhitelist
from times_dispatch.sms.rules.links import LinkWhitelist
from times_dispatch.sms.templates import Template

_DEAR = 5
"""Characters that force UCS-2: with more of them than this it is meant, as in Hindi."""


def problems(name: str, settings: Settings) -> list[str]:
    """Say what is worth a look in a template; empty if nothing is."""
    item = settings.templates[name]
    template = Template(item.text)
    return [*_ids(item, settings), *_whitelists(item, template, settings), *_text(item, template)]


def _ids(item: TemplateSettings, settings: Settings) -> Iterator[str]:
    if doubt := ids.warning(item.content_id):
        yield f"its content id {doubt}"
    for header in item.headers:
        if not settings.senders[header].entity_id:
            yield f"sender {header} has no entity_id"


def _whitelists(item: TemplateSettings, template: Template, settings: Settings) -> Iterator[str]:
    for header in item.headers:
        sender = settings.senders[header]
        whitelists = Whitelists(
            template,
            links=LinkWhitelist([*item.links, *sender.links]),
            numbers=NumberWhitelist([*item.callback_numbers, *sender.callback_numbers]),
        )
        for problem in whitelists.in_text():
            yield f"from {header} it {problem}"
        for number in whitelists.numbers_in_text():
            yield f"from {header} it names the number {number}, and there are no callback_numbers to compare it with"
        if not item.links and not sender.links and any(slot.kind in ("url", "urlott") for slot in template.slots):
            yield f"from {header} it has a slot for links, and no links are whitelisted: no value will fit"
        if not whitelists.has_numbers and any(slot.kind == "cbn" for slot in template.slots):
            yield f"from {header} it has a slot for callback numbers, and none are whitelisted: no value will fit"


def _text(item: TemplateSettings, template: Template) -> Iterator[str]:
    if item.text != item.text.strip():
        yield "its text begins or ends with a blank or a line break: is that how it is registered?"
    literals = "".join(template.literals)
    if not literals.strip():
        yield "its text is nothing but slots, which is never registered"
    dear = non_gsm_characters(literals)
    if 0 < len(dear) <= _DEAR:
        for it in (described(character, 0) for character in dear):
            instead = f"; {it.instead} would not" if it.instead else ""
            shown = it.character if it.character.isprintable() else " "
            yield f"{shown} ({it.name}) makes all its messages UCS-2{instead}"
    parts = measure(literals).parts
    if parts > 1:
        yield f"its text takes {parts} parts before any slot is filled"
