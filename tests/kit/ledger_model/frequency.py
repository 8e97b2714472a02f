"""The frequency caps of a sender: the entries of texts and phones, and the messages that the entries forbid."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.kit.ledger_model.campaign import Message
from times_dispatch.ledger.frequency_cap import FrequencyLimit

FIRST_CLASS_ENTRIES = 256
TOO_MANY, SAME_TEXT = 32, 33
NO_LIMIT = FrequencyLimit()


class ModelEntry(NamedTuple):
    """The entry of a message that was opened."""

    campaign: str
    message: int
    """The index of the message in its campaign."""
    attempt: int
    at_s: int


class Text(NamedTuple):
    """A text to a phone. The phone follows from the index of the message."""

    message: int
    word: str


class CapAnswer(NamedTuple):
    """Whether a message may be sent: yes if both fields are 0."""

    code: int = 0
    """The code of the suppression; 0 if the message is not suppressed."""
    wait_ms: int = 0
    """How long the message must wait, in milliseconds."""


Find = Callable[[str, int], Message]
"""Returns a message by its campaign and its index."""


@dataclass
class FrequencyCaps:
    limit: FrequencyLimit = NO_LIMIT
    texts: dict[tuple[int, int, Text], ModelEntry] = field(default_factory=dict)
    """The last entry of each text, by period and class."""
    text_entries: Counter[int] = field(default_factory=Counter)
    """How many entries were made in each period."""
    phones: dict[tuple[int, int], list[ModelEntry]] = field(default_factory=dict)
    """The entries of each phone, by period."""

    def check(self, name: str, text: Text, now_s: int, find: Find) -> CapAnswer:
        of_text = self._check_text(name, text, now_s, find) if self.limit.repeat_after_s else CapAnswer()
        if of_text.code or not self.limit.max_messages:
            return of_text
        of_phone = self._check_phone(text.message, now_s, find)
        return of_phone if of_phone.code else CapAnswer(0, max(of_text.wait_ms, of_phone.wait_ms))

    def _check_text(self, name: str, text: Text, now_s: int, find: Find) -> CapAnswer:
        period_s, wait_ms = self.limit.repeat_after_s, 0
        for period in (now_s // period_s, now_s // period_s - 1):
            for size_class in (0, 1):
                entry = self.texts.get((period, size_class, text))
                if not entry or entry.campaign == name or now_s - entry.at_s >= period_s:
                    continue
                message = find(entry.campaign, entry.message)
                status = sent_status(message.state, message.attempt)
                if status == "sent":
                    return CapAnswer(SAME_TEXT)
                if status == "undecided":
                    wait_ms = wait_while_undecided_ms(now_s - entry.at_s, period_s)
        return CapAnswer(0, wait_ms)

    def _check_phone(self, index: int, now_s: int, find: Find) -> CapAnswer:
        this = now_s // self.limit.period_s
        statuses = [
            (self._sent_status_of_attempt(entry, now_s, find), entry)
            for period in (this, this - 1)
            for entry in self.phones.get((period, index), [])
        ]
        undecided = [entry.at_s for status, entry in statuses if status == "undecided"]
        sent = sum(status == "sent" for status, _ in statuses)
        if sent >= self.limit.max_messages:
            return CapAnswer(TOO_MANY)
        if undecided and sent + len(undecided) >= self.limit.max_messages:
            return CapAnswer(0, wait_while_undecided_ms(now_s - max(undecided), self.limit.period_s))
        return CapAnswer()

    def _sent_status_of_attempt(self, entry: ModelEntry, now_s: int, find: Find) -> str:
        if entry.at_s <= now_s - self.limit.period_s:
            return "unsent"
        message = find(entry.campaign, entry.message)
        return "sent" if message.attempt > entry.attempt else sent_status(message.state, 0)

    def kept(self, index: int, now_s: int, find: Find) -> list[ModelEntry]:
        """Return the entries of a phone in this period, without the entries of messages that were not sent."""
        entries = self.phones.get((now_s // self.limit.period_s, index), [])
        return [entry for entry in entries if self._sent_status_of_attempt(entry, now_s, find) != "unsent"]

    def add(self, block: list[tuple[ModelEntry, str]], now_s: int, find: Find) -> None:
        """Add entries for the messages of a block, each with its text, before the messages become ``sending``."""
        if self.limit.repeat_after_s:
            period = now_s // self.limit.repeat_after_s
            size_class = int(self.text_entries[period] >= FIRST_CLASS_ENTRIES)
            for entry, word in block:
                self.texts[period, size_class, Text(entry.message, word)] = entry
            self.text_entries[period] += len(block)
        if self.limit.max_messages:
            for entry, _ in block:
                kept = self.kept(entry.message, now_s, find)
                self.phones[now_s // self.limit.period_s, entry.message] = [*kept, entry]


def sent_status(state: str, attempts: int) -> str:
    """Return ``sent``, ``unsent`` or ``undecided``; *attempts* is the number of pushes before the last push."""
    if state in "si":
        return "undecided"
    if state not in "pruex":
        return "sent"
    if not attempts:
        return "unsent"
    return "undecided" if state == "p" else "sent"


def wait_while_undecided_ms(age_s: int, matters_s: int) -> int:
    return max(500, min(age_s * 500, 60_000, (matters_s - age_s) * 1000))
