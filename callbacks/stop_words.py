"""Replies by which a recipient asks for no more messages (``[optouts] stop_words``)."""

import unicodedata
from collections.abc import Iterable

_AROUND = frozenset("PSC")
"""General categories of what may stand around a word: punctuation, symbols, invisible characters."""


class StopWords:
    """A reply asks for it whose first word is one of these, whatever its case and the punctuation around it."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = {_alike(word) for word in words}

    def begin(self, reply: str) -> bool:
        """Say whether a reply begins with one of the words."""
        if not self._words:
            return False
        first = next((word for word in map(_bare, reply.split()) if word), "")
        return _alike(first) in self._words


def _alike(word: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", word).casefold())


def _bare(word: str) -> str:
    first, last = 0, len(word)
    while first < last and unicodedata.category(word[first])[0] in _AROUND:
        first += 1
    while last > first and unicodedata.category(word[last - 1])[0] in _AROUND:
        last -= 1
    return word[first:last]
