"""Finds the characters that force messages into UCS-2, which more than doubles the cost (docs/domain.md section 6)."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec

from times_dispatch.sms.encoding import non_gsm_characters
from times_dispatch.sms.templates import Template

_GSM_REPLACEMENTS = {
    "‘": "'",
    "’": "'",
    "`": "'",
    "´": "'",
    "“": '"',
    "”": '"',
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "•": "-",
    "₹": "Rs",
    "\u00a0": "a blank",
    "\u202f": "a blank",
    "\u200b": "nothing",
    "\u200c": "nothing",
    "\u200d": "nothing",
    "\ufeff": "nothing",
    "\t": "a blank",
}
"""Texts in the GSM alphabet that can replace a character without a loss for the reader."""


class Ucs2Character(msgspec.Struct, frozen=True):
    """A character that forces messages into UCS-2."""

    character: str
    name: str
    """The code point and its name: ``U+20B9 INDIAN RUPEE SIGN``."""
    messages: int
    """How many messages contain the character."""
    instead: str
    """A text that can replace the character; empty if the GSM alphabet has no similar character."""


class Ucs2Characters:
    """Counts, for each such character in the values of slots, the messages that contain it.

    Nothing is counted if the template's own text already forces all messages into UCS-2.
    """

    def __init__(self, template: Template) -> None:
        self.of_template = non_gsm_characters("".join(template.literals))
        """The UCS-2 characters of the registered text, in the order of the text."""
        self._messages: Counter[str] = Counter()

    def add(self, slots: Sequence[Sequence[str]]) -> None:
        """Count the characters in the values of some messages, given one list for each slot."""
        characters = "" if self.of_template else non_gsm_characters("".join(map("".join, slots)))
        if not characters:
            return
        texts: Iterable[str] = map("".join, zip(*slots, strict=True))
        if not any(map(str.isascii, characters)):
            texts = (text for text in texts if not text.isascii())
        self._messages.update(chain.from_iterable(map(non_gsm_characters, texts)))

    def most_frequent(self, limit: int) -> list[Ucs2Character]:
        """Return at most ``limit`` characters; the character in the most messages comes first."""
        return [describe_character(character, messages) for character, messages in self._messages.most_common(limit)]

    def __len__(self) -> int:
        return len(self._messages)


def describe_character(character: str, messages: int) -> Ucs2Character:
    """Name a character that forces this many messages into UCS-2."""
    name = f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"
    return Ucs2Character(character, name, messages, _GSM_REPLACEMENTS.get(character, ""))
