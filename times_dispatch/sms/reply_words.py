"""The words of a recipient's reply, in a form in which they can be compared with stop words."""

import unicodedata
from collections.abc import Iterator

_IGNORED_CATEGORIES = frozenset("PSC")
"""First letters of the Unicode categories that are ignored around a word: punctuation, symbols, invisible marks."""


def comparable_words(text: str) -> Iterator[str]:
    """Yield the words of a text without case and without the punctuation around them.

    A word of punctuation only is left out.
    """
    for word in text.split():
        if stripped := _stripped(word):
            yield unicodedata.normalize("NFC", unicodedata.normalize("NFC", stripped).casefold())


def _stripped(word: str) -> str:
    first, last = 0, len(word)
    while first < last and unicodedata.category(word[first])[0] in _IGNORED_CATEGORIES:
        first += 1
    while last > first and unicodedata.category(word[last - 1])[0] in _IGNORED_CATEGORIES:
        last -= 1
    return word[first:last]
