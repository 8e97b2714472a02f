"""The words of recipients' replies, and the stop words with which recipients opt out."""

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice

_IGNORED_CATEGORIES = frozenset("PSC")
"""The first letters of the Unicode categories that are ignored around a word: punctuation, symbols, invisible marks."""


class StopWords:
    """The entries of stop words: a reply that begins with an entry is an opt-out.

    An entry is one word or several. Case and the punctuation around the words are ignored. An entry without words never
    matches.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = {words for entry in entries if (words := tuple(comparable_words(entry)))}
        self._max_words = max(map(len, self._entries), default=0)

    def begin(self, reply: str) -> bool:
        """Return whether a reply begins with one of the entries."""
        first_words = tuple(islice(comparable_words(reply), self._max_words))
        return any(first_words[:count] in self._entries for count in range(1, len(first_words) + 1))


def comparable_words(text: str) -> Iterator[str]:
    """Yield the words of a text, without case and without the punctuation around each word.

    A word that has only punctuation is left out.
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
