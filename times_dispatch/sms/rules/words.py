"""A registered text cut at its blanks: a link or a number may be put together by a slot and what stands around it."""

import re
from collections.abc import Iterable, Sequence
from itertools import repeat

import msgspec

from times_dispatch.sms.templates import Slot, Template

_BLANKS = re.compile(r"\s+")
_JOINS_BEFORE = re.compile(r"[\w.。．｡,:/#@-]")
_JOINS_AFTER = re.compile(r"[\w:/@-]|[.。．｡].")


class Word(msgspec.Struct, frozen=True):
    """What stands between two blanks of a registered text, with at least one slot in it."""

    literals: tuple[str, ...]
    """Around the slots: always one more than there are slots."""
    slots: tuple[Slot, ...]
    places: tuple[int, ...]
    """Which slots of the text they are, from 0."""

    def composed(self, slots: Sequence[Sequence[str]]) -> Sequence[str]:
        """Put the values of a text's slots in, for many rows at once; the values are given by slot.

        Commas, brackets and the like around a single slot are left out: they are no part of any link or number.
        """
        columns = [slots[place] for place in self.places]
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


def words(template: Template) -> list[Word]:
    """Return the words of a text that hold slots."""
    found: list[Word] = []
    literals, places = [_after_blank(template.literals[0])], [0]
    for place, literal in enumerate(template.literals[1:], 1):
        if place < len(template.slots) and not _BLANKS.search(literal):
            literals.append(literal)
            places.append(place)
            continue
        slots = tuple(template.slots[at] for at in places)
        if slots:
            found.append(Word((*literals, _before_blank(literal)), slots, tuple(places)))
        literals, places = [_after_blank(literal)], [place]
    return found


def fixed(template: Template) -> str:
    """Return what of a text no slot can change, its words with slots left out."""
    pieces = list(template.literals)
    for place in range(1, len(pieces)):
        pieces[place - 1] = pieces[place - 1][: len(pieces[place - 1]) - len(_after_blank(pieces[place - 1]))]
        pieces[place] = pieces[place][len(_before_blank(pieces[place])) :]
    return " ".join(pieces)


def _after_blank(literal: str) -> str:
    return _BLANKS.split(literal)[-1]


def _before_blank(literal: str) -> str:
    return _BLANKS.split(literal)[0]
