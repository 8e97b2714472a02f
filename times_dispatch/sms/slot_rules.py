"""The tags of slots, and the values that each operator accepts in a slot, as data with date and source.

The sources disagree. A value is refused only if no operator accepts the value, or if the operator of the template is
known and certainly refuses the value. ``doubts`` names the operators that refuse a value that others accept.
"""

import re
from typing import Final, Literal, get_args
from unicodedata import category

import msgspec

SlotKind = Literal["var", "numeric", "number", "alphanumeric", "url", "urlott", "cbn", "email"]

Operator = Literal["", "airtel", "bsnl", "jio", "stpl", "vi"]
"""The operator at whose portal a template is registered; empty if unknown. ``stpl`` runs the portal of Tata."""

OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)

TAGS: Final[dict[str, SlotKind]] = {
    "var": "var",
    "numeric": "numeric",
    "number": "number",
    "num": "numeric",
    "alphanumeric": "alphanumeric",
    "alp": "alphanumeric",
    "url": "url",
    "urg": "url",
    "urlott": "urlott",
    "uro": "urlott",
    "cbn": "cbn",
    "email": "email",
}
"""The words between ``{#`` and ``#}``. Exports of five portals of 2026 have the tags of three letters, and TRAI's
direction of 18 November 2025 has the long tags. ``var`` is the tag of a slot without a type.
"""

MAX_VALUE_LENGTH: Final = 30
"""The default maximum number of characters of a value in a slot without a type. Most sources say 30, newer sources say
40.
"""

DIRECTION: Final = "TRAI direction of 2025-11-18"
_INDIAN_SCRIPTS = range(0x0900, 0x0E00)


def _mark_ranges() -> str:
    """Return the vowel signs of Indian scripts as ranges of a character class; single characters compile slowly."""
    codes = [code for code in _INDIAN_SCRIPTS if category(chr(code)) in {"Mn", "Mc"}]
    firsts = [code for code in codes if code - 1 not in codes]
    lasts = [code for code in codes if code + 1 not in codes]
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in zip(firsts, lasts, strict=True))


# Regular expressions do not count vowel signs and joiners as letters, but Hindi words contain them.
_MARKS = _mark_ranges() + "\u200c\u200d"
_HOST = r"(?:[A-Za-z0-9][A-Za-z0-9-]*+\.)++[A-Za-z]{2,}"
_AFTER_HOST = r"(?::[0-9]+)?(?:[/?#][!-~]*)?"
_DIGITS = re.compile("[0-9]+")
_LINK = re.compile(rf"(?i:https?://)?{_HOST}{_AFTER_HOST}")
_MAILBOX = "[A-Za-z0-9_%+'-]++"
_CALLBACK_NUMBER = re.compile(r"[+]?[(]?\d(?:[ ().-]{0,2}\d){2,14}")  # \d: digits of every script


class SlotRule(msgspec.Struct, frozen=True, kw_only=True):
    """The rule of one source about the values of one kind of slot."""

    form: re.Pattern[str]
    """The form that an allowed value has as a whole."""
    refusal: str
    """The mistake of a value with another form, to be written after the value's name."""
    max_length: int = 0
    """The maximum number of characters of a value; 0 stands for ``max_value_length`` of the template."""
    source: str
    """The source of the rule, and its date."""


_ANY_ALPHANUMERIC = re.compile(rf"[^\W_][\w ./{_MARKS}]*")
_ANY_LINK = "must be a link"

LENIENT: Final[dict[SlotKind, SlotRule]] = {
    "var": SlotRule(
        form=re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*"),
        refusal="contains a line break or a control character",
        source="all portals before 2026",
    ),
    "numeric": SlotRule(form=_DIGITS, refusal="must be digits only", source=DIRECTION),
    "number": SlotRule(form=_DIGITS, refusal="must be digits only", source=DIRECTION),
    "alphanumeric": SlotRule(
        form=_ANY_ALPHANUMERIC,
        refusal="must be letters, digits, blanks and _ / . only, and begin with a letter or digit",
        max_length=40,
        source=f"{DIRECTION} (40 characters); values with dates and slashes in live messages of 2026",
    ),
    "url": SlotRule(
        form=_LINK, refusal=_ANY_LINK, max_length=40, source="a link of 40 characters approved at Airtel in 2026"
    ),
    "urlott": SlotRule(form=_LINK, refusal=_ANY_LINK, max_length=40, source="as for url"),
    "cbn": SlotRule(form=_CALLBACK_NUMBER, refusal="must be a phone number", source=DIRECTION),
    "email": SlotRule(
        form=re.compile(rf"{_MAILBOX}(?:\.{_MAILBOX})*+@{_HOST}"),
        refusal="must be an e-mail address",
        max_length=40,
        source="no source gives a length; as for alphanumeric",
    ),
}
"""The rules for values that at least one operator accepts, which apply to templates whose operator is unknown."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A source according to which some operators accept fewer values than others."""

    operators: tuple[Operator, ...]
    kind: SlotKind
    rule: SlotRule
    is_certain: bool
    """Whether the claim refuses values. Otherwise the claim only causes a warning."""


CLAIMS: Final = (
    Claim(
        operators=("vi",),
        kind="url",
        is_certain=True,
        rule=SlotRule(
            form=re.compile(rf"(?i:https?://|www\.){_HOST}{_AFTER_HOST}"),
            refusal="must begin with http://, https:// or www.",
            max_length=40,
            source="a customer of Vi, April 2026",
        ),
    ),
    Claim(
        operators=("airtel", "bsnl", "jio", "stpl"),
        kind="alphanumeric",
        is_certain=False,  # live values of 2026 hold dates and slashes
        rule=SlotRule(
            form=re.compile(rf"[^\W_](?:[^\W_]|[ {_MARKS}])*"),
            refusal="must be letters, digits and blanks only",
            max_length=40,
            source="MSG91's help page on variable tags, 2026",
        ),
    ),
)

_CERTAIN = {(operator, claim.kind): claim.rule for claim in CLAIMS if claim.is_certain for operator in claim.operators}


def rule_for(kind: SlotKind, operator: Operator = "") -> SlotRule:
    """Return the rule for the values of a slot at an operator."""
    return _CERTAIN.get((operator, kind)) or LENIENT[kind]


def doubtful_rules(kind: SlotKind, operator: Operator = "") -> list[Claim]:
    """Return the operator's uncertain claims about a slot; without an operator, all claims about the slot."""
    return [
        claim
        for claim in CLAIMS
        if claim.kind == kind and (not operator or (operator in claim.operators and not claim.is_certain))
    ]
