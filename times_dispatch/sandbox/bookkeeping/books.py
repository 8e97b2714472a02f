"""The books of the sandbox: counts of arrivals, acceptances, refusals and reports, per sender and in total."""

from collections import Counter

import msgspec

from times_dispatch.sandbox.bookkeeping.counters import SenderCounters
from times_dispatch.sandbox.bookkeeping.entries import Acceptance, Arrival, Entry, InjectedFault, Refusal, ReportEntry
from times_dispatch.sandbox.bookkeeping.journal import Journal
from times_dispatch.sandbox.bookkeeping.timestamps import seconds

CAMPAIGN_CHARACTERS = 8
"""The number of characters at the beginning of a correlation id that are the campaign id."""


class Accepted(msgspec.Struct, kw_only=True, gc=False):
    """An accepted correlation id, as ``/sandbox/accepted`` lists it."""

    n: int
    """The position in the order of first acceptance, from 1."""
    id: str
    sender: str
    to: str
    """A hash of the phone number, see ``entries.number_hash``."""
    at: float
    """When the first accepted request with this id arrived, in s since the epoch."""
    parts: int
    times: int = 1
    """How often this id was accepted."""
    event: str = ""
    """The event that the receiver acknowledged: delivered if there was one, otherwise failed, otherwise empty."""
    code: str = ""
    """The code of the first failure, if ``event`` is failed."""
    delivered: int = 0
    """The number of acknowledged rows with the event delivered, duplicates included; the next three fields count other
    events.
    """
    failed: int = 0
    clicked: int = 0
    replied: int = 0


class Books:
    """Counts all events. With a journal, each entry is written to the journal before the client gets a response."""

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal: Journal | None = None
        self.reset()
        if journal:
            for entry in journal.read():
                self.enter(entry)
        self._journal = journal

    def reset(self) -> None:
        """Empty the books and the journal."""
        self.all = SenderCounters()
        self.senders: dict[str, SenderCounters] = {}
        self.messages: dict[str, Accepted] = {}
        self.in_order: list[Accepted] = []
        self.unknown_reports: Counter[str] = Counter()
        """The number of acknowledged rows that are about no message of this account, by origin: forged, foreign."""
        self._arrivals_of: dict[str, int] = {}
        self._first_ids: dict[str, str] = {}
        """The first accepted id of each campaign and number."""
        self._repeated_numbers: set[str] = set()
        if self._journal:
            self._journal.clear()

    def enter(self, entry: Entry) -> None:
        """Write an entry to the journal, and count it."""
        if self._journal:
            self._journal.write(entry)
        match entry:
            case Arrival():
                self._arrivals_of[entry.message_id] = self._arrivals_of.get(entry.message_id, 0) + 1
                self.all.arrivals.add(entry.at_ns)
                self._of(entry.sender).arrivals.add(entry.at_ns)
            case Acceptance():
                self._accept(entry)
            case Refusal():
                self.all.refused[entry.code] += 1
                self._of(entry.sender).refused[entry.code] += 1
            case InjectedFault():
                self.all.faults[entry.fault] += 1
                self._of(entry.sender).faults[entry.fault] += 1
            case ReportEntry():
                self._report(entry)

    def arrivals_of(self, message_id: str) -> int:
        """Return how many requests with an id have arrived."""
        return self._arrivals_of.get(message_id, 0)

    def is_first(self, message_id: str) -> bool:
        """Say whether an accepted message is the first of its campaign to its number."""
        number = message_id[:CAMPAIGN_CHARACTERS] + self.messages[message_id].to
        return self._first_ids[number] == message_id

    def unreported(self) -> list[Accepted]:
        """Return the accepted messages without an acknowledged report."""
        return [message for message in self.in_order if not message.event]

    def _of(self, sender: str) -> SenderCounters:
        counters = self.senders.get(sender)
        if counters is None:
            counters = self.senders[sender] = SenderCounters()
        return counters

    def _accept(self, entry: Acceptance) -> None:
        message = self.messages.get(entry.message_id)
        if message is None:
            message = self.messages[entry.message_id] = Accepted(
                n=len(self.in_order) + 1,
                id=entry.message_id,
                sender=entry.sender,
                to=entry.number,
                at=seconds(entry.at_ns),
                parts=entry.parts,
            )
            self.in_order.append(message)
        else:
            message.times += 1
        number = entry.message_id[:CAMPAIGN_CHARACTERS] + entry.number
        is_second = number in self._first_ids and number not in self._repeated_numbers
        if is_second:
            self._repeated_numbers.add(number)
        self._first_ids.setdefault(number, entry.message_id)
        for counters in (self.all, self._of(entry.sender)):
            counters.accept(entry.message_id, times=message.times, parts=entry.parts)
            counters.repeated_numbers += is_second
            counters.unicode_mismatches += entry.unicode_mismatch
            counters.unicode_needless += entry.unicode_needless

    def _report(self, entry: ReportEntry) -> None:
        message = self.messages.get(entry.meta)
        if message is None or entry.origin != "own":
            self.unknown_reports[entry.origin] += 1
            return
        rows = getattr(message, entry.event) + 1
        setattr(message, entry.event, rows)
        if entry.event == "delivered":
            message.event, message.code = entry.event, ""
        elif entry.event == "failed" and not message.event:
            message.event, message.code = entry.event, entry.code
        for counters in (self.all, self._of(message.sender)):
            counters.report(entry.event, entry.code, is_first=rows == 1)
