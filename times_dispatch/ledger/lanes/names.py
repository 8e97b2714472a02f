"""The names of a sender's lanes. The first lane has the name of the sender; no other lane's name can be a header."""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import count, product
from string import ascii_lowercase
from typing import Any, Final

from redis.asyncio import Redis
from redis.crc import key_slot

from times_dispatch.ledger.keys import SENDERS
from times_dispatch.ledger.model import SenderId
from times_dispatch.ledger.scripts import text

MAX_LANES: Final = 16
_MARK: Final = "/"
_SLOTS: Final = 16_384
_LANE: Final = re.compile(rf"([^{_MARK}]+){_MARK}([1-9][0-9]?)[a-z]*")
_NEAR: Final = 96
"""The slot of a lane is at most this far from its ideal slot."""


def is_lane(sender: SenderId | str) -> bool:
    """Say whether a name is the name of a lane other than the first; other programs may have written any name."""
    return _LANE.fullmatch(sender) is not None


def header_of(sender: SenderId | str) -> SenderId:
    """Return the sender to which a lane belongs; for a sender without lanes, return the sender."""
    if _MARK not in sender:  # as nearly all names: lists ask this for each of ten thousand campaigns
        return SenderId(sender)
    lane = _LANE.fullmatch(sender)
    return SenderId(lane[1] if lane else sender)


def lane_number(sender: SenderId | str) -> int:
    """Return the number of a lane, from 0."""
    lane = _LANE.fullmatch(sender)
    return int(lane[2]) if lane else 0


@lru_cache(1_000)
def lane_senders(header: SenderId, lanes: int) -> tuple[SenderId, ...]:
    """Return the names of a sender's lanes, the sender itself first; with more lanes, the first names stay the same."""
    return (header, *(_name(header, number) for number in range(1, lanes)))


async def known_lanes(redis: Redis, sender: SenderId) -> list[SenderId]:
    """Return the lanes in the ledger of the sender to which *sender* belongs, in their order."""
    names: Any = await redis.smembers(SENDERS)
    return lanes_among((text(name) for name in names), header_of(sender))


def lanes_among(names: Iterable[str], header: SenderId) -> list[SenderId]:
    """Return the lanes of a sender among the names of a ledger's senders; the result always has the first lane."""
    lanes = {SenderId(name) for name in names if is_lane(name) and header_of(name) == header}
    return [header, *sorted(lanes, key=lane_number)]


def _name(header: SenderId, number: int) -> SenderId:
    """Return a name whose slot is far from the slots of the lanes with lower numbers.

    The slots of 2, 4, 8 or 16 lanes are spread evenly, so that they are on different nodes.
    """
    wanted = (key_slot(header.encode()) + int(_share_of_ring(number) * _SLOTS)) % _SLOTS
    for length in count():
        for letters in product(ascii_lowercase, repeat=length):
            name = f"{header}{_MARK}{number}{''.join(letters)}"
            distance = abs(key_slot(name.encode()) - wanted)
            if min(distance, _SLOTS - distance) <= _NEAR:
                return SenderId(name)
    raise AssertionError("there is always a longer name")


def _share_of_ring(number: int) -> float:
    """Return 1/2, 1/4, 3/4, 1/8, 5/8, … (the sequence of van der Corput)."""
    share, step = 0.0, 0.5
    while number:
        number, digit = divmod(number, 2)
        share += digit * step
        step /= 2
    return share
