"""How many entries a reconciler takes, which entries it processes together, and how often it tries an entry."""

from collections.abc import Iterable
from dataclasses import dataclass

from callbacks.entry_applier import max_rows
from callbacks.stream_reader import CLAIM_AFTER_MS, Entry


@dataclass(frozen=True, kw_only=True)
class ReconcilerLimits:
    """How many entries a reconciler takes at the same time, and how often it tries entries that fail."""

    read_entries: int = 128
    """Entries that are read, or claimed, at once. The receiver puts up to 128 KiB of bodies into one entry."""
    group_bytes: int = 1024 * 1024
    """Bytes of the entries that are applied together: some thousands of reports, applied within a second."""
    group_rows: int = 40_000
    """The maximum of commas in the entries that are applied together, plus one for each body. A row has two or three
    commas, so this many commas are some thousands of reports."""
    block_ms: int = 1_000
    """How long one read waits for a new entry."""
    read_every_s: float = 0.1
    """After a read that returned little, the next read begins this many seconds later: entries that come meanwhile are
    processed together, which takes a fraction of the CPU time in this process and in Redis. After a pause of the stream
    the first entry is read at once."""
    small_read_bytes: int = 128 * 1024
    """A read that returned fewer bytes than this returned little: some hundreds of reports."""
    max_waiting_entries: int = 512
    """No more entries are read while this many entries wait because Redis is full."""
    claim_after_ms: int = CLAIM_AFTER_MS
    """An entry that another reconciler has held for this long is claimed from it."""
    claim_every_s: float = 5.0
    """How often the reconciler looks for entries that other reconcilers have held too long."""
    renew_every_s: float = 5.0
    """How often the reconciler claims its own entries again, so that no other reconciler takes it for dead."""
    max_deliveries: int = 5
    """At this delivery of an entry, the reports of the entry that still fail become dead letters. An entry with more
    deliveries has killed its reconcilers, or was delivered together with an entry that did: from then on the entry is
    delivered alone."""
    max_deliveries_alone: int = 8
    """An entry with more deliveries than this kills the reconcilers that open it: the entry becomes a dead letter
    without being opened."""

    def first_group(self, entries: Iterable[Entry], *, one_by_one: bool) -> list[Entry]:
        """Return the first of the entries that are processed together: at least one if there are any.

        Entries that came through different relays are not processed together. With *one_by_one* the group has one
        entry.
        """
        group = list[Entry]()
        size = rows = 0
        for entry in entries:
            size += entry.size
            rows += max_rows(entry.payload)
            is_full = size > self.group_bytes or rows > self.group_rows
            if group and (one_by_one or is_full or entry.via != group[0].via):
                break
            group.append(entry)
        return group
