"""The replies of the script ``open_block`` to a worker: a block of messages, or why there is no block."""

import secrets
import struct
from typing import NamedTuple

from times_dispatch.ledger.errors import LeaseLost
from times_dispatch.ledger.model import BatchRef
from times_dispatch.ledger.protocol import Status, WaitReason
from times_dispatch.ledger.scripts import Reply, text

AHEAD_US = 40_000
"""How far ahead of Redis' clock send times are given out; with the tolerance, 5 % of a second (docs/concepts.md)."""
AHEAD_S = AHEAD_US / 1e6
"""The same in seconds."""
TOLERANCE_US = 10_000
"""How far in the past a send time may be when a worker gets it."""
TOLERANCE_S = TOLERANCE_US / 1e6
"""The same in seconds."""

UNKNOWN_BLOCK = -1
"""The value in place of the last block's number if the caller does not know its last block."""

_HEAD = struct.Struct(">HddddBIH")
_MESSAGE = struct.Struct(">HB")


class Block(NamedTuple):
    """Messages that are now ``sending``; only the worker that opened the block may push them."""

    number: int
    starts_in_s: float
    """When the first message may be sent, in seconds from ``ledger_s``; below 0 if this time had passed."""
    interval_s: float
    """The time that one unit of cost takes at the sender's rate; 0 if there is no limit."""
    messages: list[tuple[int, int]]
    """The index within the batch and the attempt of each message, as plain pairs, which are the cheapest to read."""
    chain_index: int = 0
    """The index in the campaign's chain (``Plan.chain``) of the provider through which the messages are pushed."""
    next_index: int = 0
    """Index within the batch from which the next block is searched."""
    suppressed: int = 0
    """How many messages before ``next_index`` the ledger suppressed."""
    opt_out_changes: int = 0
    """How many times the opt-out list had been changed when the block was opened."""
    ledger_s: float = 0.0
    """When the ledger gave out the send times, by its clock, in epoch seconds; 0 if unknown."""
    delay_s: float = 0.0
    """By how many seconds after their send times all workers push the sender's messages while the ledger is slow."""


class Outside(NamedTuple):
    """The first pending message is not in the stretch of the ``FrequencyCheck``; no message was opened."""

    first_pending: int
    """Index of that message within the batch."""


class Wait(NamedTuple):
    """No message of the batch may be sent for some seconds."""

    seconds: float
    reason: str
    """A ``WaitReason``, or a worker's own reason."""


class Drained(NamedTuple):
    """No message of the batch is pending."""


class BatchClosed(NamedTuple):
    """The worker has to release the batch.

    For example, the campaign or its sender does not run, all providers of the campaign are braked, or the sender backs
    off from all of these providers while another campaign could send.
    """

    reason: str
    """A ``CloseReason``, the state of the campaign, or a worker's own reason."""


Opened = Block | Outside | Wait | Drained | BatchClosed


def new_operation() -> str:
    """Return an id for one call that takes a batch or opens a block."""
    return secrets.token_hex(6)


def read_opened(ref: BatchRef, reply: Reply, opt_out_changes: int) -> Opened:
    """Read the reply of ``open_block``; raise ``LeaseLost`` if another worker holds the batch.

    Args:
        ref: The batch.
        reply: The script's reply by name.
        opt_out_changes: How many times the opt-out list was changed, read in the same round trip.
    """
    match text(reply["status"]):
        case Status.OPENED:
            return read_block(reply["block"], opt_out_changes)
        case Status.OUTSIDE:
            return Outside(reply["first_pending"])
        case Status.WAIT:
            return Wait(reply["ms"] / 1000, WaitReason(text(reply["reason"])))
        case Status.DRAINED:
            return Drained()
        case Status.CLOSED:
            return BatchClosed(text(reply["reason"]))
        case _:
            raise LeaseLost(ref)


def read_block(packed: bytes, opt_out_changes: int) -> Block:
    """Read a block, packed as ``PACKED_HEAD`` and ``PACKED_MESSAGE`` in ``open_block.lua`` say."""
    number, now_us, starts_in_us, interval_us, delay_us, chain_index, next_index, suppressed = _HEAD.unpack_from(packed)
    return Block(
        number=number,
        starts_in_s=starts_in_us / 1e6,
        interval_s=interval_us / 1e6,
        messages=list(_MESSAGE.iter_unpack(packed[_HEAD.size :])),
        chain_index=chain_index,
        next_index=next_index,
        suppressed=suppressed,
        opt_out_changes=opt_out_changes,
        ledger_s=now_us / 1e6,
        delay_s=delay_us / 1e6,
    )
