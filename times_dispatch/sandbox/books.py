"""The sandbox's honest books: what arrived, what was accepted, what was reported, per sender and in all."""

from collections import Counter

import msgspec

from times_dispatch.sandbox.clock import seconds
from times_dispatch.sandbox.entries import Acceptance, Arrival, Entry, InjectedFault, Refusal, ReportEntry
from times_dispatch.sandbox.journal import Journal
from times_dispatch.sandbox.tally import Tally

CAMPAIGN_CHARACTERS = 8
"""A correlation id begins with its campaign."""


class Accepted(msgspec.Struct, kw_only=True, gc=False):
    """One accepted id; what ``/sandbox/accepted`` lists."""

    n: int
    """Its place in the order of first acceptance, from 1."""
    id: str
    sender: str
    to: str
    """A hash, see ``entries.number_hash``."""
    at: float
    """Arrival of the request that was first accepted, in s since the epoch."""
    parts: int
    times: int = 1
    event: str = ""
    """What the receiver acknowledged: delivered, else failed (the first one), else nothing yet."""
    code: str = ""
    """Of the failure, when ``event`` is failed."""
    delivered: int = 0
    """Rows of each kind that the receiver acknowledged, duplicates included."""
    failed: int = 0
    clicked: int = 0
    replied: int = 0


class Books:
    """Everything that happened; an entry is in the journal, if there is one, before anybody is told."""

    def __init__(self, journal: Journal | None = None) -> None:
        self._journal: Journal | None = None
        self.reset()
        if journal:
            for entry in journal.read():
                self.enter(entry)
        self._journal = journal

    def reset(self) -> None:
        """Start afresh."""
        self.all = Tally()
        self.senders: dict[str, Tally] = {}
        self.messages: dict[str, Accepted] = {}
        self.in_order: list[Accepted] = []
        self.strays: Counter[str] = Counter()
        """Acknowledged rows that are not ours, by origin: forged, foreign."""
        self._arrivals_of: dict[str, int] = {}
        self._numbers: set[str] = set()
        self._repeated_numbers: set[str] = set()
        if self._journal:
            self._journal.clear()

    def enter(self, entry: Entry) -> None:
        """Enter what happened."""
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
        """Count the arrivals of an id so far."""
        return self._arrivals_of.get(message_id, 0)

    def unreported(self) -> list[Accepted]:
        """List the accepted messages without an acknowledged report."""
        return [message for message in self.in_order if not message.event]

    def _of(self, sender: str) -> Tally:
        tally = self.senders.get(sender)
        if tally is None:
            tally = self.senders[sender] = Tally()
        return tally

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
        is_second = number in self._numbers and number not in self._repeated_numbers
        if is_second:
            self._repeated_numbers.add(number)
        self._numbers.add(number)
        for tally in (self.all, self._of(entry.sender)):
            tally.accept(entry.message_id, times=message.times, parts=entry.parts)
            tally.repeated_numbers += is_second
            tally.unicode_mismatches += entry.unicode_mismatch
            tally.unicode_needless += entry.unicode_needless

    def _report(self, entry: ReportEntry) -> None:
        message = self.messages.get(entry.meta)
        if message is None or entry.origin != "own":
            self.strays[entry.origin] += 1
            return
        rows = getattr(message, entry.event) + 1
        setattr(message, entry.event, rows)
        if entry.event == "delivered":
            message.event, message.code = entry.event, ""
        elif entry.event == "failed" and not message.event:
            message.event, message.code = entry.event, entry.code
        for tally in (self.all, self._of(message.sender)):
            tally.report(entry.event, entry.code, is_first=rows == 1)
