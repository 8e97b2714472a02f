"""The split of a campaign's recipients over the lanes of its sender, by phone number.

All messages to a number go through one lane, so frequency caps hold as without lanes. The numbers are spread evenly, so
all lanes finish a campaign at about the same time.
"""

from collections.abc import Iterable, Iterator, Sequence
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
    """Yield the batches of all lanes; the same batches of a file always give the same batches of lanes.

    Args:
        batches: the rows of the file, in order.
        lanes: how many lanes there are; with one lane the batches stay as they are.
        size: messages of a full batch.
    """
    if lanes == 1:
        for number, batch in enumerate(batches):
            yield LaneBatch(0, number, batch)
        return
    split = LaneSplit(size, [0] * lanes)
    for batch in batches:
        yield from split.full_batches(batch)
    yield from split.last_batches()


class LaneSplit:
    """Collects the rows of each lane, and cuts them into batches."""

    def __init__(self, size: int, numbers: Sequence[int]) -> None:
        """Make a split without rows.

        Args:
            size: messages of a full batch.
            numbers: the number of the next batch of each lane; all earlier batches are full.
        """
        self._size = size
        self._numbers = list(numbers)
        self._rest: list[Recipients | None] = [None] * len(self._numbers)

    def full_batches(self, rows: Recipients) -> Iterator[LaneBatch]:
        """Add rows; yield the batches that become full."""
        of_lanes: list[list[int]] = [[] for _ in self._numbers]
        for position, phone in enumerate(rows.to):
            of_lanes[lane_of_number(phone, len(of_lanes))].append(position)
        for lane, positions in enumerate(of_lanes):
            of_lane = _rows_after(self._rest[lane], picked(rows, positions))
            end = len(of_lane.to) - len(of_lane.to) % self._size
            for first in range(0, end, self._size):
                yield self._batch(lane, of_lane, range(first, first + self._size))
            self._rest[lane] = picked(of_lane, range(end, len(of_lane.to)))

    def last_batches(self) -> Iterator[LaneBatch]:
        """Yield the last batches of the lanes, which are not full."""
        for lane, rest in enumerate(self._rest):
            if rest and rest.to:
                yield self._batch(lane, rest, range(len(rest.to)))

    def _batch(self, lane: int, rows: Recipients, positions: range) -> LaneBatch:
        number = self._numbers[lane]
        self._numbers[lane] += 1
        return LaneBatch(lane, number, picked(rows, positions, first=number * self._size))


def _rows_after(rest: Recipients | None, rows: Recipients) -> Recipients:
    return joined(rest, rows) if rest and rest.to else rows
