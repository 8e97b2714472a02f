"""SMS parts of many messages at once, and their sums by encoding."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from operator import add

from times_dispatch.sms.encoding import MAX_PARTS, measure
from times_dispatch.sms.templates import Template

_ALWAYS_FITS = MAX_PARTS * 66 // 2
"""A text of this many characters never takes more than MAX_PARTS parts. The worst case is a text in which every
character is two UTF-16 units, so that each part of 67 units holds 33 characters and leaves one unit empty."""


def too_long(template: Template, slots: Sequence[Sequence[str]], messages: int) -> Iterator[int]:
    """Yield the indexes of the messages that take more parts than an SMS can have.

    Args:
        template: the registered text.
        slots: the values, one list for each slot.
        messages: how many messages there are; a template without slots has no values to count.
    """
    own = sum(map(len, template.literals))
    if own + sum(max(map(len, values), default=0) for values in slots) <= _ALWAYS_FITS:
        return
    for index, values in enumerate(zip(*slots, strict=True) if slots else repeat((), messages)):
        if own + sum(map(len, values)) > _ALWAYS_FITS and measure(template.render(values)).parts > MAX_PARTS:
            yield index


class PartsCounter:
    """Counts the parts of a template's messages, as ``times_dispatch.sms.encoding.measure`` counts each rendered text.

    Texts in which every character takes one unit have equal parts if their lengths and encodings are equal. If all
    texts of a chunk are of this kind, their lengths decide. If only its ASCII texts are, the other texts are measured
    one by one.
    """

    def __init__(self, template: Template) -> None:
        self._template = template
        self._literals = "".join(template.literals)
        own = measure(self._literals)
        self._always_ucs2 = own.unicode
        self._one_unit_each = own.units == len(self._literals)
        self._ucs2_parts, self._gsm_parts = _PartsOfLength("अ"), _PartsOfLength("a")
        self.gsm_messages = self.gsm_parts = 0
        """Messages in the GSM 7-bit alphabet, and their parts."""
        self.ucs2_messages = self.ucs2_parts = 0
        """Messages that some character forces into UCS-2, and their parts."""

    def parts(self, slots: Sequence[Sequence[str]], messages: int) -> list[int]:
        """Count the parts of each of ``messages`` messages, given their values, one list for each slot."""
        values = "".join(map("".join, slots))
        joined = measure(self._literals + values)
        if joined.unicode != self._always_ucs2 or joined.units != len(self._literals) + len(values):
            return self._one_by_one(slots, messages)
        parts = self._by_length(slots, messages)
        self._count(unicode=joined.unicode, messages=messages, parts=sum(parts))
        return parts

    def _by_length(self, slots: Sequence[Sequence[str]], messages: int) -> list[int]:
        own = len(self._literals)
        parts_of_length = self._ucs2_parts if self._always_ucs2 else self._gsm_parts
        if parts_of_length[own + sum(max(map(len, values), default=0) for values in slots)] == 1:
            return [1] * messages
        lengths: Iterable[int] = repeat(own, messages)
        for values in slots:
            lengths = map(add, lengths, map(len, values))
        return list(map(parts_of_length.__getitem__, lengths))

    def _one_by_one(self, slots: Sequence[Sequence[str]], messages: int) -> list[int]:
        own, in_ucs2 = len(self._literals), self._always_ucs2
        texts = list(map("".join, zip(*slots, strict=True))) if slots else [""] * messages
        in_ascii = "".join(filter(str.isascii, texts))
        joined = measure(in_ascii)
        others: Sequence[int] = range(messages)
        parts = [0] * messages
        if self._one_unit_each and not joined.unicode and joined.units == len(in_ascii):
            others = [index for index, text in enumerate(texts) if not text.isascii()]
            parts_of_length = self._ucs2_parts if in_ucs2 else self._gsm_parts
            parts = [parts_of_length[own + len(text)] for text in texts]
        switched = switched_parts = 0
        for index in others:
            measured = measure(texts[index])
            unicode = in_ucs2 or measured.unicode
            if self._one_unit_each and measured.units == len(texts[index]):
                message_parts = (self._ucs2_parts if unicode else self._gsm_parts)[own + measured.units]
            else:
                message_parts = measure(self._template.render([values[index] for values in slots])).parts
            parts[index] = message_parts
            if unicode and not in_ucs2:
                switched += 1
                switched_parts += message_parts
        self._count(unicode=in_ucs2, messages=messages - switched, parts=sum(parts) - switched_parts)
        self._count(unicode=True, messages=switched, parts=switched_parts)
        return parts

    def _count(self, *, unicode: bool, messages: int, parts: int) -> None:
        if unicode:
            self.ucs2_messages += messages
            self.ucs2_parts += parts
        else:
            self.gsm_messages += messages
            self.gsm_parts += parts


class _PartsOfLength(dict[int, int]):
    """Parts of a text by its length, if every character takes one unit; the encoder is asked once for each length."""

    def __init__(self, character: str) -> None:
        super().__init__()
        self._character = character

    def __missing__(self, length: int) -> int:
        self[length] = parts = measure(self._character * length).parts
        return parts
