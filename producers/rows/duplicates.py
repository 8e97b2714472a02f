"""Which numbers a campaign has already, in a few bytes each."""

from array import array
from collections.abc import Sequence

from pyroaring import BitMap64


class NumberSet:
    """A set of phone numbers as integers: about 6 bytes for each of a million random ones, a Python set takes 90."""

    def __init__(self) -> None:
        self._seen = BitMap64()

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, numbers: Sequence[int]) -> list[int]:
        """Add numbers; return the positions of those that were there, or stood earlier in the same sequence."""
        seen = self._seen
        known = [number in seen for number in numbers]
        again = [position for position, is_known in enumerate(known) if is_known] if True in known else []
        if len(set(numbers)) != len(numbers):
            again = _with_repeats(numbers, again)
        seen.update(array("Q", numbers))
        return again


def _with_repeats(numbers: Sequence[int], again: list[int]) -> list[int]:
    here: set[int] = set()
    known = set(again)
    for position, number in enumerate(numbers):
        if number in here:
            known.add(position)
        here.add(number)
    return sorted(known)
