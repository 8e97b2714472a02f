"""SMS parts of many messages at once, and their sums by encoding."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress, repeat
from operator import add, not_

from times_dispatch.sms.encoding import (
    MAX_PARTS,
    has_ascii_beyond_gsm,
    measure,
    takes_one_septet_each,
    takes_one_utf16_unit_each,
)
from times_dispatch.sms.templates import Template

_ALWAYS_FITS = MAX_PARTS * 66 // 2
"""A text of this many characters never takes more than MAX_PARTS parts. The worst case is a text in which every
character is two UTF-16 units, so that each part of 67 units holds 33 characters and leaves one unit empty."""


def too_long(template: Template, slots: Sequence[Sequence[str]], messages: int) -> Iterator[int]:
    """Yield the indexes of the messages that take more parts than an SMS can have.

    Args:
        template: the registered text.
        slots: the values, one list for each slot.
        messages: the number of messages, because a template without slots has no values to count.
    """
    own = sum(map(len, template.literals))
    if own + sum(max(map(len, values), default=0) for values in slots) <= _ALWAYS_FITS:
        return
    for index, values in enumerate(zip(*slots, strict=True) if slots else repeat((), messages)):
        if own + sum(map(len, values)) > _ALWAYS_FITS and measure(template.render(values)).parts > MAX_PARTS:
            yield index


def may_be_too_long(template: Template, max_length: int) -> bool:
    """Return whether allowed values may make a text too long; ``max_length`` is the template's ``max_value_length``."""
    own = sum(map(len, template.literals))
    return own + sum(slot.max_length(max_length) for slot in template.slots) > _ALWAYS_FITS


class PartsCounter:
    """Counts the parts of a template's messages; ``times_dispatch.sms.encoding.measure`` gives the same counts.

    If every character of a text takes one unit, the length and the encoding of the text decide its number of parts.
    Nearly all texts are of this kind. The other texts are rendered and measured one by one.
    """

    def __init__(self, template: Template) -> None:
        self._template = template
        self._literals = "".join(template.literals)
        own = measure(self._literals)
        self._always_ucs2 = own.unicode
        self._one_unit_each = own.units == len(self._literals)
        self._ucs2_parts, self._gsm_parts = _PartsOfLength("अ"), _PartsOfLength("a")
        self.gsm_messages = self.gsm_parts = 0
        """How many messages are in the GSM 7-bit alphabet, and how many parts they have."""
        self.ucs2_messages = self.ucs2_parts = 0
        """How many messages a character forces into UCS-2, and how many parts they have."""

    def parts(self, slots: Sequence[Sequence[str]], messages: int) -> list[int]:
        """Return the parts of each of ``messages`` messages, given their values, one list for each slot."""
        if not self._one_unit_each:
            return self._measured(slots, messages)
        parts_of_length = self._ucs2_parts if self._always_ucs2 else self._gsm_parts
        parts, longest = self._by_length(slots, messages, parts_of_length)
        forced_into_ucs2, to_measure = self._exceptions(slots)
        parts_in_ucs2 = 0
        if forced_into_ucs2:
            parts_in_ucs2 = self._force_into_ucs2(parts, slots, forced_into_ucs2, longest)
        for index in to_measure:
            text = measure(self._template.render([values[index] for values in slots]))
            if index in forced_into_ucs2:
                parts_in_ucs2 -= parts[index]
            parts[index] = text.parts
            if text.unicode and not self._always_ucs2:
                forced_into_ucs2.add(index)
                parts_in_ucs2 += text.parts
        messages_left, parts_left = messages - len(forced_into_ucs2), sum(parts) - parts_in_ucs2
        self._count(unicode=self._always_ucs2, messages=messages_left, parts=parts_left)
        self._count(unicode=True, messages=len(forced_into_ucs2), parts=parts_in_ucs2)
        return parts

    def _force_into_ucs2(
        self, parts: list[int], slots: Sequence[Sequence[str]], forced_into_ucs2: set[int], longest: int
    ) -> int:
        """Correct the parts of the messages that are in UCS-2; return the sum of their parts.

        Args:
            parts: the parts of all messages, counted as if no message were in UCS-2.
            slots: the values, one list for each slot.
            forced_into_ucs2: the indexes of the messages in UCS-2.
            longest: a length that no message exceeds, in characters.
        """
        own, of_length = len(self._literals), self._ucs2_parts
        if of_length[own] == of_length[longest]:
            for index in forced_into_ucs2:
                parts[index] = of_length[own]
            return of_length[own] * len(forced_into_ucs2)
        for index in forced_into_ucs2:
            parts[index] = of_length[own + sum([len(values[index]) for values in slots])]
        return sum([parts[index] for index in forced_into_ucs2])

    def _by_length(
        self, slots: Sequence[Sequence[str]], messages: int, parts_of_length: "_PartsOfLength"
    ) -> tuple[list[int], int]:
        """Return the parts of messages whose characters take one unit each, and a length that no message exceeds."""
        own = len(self._literals)
        longest = own + sum([max(map(len, values), default=0) for values in slots])
        if parts_of_length[longest] == 1:
            return [1] * messages, longest
        lengths: Iterable[int] = repeat(own, messages)
        for values in slots:
            lengths = map(add, lengths, map(len, values))
        return list(map(parts_of_length.__getitem__, lengths)), longest

    def _exceptions(self, slots: Sequence[Sequence[str]]) -> tuple[set[int], set[int]]:
        """Return the indexes of messages that a value forces into UCS-2, and of messages that must be measured."""
        forced_into_ucs2, to_measure = set[int](), set[int]()
        for values in slots:
            joined = "".join(values)
            if self._takes_one_unit_each(joined):
                continue
            suspects: Iterable[int] = range(len(values))
            if not has_ascii_beyond_gsm(joined):
                suspects = compress(suspects, map(not_, map(str.isascii, values)))
            for index in suspects:
                unicode, one_unit_each = _encoding_of(values[index])
                if unicode and not self._always_ucs2:
                    forced_into_ucs2.add(index)
                if not one_unit_each:
                    to_measure.add(index)
        return forced_into_ucs2, to_measure

    def _takes_one_unit_each(self, text: str) -> bool:
        """Return whether each character of a text takes one unit in the encoding of the template."""
        return takes_one_utf16_unit_each(text) if self._always_ucs2 else takes_one_septet_each(text)

    def _measured(self, slots: Sequence[Sequence[str]], messages: int) -> list[int]:
        if slots:
            measured = [measure(self._template.render(values)) for values in zip(*slots, strict=True)]
        else:
            measured = [measure(self._literals)] * messages
        for unicode in (False, True):
            parts = [text.parts for text in measured if text.unicode is unicode]
            self._count(unicode=unicode, messages=len(parts), parts=sum(parts))
        return [text.parts for text in measured]

    def _count(self, *, unicode: bool, messages: int, parts: int) -> None:
        if unicode:
            self.ucs2_messages += messages
            self.ucs2_parts += parts
        else:
            self.gsm_messages += messages
            self.gsm_parts += parts


class _PartsOfLength(dict[int, int]):
    """The parts of a text by its length, if every character takes one unit; each length is measured only once."""

    def __init__(self, character: str) -> None:
        super().__init__()
        self._character = character

    def __missing__(self, length: int) -> int:
        self[length] = parts = measure(self._character * length).parts
        return parts


@lru_cache(maxsize=4096)
def _encoding_of(value: str) -> tuple[bool, bool]:
    """Return whether a character of a value forces UCS-2, and whether each character takes one unit."""
    measured = measure(value)
    return measured.unicode, measured.units == len(value)
