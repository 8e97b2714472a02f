"""Checks registered texts against the rules by which portals approve texts and operators scrub messages.

Each rule names its source. A finding is a problem, or advice if operators approve such texts nevertheless.
"""

import re
from collections.abc import Iterator

import msgspec

from producers.rows.damage import damage_of_template
from times_dispatch.settings.model import Settings
from times_dispatch.settings.tables.templates import TemplateSettings
from times_dispatch.sms.placeholders import unfilled
from times_dispatch.sms.rules.categories import effective_category
from times_dispatch.sms.slot_rules import DIRECTION
from times_dispatch.sms.templates import Template

_MAX_SLOTS = 2
_HEADER_LETTERS = 3
"""A word of the text must begin with this many first letters of a header: ``TIM`` for ``- Times``."""
_LETTERS_OF_ABBREVIATION = 5
"""A header of at least this many letters may also leave out letters of the brand: ``TWVILL`` for ``The Work Villa``."""
_BETWEEN_LETTERS = "(?:[aeiou]{0,2}|[A-Za-z]{0,15}[ ])"


class LintRule(msgspec.Struct, frozen=True):
    """A rule about the text of a template."""

    source: str
    """The source of the rule, and its date."""
    is_problem: bool
    """Whether a finding is a problem; otherwise it is advice."""


class LintFinding(msgspec.Struct, frozen=True):
    """A description of the part of the template that breaks a rule, with the rule."""

    message: str
    rule: LintRule

    def __str__(self) -> str:
        advice = "" if self.rule.is_problem else "advice: "
        return f"{advice}{self.message} ({self.rule.source})"


SLOTS = LintRule(f"{DIRECTION}; in 2026 operators approve texts with three to six", is_problem=False)
NEIGHBOURS = LintRule(f"{DIRECTION}; in 2026 operators approve some of these texts", is_problem=False)
UNTAGGED = LintRule(
    f"{DIRECTION}, for texts registered since 2026-01-14; the portal of STPL keeps types apart", is_problem=False
)
BRAND = LintRule("portals' reasons for rejection, 2026", is_problem=False)
OFFERS = LintRule("TRAI's Second Amendment of the TCCCPR, 2025-02-12", is_problem=True)
UNFILLED = LintRule("slots are written as in the portals' exports of 2026", is_problem=True)

_OFFERS = re.compile(
    r"\b(?:(?<!job )offers?(?! letter)|discounts?|cash ?back|coupons?|promo ?codes?|vouchers?"
    r"|bogo|pre-?approved"
    r"|use code(?! (?:\S{1,12} (?:to|for) (?:sign|log|verif|reset|access|regist)"
    r"|[\0\d-]{1,12} (?:to|for) (?:confirm|complete|activat)))"
    r"|hurry|lucky draw|free gifts?"
    r"|buy[ ][0-9][ ]get|limited (?:period|time)"
    r"|(?:best|great|mega|exclusive|special) (?:deals?|sale)|(?:shop|order|book) now"
    r"|(?:flat|up ?to|extra|get|save)[ ](?:rs\.?[ ]?)?[0-9]{1,6}[ ]off"
    r"|(?<!of )(?<!for )sale(?! (?:deed|order|invoice|agreement|certificate)))\b"
    r"|%[ ]?(?:off|discount)\b|ऑफर|ऑफ़र|छूट|कैशबैक|डिस्काउंट",
    re.IGNORECASE,
)
"""Promotional words, from public promotional texts of 2025 and 2026. Exceptions are other uses, as in a sale deed."""


def lint(name: str, settings: Settings) -> list[LintFinding]:
    """List the findings to which portals and operators may object in the text of a template."""
    item = settings.templates[name]
    template = Template(item.text, item.operator)
    return [*_slot_findings(template), *_text_findings(item, template, settings)]


def _slot_findings(template: Template) -> Iterator[LintFinding]:
    if (count := len(template.slots)) > _MAX_SLOTS:
        yield LintFinding(f"it has {count} variables; two are allowed, and a third with reasons", SLOTS)
    between = template.literals[1:-1]
    if neighbours := [index for index, literal in enumerate(between, 1) if not any(map(str.isalnum, literal))]:
        pairs = ", ".join(f"{index} and {index + 1}" for index in neighbours)
        yield LintFinding(f"no word stands between its variables {pairs}", NEIGHBOURS)
    if untagged := sum(slot.kind == "var" for slot in template.slots):
        yield LintFinding(
            f"{untagged} of its variables {'has' if untagged == 1 else 'have'} no type: a new text needs "
            "{#alphanumeric#}, {#numeric#}, {#url#} or another type instead of {#var#}",
            UNTAGGED,
        )
    for claim in dict.fromkeys(claim for slot in dict.fromkeys(template.slots) for claim in slot.doubts()):
        operators = ", ".join(claim.operators)
        rule = LintRule(claim.rule.source, is_problem=False)
        yield LintFinding(f"sources disagree on {{#{claim.kind}#}}: at {operators} a value {claim.rule.refusal}", rule)


def _text_findings(item: TemplateSettings, template: Template, settings: Settings) -> Iterator[LintFinding]:
    text = "\0".join(template.literals)
    if damage := damage_of_template(item.text):
        yield LintFinding(f"its text {damage}", UNFILLED)
    for placeholder in dict.fromkeys(unfilled(text)):
        yield LintFinding(
            f"{placeholder} looks like a placeholder that nothing fills; a slot is written {{#var#}}", UNFILLED
        )
    for header in item.headers:
        if _lacks_brand(text, header):
            yield LintFinding(f"it names neither the brand nor the header {header}", BRAND)
        category = effective_category(settings.senders[header].category, item.category)
        if category != "promotional" and (offer := _OFFERS.search(text)):
            yield LintFinding(f"{offer[0]!r} is a word of offers: such a text is promotional, not {category}", OFFERS)


def _lacks_brand(text: str, header: str) -> bool:
    """Return whether no word begins like the header; False for other scripts, which name the brand in other letters."""
    if not header.isalpha() or any(character.isalpha() and not character.isascii() for character in text):
        return False
    begins = header[:_HEADER_LETTERS]
    if len(header) >= _LETTERS_OF_ABBREVIATION:
        begins += "|" + _BETWEEN_LETTERS.join(header)
    return re.search(rf"(?<![A-Za-z])(?:{begins})", text, re.IGNORECASE) is None
