"""What recipients write back, word by word: whatever the case, and what stands around a word."""

import unicodedata
from collections.abc import Iterator

_AROUND = frozenset("PSC")
"""General categories of what may stand around a word: punctuation, symbols, invisible characters."""


def words(text: str) -> Iterator[str]:
    """Yield the words of a text in a form in which they can be compared; what is only punctuation is none."""
    for word in text.split():
        if bare := _bare(word):
            yield unicodedata.normalize("NFC", unicodedata.normalize("NFC", bare).casefold())


def _bare(word: str) -> str:
    first, last = 0, len(word)
    while first < last and unicodedata.category(word[first])[0] in _AROUND:
        first += 1
    while last > first and unicodedata.category(word[last - 1])[0] in _AROUND:
        last -= 1
    return word[first:last]
