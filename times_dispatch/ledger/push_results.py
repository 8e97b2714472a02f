"""The results of pushes, as a worker gives them to the script ``record``, and their consequences."""

import struct
from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

import msgspec

from times_dispatch.ledger.protocol import BackOffPolicy, BrakeTarget, PushResult
from times_dispatch.ledger.records import transaction_number

_ITEM = struct.Struct(">HHcHQB")
_MAX_CODE = 0xFFFF
_MAX_PARTS = 0xFF


class Result(msgspec.Struct, frozen=True, gc=False):
    """The result of the push of one message of a block."""

    index: int
    """Index of the message within the batch."""
    block: int
    """Number of the block that opened the message."""
    result: bytes
    """A ``PushResult``."""
    code: int = 0
    """The provider's code, or a code of our own; 0 if there is none."""
    transaction_id: str = ""
    """The provider's id of the message; empty unless the provider accepted the message."""
    parts: int = 0
    """SMS parts of the message."""


class Consequence(NamedTuple):
    """The consequence of a group of results for the campaign, and for the sender at the provider."""

    back_off: BackOffPolicy = BackOffPolicy.NEVER
    at_least_s: float = 0.0
    """For how many seconds the provider asked for no messages."""
    jitter: float = 1.0
    """Between 0.5 and 1; spreads the moments at which the back-offs of several senders end."""
    brake: BrakeTarget = BrakeTarget.NOTHING
    reason: str = ""
    """Why the sender backs off, or why the campaign or the sender is braked; for people."""


class FailurePolicy(NamedTuple):
    """The policy for errors of our own code: a batch is tried again a few times, then its campaign is braked."""

    pauses_s: tuple[float, ...] = (1.0, 5.0, 30.0)
    """Seconds for which no worker is woken for the batch: after the first failure, after the second failure, and after
    each later failure."""
    max_failures: int = 5
    """After this many failures of one batch, on two workers at least, its campaign is braked."""
    max_failures_alone: int = 8
    """After this many failures of one batch its campaign is braked, also if there is only one worker."""


_index = attrgetter("index")


def pack_results(results: Iterable[Result]) -> bytes:
    """Pack results for the script ``record``, sorted by index."""
    pack, accepted = _ITEM.pack, PushResult.ACCEPTED
    return b"".join(
        [
            pack(
                result.index,
                result.block,
                result.result,
                code if (code := result.code) <= _MAX_CODE else _MAX_CODE,
                transaction_number(result.transaction_id) if result.result == accepted else 0,
                parts if (parts := result.parts) <= _MAX_PARTS else _MAX_PARTS,
            )
            for result in sorted(results, key=_index)
        ]
    )
