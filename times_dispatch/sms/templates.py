"""Registered DLT text and its slots: filling them, and judging values and finished texts (docs/domain.md section 5)."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final, Literal, cast, get_args
from unicodedata import category

import msgspec

SlotKind = Literal["var", "numeric", "number", "alphanumeric", "url", "urlott", "cbn", "email"]

LONGEST_VALUE: Final = 30
"""In characters, as most sources have it; newer ones say 40."""

_SLOT = re.compile(r"\{#(\w+)#\}")

# A matra is no letter to a regular expression, but Hindi cannot be written without; nor without the joiners.
_MARKS = "".join(chr(code) for code in range(0x0900, 0x0E00) if category(chr(code)) in {"Mn", "Mc"}) + "\u200c\u200d"
_DIGITS = re.compile("[0-9]+")
_HOST = r"(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}"
_LINK = re.compile(rf"(?:https?://)?{_HOST}(?::[0-9]+)?(?:[/?#][!-~]*)?")

_FORMS: Final[dict[SlotKind, tuple[re.Pattern[str], str]]] = {
    "var": (re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*"), "holds a line break or a control character"),
    "numeric": (_DIGITS, "must be digits only"),
    "number": (_DIGITS, "must be digits only"),
    "alphanumeric": (re.compile(rf"[^\W_](?:[^\W_]|[ {_MARKS}])*"), "must be letters, digits and spaces only"),
    "url": (_LINK, "must be a link"),
    "urlott": (_LINK, "must be a link"),
    "cbn": (re.compile("[+]?[0-9](?:[ -]?[0-9]){2,14}"), "must be a phone number"),
    "email": (re.compile(rf"[A-Za-z0-9._%+-]+@{_HOST}"), "must be an e-mail address"),
}


class TemplateInvalid(ValueError):
    """A text that cannot have been registered; the message is one line, and follows the template's name."""


class Slot(msgspec.Struct, frozen=True):
    """A place in a registered text that differs from message to message."""

    kind: SlotKind

    def check(self, value: str, longest: int = LONGEST_VALUE) -> str | None:
        """Return why an operator would drop a message with this value (lengths in characters), or None if it fits."""
        if len(value) > longest:
            return f"has {len(value)} characters, {longest} are allowed"
        form, reason = _FORMS[self.kind]
        return None if form.fullmatch(value) else reason


class Template:
    """A registered text, cut at its slots.

    ``literals`` stand around ``slots`` in order, so there is always one more of them; some may be empty.
    """

    __slots__ = ("literals", "slots", "text")

    def __init__(self, text: str) -> None:
        """Cut the text; raise TemplateInvalid if it is empty or holds a slot that DLT does not know."""
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
        """Fill the slots in order with values that were checked before; raise ValueError if their number is wrong."""
        if len(values) != len(self.slots):
            msg = f"{len(values)} values for {len(self.slots)} slots"
            raise ValueError(msg)
        pieces = [""] * (2 * len(values) + 1)
        pieces[::2] = self.literals
        pieces[1::2] = values
        return "".join(pieces)

    def matches(self, text: str, longest: int = LONGEST_VALUE) -> bool:
        """Say whether a text was made from this one: byte for byte outside the slots, allowed values inside.

        Slots next to each other, or a value that holds the words after it, leave several ways to cut a text. All are
        followed at once, as the set of places where the next slot may start, so the work is bounded by
        slots x characters x longest.
        """
        return bool(self._starts(text, longest))

    def cut(self, text: str, longest: int = LONGEST_VALUE) -> list[str] | None:
        """Return values that make this text, one way if there are several; None if it does not match."""
        if not (levels := self._starts(text, longest)):
            return None
        values, start = [], len(text)
        for slot, literal, starts in zip(self.slots[::-1], self.literals[:0:-1], levels[-2::-1], strict=True):
            end = start - len(literal)
            start = next(at for at in starts if at <= end and slot.check(text[at:end], longest) is None)
            values.append(text[start:end])
        return values[::-1]

    def cut_between_literals(self, text: str) -> list[str] | int:
        """Return what stands between the literals where each is first found, allowed or not: nearly always the cut.

        If the literals are not all there, in order, return the number of the first that is not.
        """
        if not text.startswith(self.literals[0]):
            return 0
        values, start = [], len(self.literals[0])
        last = len(self.slots)
        for place, literal in enumerate(self.literals[1:], 1):
            end = text.find(literal, start) if place < last else len(text) - len(literal)
            if end < start or not text.startswith(literal, end):
                return place
            values.append(text[start:end])
            start = end + len(literal)
        return values if start == len(text) else last

    def _starts(self, text: str, longest: int) -> list[list[int]]:
        """Return for each slot where its value may start, and last where the text ends; empty if it does not match."""
        levels = [[len(self.literals[0])]] if text.startswith(self.literals[0]) else []
        for slot, literal in zip(self.slots, self.literals[1:], strict=True):
            if not levels or not levels[-1]:
                return []
            levels.append(_next_starts(text, levels[-1], slot, literal, longest))
        if levels and len(text) in levels[-1]:
            return [*levels[:-1], [len(text)]]
        return []


def _next_starts(text: str, starts: list[int], slot: Slot, literal: str, longest: int) -> list[int]:
    """Where the text after the slot and the literal may go on, if the slot began at one of ``starts`` (ascending)."""
    form, _ = _FORMS[slot.kind]

    def is_end(end: int) -> bool:
        near = starts[bisect_left(starts, end - longest) : bisect_right(starts, end)]
        return any(form.fullmatch(text, start, end) for start in near)

    upto = min(starts[-1] + longest, len(text)) + len(literal)
    following, end = [], text.find(literal, starts[0], upto)
    while end >= 0:
        if is_end(end):
            following.append(end + len(literal))
        end = text.find(literal, end + 1, upto)
    return following
