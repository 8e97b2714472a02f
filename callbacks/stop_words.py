"""Replies by which a recipient asks for no more messages (``[optouts] stop_words``)."""

from collections.abc import Iterable
from itertools import islice

from times_dispatch.sms.reply_words import words


class StopWords:
    """A reply asks for it that begins with one of these, whatever its case and the punctuation around its words.

    An entry may have several words; one without any never counts.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = {entry for entry in map(tuple, map(words, entries)) if entry}
        self._longest = max(map(len, self._entries), default=0)

    def begin(self, reply: str) -> bool:
        """Say whether a reply begins with one of the entries."""
        first = tuple(islice(words(reply), self._longest))
        return any(first[:count] in self._entries for count in range(1, len(first) + 1))
