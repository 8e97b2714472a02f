"""Texts registered with the DLT, and the values of their slots (docs/domain.md section 5)."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final, Literal, cast, get_args
from unicodedata import category

import msgspec

SlotKind = Literal["var", "numeric", "number", "alphanumeric", "url", "urlott", "cbn", "email"]

MAX_VALUE_LENGTH: Final = 30
"""Characters in a slot's value. Most sources say 30, newer ones say 40."""

_SLOT = re.compile(r"\{#(\w+)#\}")

# Regular expressions do not count vowel signs and joiners as letters, but Hindi words contain them.
_MARKS = "".join(chr(code) for code in range(0x0900, 0x0E00) if category(chr(code)) in {"Mn", "Mc"}) + "\u200c\u200d"
_DIGITS = re.compile("[0-9]+")
_HOST = r"(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}"
_LINK = re.compile(rf"(?:https?://)?{_HOST}(?::[0-9]+)?(?:[/?#][!-~]*)?")

_FORMS: Final[dict[SlotKind, tuple[re.Pattern[str], str]]] = {
    "var": (re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*"), "contains a line break or a control character"),
    "numeric": (_DIGITS, "must be digits only"),
    "number": (_DIGITS, "must be digits only"),
    "alphanumeric": (re.compile(rf"[^\W_](?:[^\W_]|[ {_MARKS}])*"), "must be letters, digits and spaces only"),
    "url": (_LINK, "must be a link"),
    "urlott": (_LINK, "must be a link"),
    "cbn": (re.compile("[+]?[0-9](?:[ -]?[0-9]){2,14}"), "must be a phone number"),
    "email": (re.compile(rf"[A-Za-z0-9._%+-]+@{_HOST}"), "must be an e-mail address"),
}


class TemplateInvalid(ValueError):
    """A text that cannot have been registered.

    The message is a reason in one line, to be written after the template's name.
    """


class Slot(msgspec.Struct, frozen=True):
    """The part of a registered text that differs from message to message, as ``{#var#}``."""

    kind: SlotKind

    def check(self, value: str, max_length: int = MAX_VALUE_LENGTH) -> str | None:
        """Return why an operator would drop a message with this value; None if the value is allowed.

        ``max_length`` is in characters.
        """
        if len(value) > max_length:
            return f"has {len(value)} characters, {max_length} are allowed"
        form, reason = _FORMS[self.kind]
        return None if form.fullmatch(value) else reason


class Template:
    """A registered text, split into its slots and the literals around them.

    There is always one more literal than there are slots. A literal may be empty.
    """

    __slots__ = ("literals", "slots", "text")

    def __init__(self, text: str) -> None:
        """Split the text; raise TemplateInvalid if it is empty or contains a slot that the DLT does not know."""
        if not text:
            raise TemplateInvalid("the text is empty")
        literals, names = (pieces := _SLOT.split(text))[::2], pieces[1::2]
        for name in names:
            if name not in _FORMS:
                msg = f"unknown slot {{#{name}#}}; there are " + ", ".join(
                    f"{{#{kind}#}}" for kind in get_args(SlotKind)
                )
                raise TemplateInvalid(msg)
        if any("{#" in literal or "#}" in literal for literal in literals):
            raise TemplateInvalid("a slot is not closed, or not written like {#var#}")
        self.text: Final = text
        self.literals: Final = tuple(literals)
        self.slots: Final = tuple(Slot(cast(SlotKind, name)) for name in names)

    def render(self, values: Sequence[str]) -> str:
        """Fill the slots with values, in order; raise ValueError if there are too many or too few values.

        The caller has checked the values.
        """
        if len(values) != len(self.slots):
            msg = f"{len(values)} values for {len(self.slots)} slots"
            raise ValueError(msg)
        pieces = [""] * (2 * len(values) + 1)
        pieces[::2] = self.literals
        pieces[1::2] = values
        return "".join(pieces)

    def matches(self, text: str, max_length: int = MAX_VALUE_LENGTH) -> bool:
        """Return whether allowed values in the slots of this template give the text, byte for byte.

        A text may be split in several ways if slots are next to each other, or if a value contains the literal after
        it. All ways are followed at once, as the set of positions at which the next slot may start. So the time is
        bounded by slots x characters x ``max_length``.
        """
        return bool(self._starts(text, max_length))

    def extract_values(self, text: str, max_length: int = MAX_VALUE_LENGTH) -> list[str] | None:
        """Return allowed values that give this text; None if the text does not match.

        If the text can be split in several ways, the values are those of one way.
        """
        if not (starts_by_slot := self._starts(text, max_length)):
            return None
        values, start = [], len(text)
        for slot, literal, starts in zip(self.slots[::-1], self.literals[:0:-1], starts_by_slot[-2::-1], strict=True):
            end = start - len(literal)
            start = next(
                position
                for position in starts
                if position <= end and slot.check(text[position:end], max_length) is None
            )
            values.append(text[start:end])
        return values[::-1]

    def values_between_literals(self, text: str) -> list[str] | int:
        """Return the texts between the literals, each literal at its first occurrence.

        The texts may be values that are not allowed. For nearly all texts the result is that of ``extract_values``.
        If the text does not contain all literals in order, return the index of the first missing literal.
        """
        if not text.startswith(self.literals[0]):
            return 0
        values, start = [], len(self.literals[0])
        last = len(self.slots)
        for index, literal in enumerate(self.literals[1:], 1):
            end = text.find(literal, start) if index < last else len(text) - len(literal)
            if end < start or not text.startswith(literal, end):
                return index
            values.append(text[start:end])
            start = end + len(literal)
        return values if start == len(text) else last

    def _starts(self, text: str, max_length: int) -> list[list[int]]:
        """Return the positions at which each slot's value may start, and last the end of the text.

        The list is empty if the text does not match.
        """
        starts_by_slot = [[len(self.literals[0])]] if text.startswith(self.literals[0]) else []
        for slot, literal in zip(self.slots, self.literals[1:], strict=True):
            if not starts_by_slot or not starts_by_slot[-1]:
                return []
            starts_by_slot.append(_next_starts(text, starts_by_slot[-1], slot, literal, max_length))
        if starts_by_slot and len(text) in starts_by_slot[-1]:
            return [*starts_by_slot[:-1], [len(text)]]
        return []


def _next_starts(text: str, starts: list[int], slot: Slot, literal: str, max_length: int) -> list[int]:
    """Return the positions after a slot and the literal that follows it.

    Args:
        text: the whole text.
        starts: the positions at which the slot's value may start, ascending.
        slot: the slot.
        literal: the literal after the slot.
        max_length: characters that the slot's value may have.
    """
    form, _ = _FORMS[slot.kind]

    def is_end(end: int) -> bool:
        possible_starts = starts[bisect_left(starts, end - max_length) : bisect_right(starts, end)]
        return any(form.fullmatch(text, start, end) for start in possible_starts)

    search_end = min(starts[-1] + max_length, len(text)) + len(literal)
    following, end = [], text.find(literal, starts[0], search_end)
    while end >= 0:
        if is_end(end):
            following.append(end + len(literal))
        end = text.find(literal, end + 1, search_end)
    return following
