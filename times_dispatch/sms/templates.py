"""Texts registered with the DLT, and the values of their slots (docs/domain.md section 5)."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

import msgspec

from times_dispatch.sms.placeholders import right_spelling
from times_dispatch.sms.slot_rules import MAX_VALUE_LENGTH, TAGS, Claim, Operator, SlotKind, doubtful_rules, rule_for

__all__ = ["MAX_VALUE_LENGTH", "Slot", "SlotKind", "Template", "TemplateInvalid"]

_SLOT = re.compile(r"\{#(\w+)#\}")
_PART_OF_SLOT = re.compile("[{｛][#＃]|[#＃][}｝]")
"""The beginning or the end of a slot, in ASCII or in full-width signs."""
_NOT_LIKE_A_SLOT = "a slot is not closed, or not written like {#var#}"


class TemplateInvalid(ValueError):
    """A text that cannot have been registered.

    The message is a reason in one line, to be written after the template's name.
    """


class Slot(msgspec.Struct, frozen=True):
    """The part of a registered text that differs from message to message, such as ``{#var#}``."""

    kind: SlotKind
    operator: Operator = ""
    """The operator whose rules apply to the values; empty if unknown."""

    def max_length(self, of_template: int = MAX_VALUE_LENGTH) -> int:
        """Return the maximum number of characters of a value.

        ``of_template`` is the ``max_value_length`` of the template. Slots for links and some other slots allow more
        than the default; a ``max_value_length`` below the default applies to all slots.
        """
        if of_template < MAX_VALUE_LENGTH:
            return of_template
        return max(of_template, rule_for(self.kind, self.operator).max_length)

    def check(self, value: str, max_length: int = MAX_VALUE_LENGTH) -> str | None:
        """Return why an operator would drop a message with this value; None if the value is allowed.

        ``max_length`` is the ``max_value_length`` of the template, in characters.
        """
        if len(value) > max_length and len(value) > (limit := self.max_length(max_length)):
            return f"has {len(value)} characters, {limit} are allowed"
        rule = rule_for(self.kind, self.operator)
        return None if rule.form.fullmatch(value) else rule.refusal

    def doubts(self) -> list[Claim]:
        """Return the claims because of which an operator may drop an allowed value."""
        return doubtful_rules(self.kind, self.operator)


class Template:
    """A registered text, split into its slots and the literals around them.

    There is one more literal than slots. A literal may be empty.
    """

    __slots__ = ("literals", "slots", "text")

    def __init__(self, text: str, operator: Operator = "") -> None:
        """Split the text.

        Args:
            text: the registered text.
            operator: the operator at whose portal the text is registered; empty if unknown.

        Raises:
            TemplateInvalid: the text is empty, or contains a slot that the DLT does not know or spells differently.
        """
        if not text:
            raise TemplateInvalid("the text is empty")
        literals, names = (pieces := _SLOT.split(text))[::2], pieces[1::2]
        for name in names:
            if _kind(name) is None:
                known = ", ".join(f"{{#{tag}#}}" for tag in TAGS)
                advice = "; ".join(filter(None, [f"there are {known}", right_spelling(f"{{#{name}#}}")]))
                raise TemplateInvalid(f"unknown slot {{#{name}#}}; {advice}")
        for literal in literals:
            if _PART_OF_SLOT.search(literal):
                advice = "; ".join(filter(None, [_NOT_LIKE_A_SLOT, right_spelling(literal)]))
                raise TemplateInvalid(advice)
        self.text: Final = text
        self.literals: Final = tuple(literals)
        self.slots: Final = tuple(Slot(kind, operator) for name in names if (kind := _kind(name)))

    def render(self, values: Sequence[str]) -> str:
        """Fill the slots with values, in order; raise ``ValueError`` for a wrong number of values.

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
        the value. The search follows all ways together, as the set of positions at which the next slot may start. So
        the time is at most proportional to slots x characters x ``max_length``.
        """
        return bool(self._starts(text, max_length))

    def extract_values(self, text: str, max_length: int = MAX_VALUE_LENGTH) -> list[str] | None:
        """Return allowed values with which the template gives this text; None if the text does not match.

        If the text can be split in several ways, the values of one way are returned.
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
        """Return the texts between the literals, with each literal at its first occurrence.

        The texts may be values that are not allowed. For nearly all texts the result equals the result of
        ``extract_values``. If the text does not contain all literals in order, return the index of the first missing
        literal.
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
        """Return the positions at which each slot's value may start, followed by the end of the text.

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


def _kind(tag: str) -> SlotKind | None:
    """Return the kind of slot of a tag. Portals write the tags with a type in any case, and ``var`` in lower case."""
    kind = TAGS.get(tag.lower())
    return None if kind == "var" and tag != "var" else kind


def _next_starts(text: str, starts: list[int], slot: Slot, literal: str, max_length: int) -> list[int]:
    """Return the positions after a slot and the literal that follows the slot.

    Args:
        text: the whole text.
        starts: the positions at which the slot's value may start, ascending.
        slot: the slot.
        literal: the literal after the slot.
        max_length: the maximum number of characters of the slot's value.
    """
    form, max_length = rule_for(slot.kind, slot.operator).form, slot.max_length(max_length)

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
