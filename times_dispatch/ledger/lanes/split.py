"""The split of a campaign's recipients over the lanes of its sender, by the phone number.

All messages to a number go through one lane, so the lane's script sees all of them: frequency caps and checks of
repeated texts hold as without lanes. The numbers spread evenly, so all lanes end a campaign at about the same time.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from zlib import crc32

from times_dispatch.ledger.lanes.rows import joined, picked
from times_dispatch.ledger.model import Recipients


class LaneBatch(NamedTuple):
    """A batch of one lane's campaign."""

    lane: int
    number: int
    """The number of the batch in the lane's campaign, from 0."""
    recipients: Recipients


def lane_of_number(phone: str, lanes: int) -> int:
    """Return the number of the lane through which messages to a phone number (E.164 digits) go."""
    return crc32(phone.encode()) % lanes


def lane_batches(batches: Iterable[Recipients], *, lanes: int, size: int) -> Iterator[LaneBatch]:
    """Yield the batches of all lanes; equal batches of a file always give the same batches of lanes.

    Args:
        batches: the rows of the file, in order.
        lanes: how many lanes there are; with one lane the batches stay as they are.
        size: messages of a full batch.
    """
    if lanes == 1:
        for number, batch in enumerate(batches):
            yield LaneBatch(0, number, batch)
        return
    rest: list[Recipients | None] = [None] * lanes
    numbers = [0] * lanes
    for batch in batches:
        of_lanes: list[list[int]] = [[] for _ in range(lanes)]
        for position, phone in enumerate(batch.to):
            of_lanes[lane_of_number(phone, lanes)].append(position)
        for lane, positions in enumerate(of_lanes):
            rows = _rows_after(rest[lane], picked(batch, positions))
            for first in range(0, len(rows.to) - len(rows.to) % size, size):
                taken = picked(rows, range(first, first + size), first=numbers[lane] * size)
                yield LaneBatch(lane, numbers[lane], taken)
                numbers[lane] += 1
            rest[lane] = picked(rows, range(len(rows.to) - len(rows.to) % size, len(rows.to)))
    for lane, last in enumerate(rest):
        if last and last.to:
            yield LaneBatch(lane, numbers[lane], picked(last, range(len(last.to)), first=numbers[lane] * size))


def _rows_after(rest: Recipients | None, rows: Recipients) -> Recipients:
    return joined(rest, rows) if rest and rest.to else rows
