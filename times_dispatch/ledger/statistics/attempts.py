"""The attempts of a message that was sent again, as the ledger packs them (``CampaignKey.ATTEMPTS``)."""

import struct
from typing import Final, NamedTuple

_ATTEMPT: Final = struct.Struct(">BBHB")
_PROVED: Final = 1
_TRIED_AGAIN: Final = 2
"""The flags of an attempt, see ``lua/lib/attempts.lua``."""


class Attempt(NamedTuple):
    """One attempt to send a message."""

    number: int
    chain_index: int
    """The index of the attempt's provider in the chain of the campaign."""
    day: int
    """The day since the epoch, counted in India."""
    is_proved: bool
    """Whether the provider is known to have accepted the attempt."""
    is_tried_again: bool
    """Whether the message was sent again because this attempt failed."""


def unpack_attempts(packed: bytes) -> list[Attempt]:
    """Return the attempts of a message; none if the message was sent once."""
    return [
        Attempt(number, chain_index, day, flags & _PROVED > 0, flags & _TRIED_AGAIN > 0)
        for number, chain_index, day, flags in _ATTEMPT.iter_unpack(packed)
    ]


def tries_before(attempts: list[Attempt], number: int) -> int:
    """Return how many attempts before this attempt failed and were followed by a second try."""
    return sum(known.number < number and known.is_tried_again for known in attempts)
