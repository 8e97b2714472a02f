"""The words of a registered text that contain slots.

The value of a slot and the literals around the slot may together form a link or a phone number.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import repeat

import msgspec

from times_dispatch.sms.templates import Slot, Template

_BLANKS = re.compile(r"\s+")
_JOINS_BEFORE = re.compile(r"[\w.。．｡,:/#@-]")
_SEPARATOR = r"[\s.()\u2010-\u2015-]"
_BETWEEN_DIGITS = re.compile(rf"{_SEPARATOR}{{0,3}}")
_DIGITS_BEFORE = re.compile(
    rf"(?<!\d)[+(]{{0,2}}\d{{1,15}}{_SEPARATOR}{{0,3}}(?:\d{{1,10}}{_SEPARATOR}{{1,3}}){{0,4}}\Z"
)
_DIGITS_AFTER = re.compile(rf"(?:{_SEPARATOR}{{1,3}}\d{{1,10}}){{1,5}}(?!\d)")
_MAX_BEFORE = 40
_JOINS_AFTER = re.compile(r"[\w:/@-]|[.。．｡].")


class Word(msgspec.Struct, frozen=True):
    """A text between two blanks of a registered text that contains at least one slot."""

    literals: tuple[str, ...]
    """The literals around the slots; there is one more literal than slots."""
    slots: tuple[Slot, ...]
    slot_indexes: tuple[int, ...]
    """The indexes of the slots in the text, from 0."""
    before: str = ""
    """The literal text between the previous slot and the word."""

    def compose(self, slots: Sequence[Sequence[str]]) -> Sequence[str]:
        """Return the word with filled slots, for many rows.

        Commas, brackets and similar signs around a single slot are left out, because they are not part of a link or
        number.

        Args:
            slots: for each slot of the text, the slot's value in each row.
        """
        columns = [slots[index] for index in self.slot_indexes]
        if (
            len(columns) == 1
            and not _JOINS_BEFORE.search(self.literals[0])
            and not _JOINS_AFTER.search(self.literals[1])
        ):
            return columns[0]
        pieces: list[Iterable[str]] = []
        for literal, column in zip(self.literals, columns, strict=False):
            pieces += [repeat(literal), column]
        return list(map("".join, zip(*pieces, repeat(self.literals[-1]), strict=False)))


def words_with_slots(template: Template) -> list[Word]:
    """Return the words of a text that contain slots."""
    words: list[Word] = []
    literals, indexes = [_after_blank(template.literals[0])], [0]
    for index, literal in enumerate(template.literals[1:], 1):
        if index < len(template.slots) and not _BLANKS.search(literal):
            literals.append(literal)
            indexes.append(index)
            continue
        slots = tuple(template.slots[slot_index] for slot_index in indexes)
        if slots:
            first = template.literals[indexes[0]]
            before = first[: len(first) - len(literals[0])]
            words.append(Word((*literals, _before_blank(literal)), slots, tuple(indexes), before))
        literals, indexes = [_after_blank(literal)], [index]
    return words


def numbers_over_blanks(template: Template) -> list[Word]:
    """Return the places where a number may begin in a slot and continue after a blank, in the text or another slot.

    ``words_with_slots`` returns the places without a blank.
    """
    words, first = [], 0
    for last in range(len(template.slots)):
        following = template.literals[last + 1]
        if last + 1 < len(template.slots) and _BETWEEN_DIGITS.fullmatch(following):
            continue
        preceding = template.literals[first]
        before = _DIGITS_BEFORE.search(preceding[-_MAX_BEFORE:])
        after = _DIGITS_AFTER.match(following)
        literals = (
            before[0] if before else "",
            *template.literals[first + 1 : last + 1],
            after[0] if after else "",
        )
        if any(map(_BLANKS.search, literals)):
            text_before = preceding[: len(preceding) - len(literals[0])]
            indexes = tuple(range(first, last + 1))
            words.append(Word(literals, tuple(template.slots[first : last + 1]), indexes, text_before))
        first = last + 1
    return words


def fixed_text(template: Template) -> str:
    """Return a text without the words that contain slots."""
    pieces = list(template.literals)
    for index in range(1, len(pieces)):
        pieces[index - 1] = pieces[index - 1][: len(pieces[index - 1]) - len(_after_blank(pieces[index - 1]))]
        pieces[index] = pieces[index][len(_before_blank(pieces[index])) :]
    return " ".join(pieces)


def _after_blank(literal: str) -> str:
    return _BLANKS.split(literal)[-1]


def _before_blank(literal: str) -> str:
    return _BLANKS.split(literal)[0]
