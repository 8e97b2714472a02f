"""Which characters force messages into UCS-2, where they cost more than twice as much (docs/domain.md section 6)."""

import unicodedata
from collections import Counter
from collections.abc import Sequence

import msgspec

from times_dispatch.sms.encoding import non_gsm_characters
from times_dispatch.sms.templates import Template

_INSTEAD = {
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
"""What can be written for it in the GSM alphabet without anybody missing something."""


class Character(msgspec.Struct, frozen=True):
    """One character that forces UCS-2."""

    character: str
    name: str
    """``U+20B9 INDIAN RUPEE SIGN``."""
    messages: int
    """In which it stands."""
    instead: str
    """What could be written for it; empty if there is nothing like it."""


class Characters:
    """Counts the messages in which each such character stands, unless the template's own text forces them all."""

    def __init__(self, template: Template) -> None:
        self.of_template = non_gsm_characters("".join(template.literals))
        """Those in the registered text itself, in its order."""
        self._messages: Counter[str] = Counter()

    def add(self, slots: Sequence[Sequence[str]]) -> None:
        """Count those in the values of some messages, given by slot."""
        if self.of_template or not slots or not non_gsm_characters("".join(map("".join, slots))):
            return
        for values in map("".join, zip(*slots, strict=True)):
            self._messages.update(non_gsm_characters(values))

    def most_common(self, most: int) -> list[Character]:
        """Return those that stand in most messages."""
        return [described(character, messages) for character, messages in self._messages.most_common(most)]

    def __len__(self) -> int:
        return len(self._messages)


def described(character: str, messages: int) -> Character:
    """Name a character that forces so many messages."""
    name = f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"
    return Character(character, name, messages, _INSTEAD.get(character, ""))
